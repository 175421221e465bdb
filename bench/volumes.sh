#!/bin/bash
# How long do docker volume create and rm take with berth-named, against Docker's own
# local driver in the same run?  All through the same dockerd, in turn, over one connection,
# and with what they write made durable at the end of the call:
#   dockerd   commits its own metadata.db with two fdatasync, for any driver
#   local     syncs nothing of its directories (strace), so the bench does, within the
#             time taken: after create NAME/_data, NAME and volumes/, after rm volumes/
#   ours      one fdatasync of its intent, which a start after a power cut carries out once
#             more; the directories follow within a second, many at a time
#             (volumes/t-power-cut-keeps-what-was-answered.sh)
# "local as is" is the same calls of local without the bench's syncs: there a power cut
# may take back what was answered.
# Two plugins show the floor (bench/volplug.c): "nothing" answers at once, from memory: what
# dockerd's five requests for such a pair take; "least" also writes a record, waits for the
# disk and makes or removes the directories, and does nothing else.
# Each name is used once: a Create of a name that was removed in the last second waits until
# that is on the disk.  Target: at most 1.2 times local, both durable.
# alone
# time: 600
. "${0%/*}/../integration/lib/lib.sh"
need docker volplug curl jq python3

start_daemon berth-named
"$TOOLS/volplug" "$PLUGINS/nothing.sock" &
STARTED+=("$!")
mkdir /var/lib/berth/least
"$TOOLS/volplug" "$PLUGINS/least.sock" /var/lib/berth/least &
STARTED+=("$!")
start_dockerd
cat >bench.py <<'END'
import json, os, socket, statistics, sys, time

DOCKER, ROUNDS, PAIRS = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])


def call(s, verb, path, body=None):
    data = json.dumps(body).encode() if body is not None else b""
    s.sendall(b"%s %s HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\n"
              b"Content-Length: %d\r\n\r\n" % (verb, path.encode(), len(data)) + data)
    got = b""
    while b"\r\n\r\n" not in got:
        got += s.recv(65536)
    head, _, rest = got.partition(b"\r\n\r\n")
    size = [int(l.split(b":")[1]) for l in head.split(b"\r\n")
            if l.lower().startswith(b"content-length")]
    while size and len(rest) < size[0]:
        rest += s.recv(65536)
    assert head.split()[1][:1] == b"2", got
    return json.loads(rest) if rest else None


def sync(path):
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    os.fsync(fd)
    os.close(fd)


def one(s, driver, n):
    t = time.perf_counter()
    v = call(s, b"POST", "/volumes/create",
             {"Name": "bench-%s-%s" % (driver, n), "Driver": driver})
    answered = time.perf_counter()
    data = v["Mountpoint"]
    above = os.path.dirname(os.path.dirname(data))
    if driver == "local":
        for path in data, os.path.dirname(data), above:
            sync(path)
    made = time.perf_counter()
    call(s, b"DELETE", "/volumes/" + v["Name"])
    gone = time.perf_counter()
    if driver == "local":
        sync(above)
    end = time.perf_counter()
    return [x * 1000 for x in (made - t, end - made, answered - t, gone - made)]


s = socket.socket(socket.AF_UNIX)
s.connect(DOCKER)
DRIVERS = "local", "nothing", "least", "berth-named"
for n in range(5):
    for d in DRIVERS:
        one(s, d, "w%d" % n)
PAIRED = (("ours to local as is", "berth-named", "local as is"),
          ("nothing to local", "nothing", "local"),
          ("least to local", "least", "local"),
          ("ours to nothing", "berth-named", "nothing"),
          ("ours to least", "berth-named", "least"),
          ("ours to local", "berth-named", "local"))
meds, ratios = {d: [] for d in DRIVERS}, {}
for r in range(ROUNDS):
    times = {d: [] for d in DRIVERS}
    for n in range(PAIRS):  # in turn: what the disk does else hits all
        for d in DRIVERS:
            times[d].append(one(s, d, "%d.%d" % (r, n)))
    for d in DRIVERS:
        meds[d].append([statistics.median(x) for x in zip(*times[d])])
    now = {d: sum(meds[d][r][:2]) for d in DRIVERS}
    now["local as is"] = sum(meds["local"][r][2:])
    for what, a, b in PAIRED:
        ratios.setdefault(what, []).append(now[a] / now[b])
print("medians of %d rounds of %d pairs each" % (ROUNDS, PAIRS))
for d in DRIVERS:
    all4 = [statistics.median(x) for x in zip(*meds[d])]
    for what, (c, m) in ("", all4[:2]), (" as is", all4[2:]):
        if not what or d == "local":
            print("%-12s create %6.2f ms  remove %6.2f ms  both %6.2f ms"
                  % (d + what, c, m, c + m))
for what, x in ratios.items():
    print("ratio %-20s %.2f  [%.2f-%.2f]" % (what, statistics.median(x), min(x), max(x)))
END
python3 bench.py "$DOCKER_SOCK" "${ROUNDS:-8}" "${PAIRS:-40}" | tee "$DIR/times"
at_most "$(sed -n 's/^ratio ours to local  *\([0-9.]*\) .*/\1/p' "$DIR/times")" 1.2 \
	"times Docker's local, create and remove"
