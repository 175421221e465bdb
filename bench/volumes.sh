#!/bin/bash
# How long do docker volume create and rm take with berth-named, against Docker's own
# local driver in the same run?  Both through the same dockerd, in turn, over one connection,
# and both with what they write made durable at the end of the call:
#   dockerd   commits its own metadata.db with two fdatasync, for either driver
#   local     syncs nothing of its directories (strace), so the bench does, within the
#             time taken: after create NAME/_data, NAME and volumes/, after rm volumes/
#   ours      one fdatasync of its intent, which a start after a power cut carries out once
#             more; the directories follow within a second, many at a time
#             (volumes/t-power-cut-keeps-what-was-answered.sh)
# "local as is" is the same calls of local without the bench's syncs: there a power cut
# may take back what was answered.  "nothing" is a plugin that does nothing and answers at
# once: what the calls of any plugin take.  Target: at most 1.2 times, both durable.
# alone
# time: 600
. "${0%/*}/../integration/lib/lib.sh"
need docker curl jq python3

start_daemon berth-named
cat >nothing.py <<'END'
import json, os, socket, sys

s = socket.socket(socket.AF_UNIX)
s.bind(sys.argv[1])
s.listen(8)
while True:
    c = s.accept()[0]
    if os.fork():
        c.close()
        continue
    there = set()
    while True:
        got = c.recv(65536)
        if not got:
            os._exit(0)
        head, _, body = got.partition(b"\r\n\r\n")
        method = head.split()[1].rpartition(b".")[2]
        name = json.loads(body)["Name"] if body.startswith(b'{"Name') else ""
        say = {}
        if method == b"Activate":
            say = {"Implements": ["VolumeDriver"]}
        elif method == b"List":
            say = {"Volumes": []}
        elif method == b"Create":
            there.add(name)
        elif method == b"Remove":
            there.discard(name)
        elif method == b"Get" and name in there:
            say = {"Volume": {"Name": name, "Mountpoint": "/nothing/at/all"}}
        elif method == b"Get":
            say = {"Err": "no such volume"}
        say = json.dumps(say).encode()
        c.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(say), say))
END
python3 nothing.py "$PLUGINS/nothing.sock" &
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
             {"Name": "bench-%s-%d" % (driver, n), "Driver": driver})
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
DRIVERS = "local", "berth-named", "nothing"
for n in range(5):
    for d in DRIVERS:
        one(s, d, n)
meds, ratios, as_is = {d: [] for d in DRIVERS}, [], []
for r in range(ROUNDS):
    times = {d: [] for d in DRIVERS}
    for n in range(PAIRS):  # in turn: what the disk does else hits all
        for d in DRIVERS:
            times[d].append(one(s, d, n))
    for d in DRIVERS:
        meds[d].append([statistics.median(x) for x in zip(*times[d])])
    ours, theirs = meds["berth-named"][r], meds["local"][r]
    ratios.append(sum(ours[:2]) / sum(theirs[:2]))
    as_is.append(sum(ours[:2]) / sum(theirs[2:]))
print("medians of %d rounds of %d pairs each" % (ROUNDS, PAIRS))
for d in DRIVERS:
    all4 = [statistics.median(x) for x in zip(*meds[d])]
    for what, (c, m) in ("", all4[:2]), (" as is", all4[2:]):
        if not what or d == "local":
            print("%-12s create %6.2f ms  remove %6.2f ms  both %6.2f ms"
                  % (d + what, c, m, c + m))
print("each round   " + " ".join("%.2f" % x for x in sorted(ratios)))
print("against local as is: %.2f" % statistics.median(as_is))
print("ratio %.2f" % statistics.median(ratios))
END
python3 bench.py "$DOCKER_SOCK" "${ROUNDS:-8}" "${PAIRS:-40}" | tee "$DIR/times"
at_most "$(sed -n 's/^ratio //p' "$DIR/times")" 1.2 "times Docker's local, create and remove"
