#!/bin/bash
# A server that is dead holds up the volume it serves and nothing else: not the other
# volumes, not the list, not the daemon's end, and not its next start.
# time: 240
. "${0%/*}/../lib/lib.sh"
need docker curl jq python3
[ -e /dev/fuse ] || skip "needs /dev/fuse"

start_daemon berth-named
start_dockerd
# A file system of whose server nobody hears again.
mkdir dead
cat >"$DIR/dead.py" <<'END'
import ctypes, os, sys, time
fd = os.open("/dev/fuse", os.O_RDWR)
opts = b"fd=%d,rootmode=40000,user_id=0,group_id=0" % fd
libc = ctypes.CDLL(None, use_errno=True)
if libc.mount(b"dead", sys.argv[1].encode(), b"fuse", 0, opts):
    sys.exit(os.strerror(ctypes.get_errno()))
print("ready", flush=True)
while True:
    time.sleep(60)
END
in_background dead.log python3 "$DIR/dead.py" "$DIR/dead"
server=$PID
wait_until 5 grep -q ready "$DIR/dead.log"
vol() {
	docker volume create -d berth-named -o type="$2" -o o="$3" -o device="$4" "$1" >/dev/null
}
vol lost none bind "$DIR/dead/dir"
vol dying none bind "$DIR/dead"
vol mem tmpfs '' tmpfs
docker volume create -d berth-named dir >/dev/null

in_background lost.log docker run --rm --network none -v lost:/d bb:1 sleep 0
client=$PID
# dockerd has asked and waits.
hangs() {
	[ "$(api Berth.Volume '{"Name":"lost"}' berth-named | jq .Status.busy)" = true ]
}
wait_until 20 hangs
begin=$(now_ms)
same "$(docker run --rm --network none -v mem:/m -v dir:/d bb:1 echo fine)" fine
same "$(docker volume ls -qf driver=berth-named | wc -l)" 4
same "$(api Berth.Volumes '{}' berth-named | jq '.Volumes | length')" 4
same "$(docker volume inspect -f '{{.Status.busy}}' lost)" true
contains "$(api Berth.Check '{}' berth-named)" 'volume lost: a request has it'
same "$(api Berth.Gc '{}' berth-named)" '{"Removed":[]}'
at_most $(($(now_ms) - begin)) 8000 "ms for the others"
kill -0 "$client" # still waits

# The end, while a Mount hangs; then a start that finds its intent.
begin=$(now_ms)
stop_hard() {
	local pid=${DAEMON_PID[berth-named]}
	kill "$pid"
	wait "$pid" 2>/dev/null || :
	unset "DAEMON_PID[berth-named]"
}
stop_hard
at_most $(($(now_ms) - begin)) 15000 "ms to stop"
begin=$(now_ms)
start_daemon berth-named
at_most $(($(now_ms) - begin)) 8000 "ms to start"

# Mounted when it died.
docker volume inspect -f '{{.Status.mounted}}' dying >/dev/null
same "$(api VolumeDriver.Mount '{"Name":"dying","ID":"a"}' berth-named | jq -r .Err)" null
begin=$(now_ms)
same "$(docker volume inspect -f '{{.Status.mounted}}' dying)" true
same "$(api VolumeDriver.Unmount '{"Name":"dying","ID":"a"}' berth-named)" '{}'
docker volume rm dying >/dev/null
at_most $(($(now_ms) - begin)) 5000 "ms to look at it and to take it away"

# It is back, or gone for good: the volume can be used, or removed.
end "$server" KILL
umount -l "$DIR/dead"
wait "$client" || :
mkdir dead/dir
same "$(docker run --rm --network none -v lost:/d bb:1 echo back)" back
docker volume rm lost mem dir >/dev/null
