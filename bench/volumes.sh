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
# On each file system a host is likely to have, made for it on a loop device: ext4 as
# mkfs makes it, with its journal, and xfs; and on what the machine itself has (the
# development machine: ext4 without a journal, where a sync of a directory is one write
# and nothing orders the others, so it is no promise and cheap for local).
# Each name is used once: a Create of a name that was removed in the last second waits until
# that is on the disk.  Target: at most 1.2 times local, both durable,
# on ext4 with its journal.
# alone
# time: 900
. "${0%/*}/../integration/lib/lib.sh"
need docker volplug curl jq python3

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
PAIRED = {"nothing": ("local",), "least": ("local", "nothing"), "local as is": ("local",),
          "berth-named": ("local", "local as is", "nothing", "least")}
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
    for d, others in PAIRED.items():
        for o in others:
            ratios.setdefault((d, o), []).append(now[d] / now[o])
medians = {d: [statistics.median(x) for x in zip(*meds[d])] for d in DRIVERS}
medians["local as is"] = medians["local"][2:]
print("| medians of %d rounds of %d pairs | create ms | remove ms | both ms "
      "| both, to another [least–most] |\n|---|---|---|---|---|" % (ROUNDS, PAIRS))
for d in "local", "local as is", "nothing", "least", "berth-named":
    told = ["%s %.2f [%.2f–%.2f]" % (o, statistics.median(x), min(x), max(x))
            for (what, o), x in ratios.items() if what == d]
    c, m = medians[d][:2]
    print("| %s | %.2f | %.2f | %.2f | %s |" % (d, c, m, c + m, ", ".join(told)))
print("ratio %.2f" % statistics.median(ratios["berth-named", "local"]), file=sys.stderr)
END

# measure NAME [MKFS] - the table for volumes on a new file system, or on the machine's own.
measure() {
	local at=$DIR/$1 pids=() pid
	echo "On $1:"
	echo
	mkdir -p "$at" /var/lib/berth /var/lib/docker
	if [ -n "${2-}" ]; then
		disk "$2" "" "$at" 2>/dev/null
		mkdir "$at/berth" "$at/docker"
		mount --bind "$at/berth" /var/lib/berth
		mount --bind "$at/docker" /var/lib/docker
	fi
	start_daemon berth-named
	"$TOOLS/volplug" "$PLUGINS/nothing.sock" &
	pids+=("$!")
	mkdir /var/lib/berth/least
	"$TOOLS/volplug" "$PLUGINS/least.sock" /var/lib/berth/least &
	pids+=("$!")
	STARTED+=("${pids[@]}")
	start_dockerd
	python3 bench.py "$DOCKER_SOCK" "${ROUNDS:-8}" "${PAIRS:-40}" 2>ratio || {
		cat ratio >&2
		return 1
	}
	echo
	stop_dockerd
	stop_daemon berth-named
	for pid in "${pids[@]}"; do
		kill "$pid"
		wait "$pid" || true
	done
	rm -f "$PLUGINS"/{nothing,least}.sock
	if [ -n "${2-}" ]; then
		umount /var/lib/docker /var/lib/berth "$at"
	fi
}

measure "ext4 with its journal" "mkfs.ext4 -q" >told
ratio=$(sed -n 's/^ratio //p' ratio)
measure xfs "mkfs.xfs -q" >>told
measure "the machine's own ($(stat -f -c %T /))" >>told
echo "Run of $(date -u +%F), ${BENCH_STATE:-state of the machine not known}." >>told
cat told
mkdir -p "$BUILD/bench"
[ -n "${QUICK-}" ] || cp told "$BUILD/bench/volumes.md"
at_most "$ratio" 1.2 "times Docker's local, create and remove, on ext4"
