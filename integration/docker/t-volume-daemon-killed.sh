#!/bin/bash
# berth-named dies at any step of a request that dockerd makes: docker waits and
# succeeds, data and users are right, and nothing is left over.
# waits
# time: 400
. "${0%/*}/../lib/lib.sh"
need docker curl jq

start_daemon berth-named
start_dockerd
docker volume create -d berth-named warm >/dev/null
docker volume rm warm >/dev/null
users() {
	api Berth.Volume "{\"Name\":\"$1\"}" berth-named | jq .Users
}
dead() {
	gone "${DAEMON_PID[berth-named]}"
}

# during POINT COMMAND... - the daemon dies at POINT within it, and comes back.
during() {
	local point=$1 rc=0 job
	shift
	stop_daemon berth-named
	BERTH_FP=$point:kill start_daemon berth-named
	"$@" >"$DIR/out.$point" 2>&1 &
	job=$!
	wait_until 10 dead
	wait "${DAEMON_PID[berth-named]}" 2>/dev/null || :
	unset "DAEMON_PID[berth-named]"
	start_daemon berth-named
	wait "$job" || rc=$?
	same $rc 0 "$point: $* said $(cat "$DIR/out.$point")"
	note "$point: fine"
}

for at in intent made recorded "done"; do
	during vol.create.$at docker volume create -d berth-named vol
	during vol.mount.${at/made/mounted} docker run -d --name aa --network none \
		--stop-signal KILL -v vol:/d bb:1 sh -c 'echo data >/d/x; exec sleep 999'
	same "$(users vol)" 1
	during vol.unmount.${at/made/unmounted} docker stop aa
	same "$(users vol)" 0
	docker rm aa >/dev/null
	same "$(docker run --rm --network none -v vol:/d bb:1 cat /d/x)" data
	during vol.remove.${at/made/deleted} docker volume rm vol
	same "$(docker volume ls -q)" '' "volumes after $at"
	same "$(ls /var/lib/berth/berth-named/volumes)" '' "directories after $at"
done
during named.create.staged docker volume create -d berth-named vol
during named.remove.moved docker volume rm vol
same "$(api Berth.Check '{}' berth-named | jq -c .Problems)" '[]'
same "$(api Berth.Gc '{"DryRun":true}' berth-named | jq -c .Removed)" '[]'
