#!/bin/bash
# 1,000 volumes are listed in less than 100 ms; a volume of a million files answers Get in
# less than 5 ms, for neither reads what is in them.  (SOAK scales the files.)
# time: 600
. "${0%/*}/../lib/lib.sh"
need curl jq python3

start_daemon berth-named
files=$(awk -v s="$SOAK" 'BEGIN { print int(1000000 * s) }')
cat >many.py <<'END'
import json, os, socket, sys, time

SOCK, FILES = sys.argv[1], int(sys.argv[2])


def call(s, method, body):
    data = json.dumps(body).encode()
    s.sendall(b"POST /%s HTTP/1.1\r\nHost: \r\nContent-Length: %d\r\n\r\n"
              % (method.encode(), len(data)) + data)
    got = b""
    while b"\r\n\r\n" not in got:
        got += s.recv(65536)
    head, _, rest = got.partition(b"\r\n\r\n")
    want = int([l.split(b":")[1] for l in head.split(b"\r\n")
                if l.lower().startswith(b"content-length")][0])
    while len(rest) < want:
        rest += s.recv(65536)
    answer = json.loads(rest)
    assert not answer.get("Err"), answer
    return answer


def best_ms(s, method, body):
    times = []
    for _ in range(20):
        t = time.perf_counter()
        answer = call(s, method, body)
        times.append((time.perf_counter() - t) * 1000)
    return sorted(times)[10], answer


s = socket.socket(socket.AF_UNIX)
s.connect(SOCK)
for n in range(1000):
    call(s, "VolumeDriver.Create", {"Name": "vol%d" % n, "Opts": {}})
ms, answer = best_ms(s, "VolumeDriver.List", {})
assert len(answer["Volumes"]) == 1000
print("list of 1000: %.2f" % ms)
ms, answer = best_ms(s, "Berth.Volumes", {})
print("netctl's list of 1000: %.2f" % ms)
data = "/var/lib/berth/berth-named/volumes/vol0/_data/"
for n in range(FILES):
    if n % 1000 == 0:
        os.mkdir(data + str(n))
    os.close(os.open(data + "%d/%d" % (n - n % 1000, n),
                     os.O_CREAT | os.O_WRONLY))
ms, answer = best_ms(s, "VolumeDriver.Get", {"Name": "vol0"})
print("get of %d files: %.2f" % (FILES, ms))
for n in range(1000):
    call(s, "VolumeDriver.Remove", {"Name": "vol%d" % n})
END
python3 many.py "$(sock berth-named)" "$files" >"$DIR/times"
while IFS=: read -r what ms; do
	case $what in
	list*) max=100 ;;
	get*) max=5 ;;
	*) max=1000 ;;
	esac
	at_most "$(awk -v ms="$ms" 'BEGIN { print int(ms * 1000) }')" $((max * 1000)) "us, $what"
done <"$DIR/times"
swept() {
	[ "$(ls -A /var/lib/berth/berth-named/volumes/.trash)" = '' ]
}
wait_until 60 swept
