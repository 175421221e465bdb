#!/bin/bash
# How long do docker volume create and rm take with berth-named, against Docker's own
# local driver in the same run?  Both with what they write made durable: ours does that by
# itself, for Docker's the directories are synced here.  Target: at most 1.2 times.
# alone
# time: 600
. "${0%/*}/../integration/lib/lib.sh"
need docker curl jq python3

start_daemon berth-named
start_dockerd
cat >bench.py <<'END'
import json, os, socket, statistics, sys, time

DOCKER, ROUNDS = sys.argv[1], int(sys.argv[2])


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
    data = v["Mountpoint"]
    above = os.path.dirname(os.path.dirname(data))
    if driver == "local":
        for path in data, os.path.dirname(data), above:
            sync(path)
    made = time.perf_counter()
    call(s, b"DELETE", "/volumes/" + v["Name"])
    if driver == "local":
        sync(above)
    end = time.perf_counter()
    return (made - t) * 1000, (end - made) * 1000


s = socket.socket(socket.AF_UNIX)
s.connect(DOCKER)
times = {"local": [], "berth-named": []}
for n in range(ROUNDS + 5):
    for driver in times:  # in turn: what the disk does else hits both
        t = one(s, driver, n)
        if n >= 5:
            times[driver].append(t)
med = {d: [statistics.median(x) for x in zip(*t)] for d, t in times.items()}
for d, (c, r) in med.items():
    print("%-12s create %6.2f ms  remove %6.2f ms  both %6.2f ms (medians of %d)"
          % (d, c, r, c + r, ROUNDS))
print("ratio %.2f" % (sum(med["berth-named"]) / sum(med["local"])))
END
python3 bench.py "$DOCKER_SOCK" 200 | tee "$DIR/times"
at_most "$(sed -n 's/^ratio //p' "$DIR/times")" 1.2 "times Docker's local, create and remove"
