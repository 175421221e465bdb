#!/bin/bash
# How much is in a directory volume is told at once, however many files it has: the
# figure is that of du, taken in the background, and told with its age.
# in turn
. "${0%/*}/../lib/lib.sh"
need curl jq python3

start_daemon berth-named
api VolumeDriver.Create '{"Name":"many"}' berth-named >/dev/null
at=$(api VolumeDriver.Get '{"Name":"many"}' berth-named | jq -r .Volume.Mountpoint)
python3 - "$at" <<'END'
import os, sys
os.chdir(sys.argv[1])
for d in range(100):
    os.mkdir("d%d" % d)
    for f in range(1000):
        os.close(os.open("d%d/f%d" % (d, f), os.O_CREAT | os.O_WRONLY))
with open("big", "wb") as f:
    f.write(b"x" * (5 << 20))
os.link("big", "again")
os.symlink("/", "out")
END
sync
# The first figure may be of the empty volume; it is fresh for a minute.
restart_daemon berth-named
used() {
	api VolumeDriver.Get '{"Name":"many"}' berth-named | jq .Volume.Status.used
}
same "$(used)" null "the first answer"
counted() {
	[ "$(used)" != null ]
}
wait_until 60 counted
same "$(used)" "$(du -sxB1 "$at" | cut -f1)" "bytes, and what du says"
for _ in $(seq 100); do
	used >/dev/null
done
at_most "$(metrics berth-named VolumeDriver.Get MaxUs)" 50000 "slowest Get, us"
at_most $(($(metrics berth-named VolumeDriver.Get SumUs) /
	$(metrics berth-named VolumeDriver.Get Count))) 5000 "Get on average, us"
before=$(used)
echo more >"$at/more"
same "$(used)" "$before" "a figure that is fresh"
stop_daemon berth-named
start_daemon berth-named
used >/dev/null
stop_daemon berth-named # while it walks
start_daemon berth-named
same "$(api VolumeDriver.Remove '{"Name":"many"}' berth-named)" '{}'
