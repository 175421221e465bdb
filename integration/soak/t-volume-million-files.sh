#!/bin/bash
# A volume of 1,000,000 files is told of in less than 5 ms, also while it is walked
# through, and its Remove answers within seconds, follows no
# link, and leaves nothing.  (SOAK scales it.)
# alone
# time: 1200
# soak
. "${0%/*}/../lib/lib.sh"
need curl jq python3

start_daemon berth-named
canary=/var/lib/berth/canary # where a hard link can reach it
mkdir -p $canary/deep
echo bird >$canary/deep/bird
files=$(awk -v s="$SOAK" 'BEGIN { print int(1000000 * s) }')
same "$(api VolumeDriver.Create '{"Name":"many"}' berth-named)" '{}'
at=$(api VolumeDriver.Get '{"Name":"many"}' berth-named | jq -r .Volume.Mountpoint)
begin=$(now_ms)
python3 - "$at" $canary "$files" <<'END'
import os, sys
at, canary, files = sys.argv[1], sys.argv[2], int(sys.argv[3])
os.chdir(at)
d = None
for n in range(files):
    if n % 1000 == 0:
        d = "d%d" % (n // 1000)
        os.mkdir(d)
        os.symlink(canary, d + "/out")
        os.link(canary + "/deep/bird", d + "/bird")
    os.close(os.open("%s/f%d" % (d, n), os.O_CREAT | os.O_WRONLY))
END
note "$files files made in $(($(now_ms) - begin)) ms"
restart_daemon berth-named # it knows no figure
sync -f "$at"
cat >get.py <<'END'
import json, socket, statistics, sys, time

s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
times, used = [], None
end = time.monotonic() + float(sys.argv[2])
while time.monotonic() < end:
    t = time.perf_counter()
    s.sendall(b'POST /VolumeDriver.Get HTTP/1.1\r\nHost: d\r\n'
              b'Content-Length: 15\r\n\r\n{"Name":"many"}')
    got = b""
    while b"\r\n\r\n" not in got or not got.endswith(b"}"):
        got += s.recv(65536)
    times.append((time.perf_counter() - t) * 1000)
    used = json.loads(got.partition(b"\r\n\r\n")[2])["Volume"]["Status"].get("used")
    time.sleep(0.01)
print("# Get, by its caller: first %.2f, median %.3f, slowest %.2f ms of %d; used %s"
      % (times[0], statistics.median(times), max(times), len(times), used))
print("p90 %.3f" % sorted(times)[len(times) * 9 // 10])
END
# The first question starts the walk.
python3 get.py "$PLUGINS/berth-named.sock" 5 | tee get
at_most "$(sed -n 's/^p90 //p' get)" 5 "ms, nine of ten Get"
note "slowest in the daemon: $(metrics berth-named VolumeDriver.Get MaxUs) us"
counted() {
	[ "$(api VolumeDriver.Get '{"Name":"many"}' berth-named |
		jq .Volume.Status.used)" != null ]
}
wait_until 300 counted
same "$(api VolumeDriver.Get '{"Name":"many"}' berth-named | jq .Volume.Status.used)" \
	"$(du -sxB1 "$at" | cut -f1)" "bytes, and what du says"
begin=$(now_ms)
same "$(api VolumeDriver.Remove '{"Name":"many"}' berth-named)" '{}'
took=$(($(now_ms) - begin))
note "Remove answered after $took ms"
at_most "$took" 30000 "ms for Remove"
same "$(api VolumeDriver.List '{}' berth-named | jq -c .Volumes)" '[]'
[ ! -e "$at" ]
# Its name is free at once.
same "$(api VolumeDriver.Create '{"Name":"many"}' berth-named)" '{}'
same "$(ls "$at")" ''
same "$(api VolumeDriver.Remove '{"Name":"many"}' berth-named)" '{}'
deleted() {
	[ -z "$(ls /var/lib/berth/berth-named/volumes/.trash)" ]
}
wait_until 600 deleted
note "all deleted after $(($(now_ms) - begin)) ms"
same "$(cat $canary/deep/bird)" bird
same "$(stat -c %h $canary/deep/bird)" 1 "links to the file outside"
