#!/bin/bash
# What podman believes to be mounted stays so, though no container has it: its next one
# finds the volume, and not what is below it.  A daemon that dies within a request
# leaves what the same command, given again, completes.
# time: 300
. "${0%/*}/../lib/lib.sh"
# shellcheck source=integration/lib/podman
. "$IT/lib/podman"
need curl jq

start_daemon berth-named --gc-grace 1s
start_podman
path=/var/lib/berth/berth-named/volumes/vol/_data
is_image() {
	same "$(findmnt -no FSTYPE "$path")" ext4
}
podman volume create --driver berth-named -o size=32m vol >/dev/null
podman volume create --driver berth-named other >/dev/null
podman_run aa -v vol:/d
podman exec aa sh -c 'echo data >/d/x'
# Beside it a user that nobody is: what it loses, podman has not lost.
api VolumeDriver.Mount '{"Name":"vol","ID":"gone"}' berth-named >/dev/null
api VolumeDriver.Mount '{"Name":"other","ID":"gone"}' berth-named >/dev/null
kill9_daemon berth-named
podman rm -f -t 0 aa >/dev/null 2>&1 || : # podman can't say that it is over
start_daemon berth-named --gc-grace 1s
only_podman() {
	[ "$(users vol)" = 1 ] && [ "$(users other)" = 0 ]
}
wait_until 20 only_podman
is_image
same "$(api Berth.Gc '{"DryRun":false}' berth-named | jq -c .Removed)" '[]'
is_image
same "$(podman run --rm -v vol:/d bb:1 cat /d/x)" data
podman run --rm -v vol:/d bb:1 sh -c 'echo more >/d/y'
# podman says it at last, and the volume is free.
podman volume unmount vol >/dev/null
same "$(users vol)" 0
fails findmnt "$path"
same "$(podman run --rm -v vol:/d bb:1 cat /d/x /d/y | paste -sd ' ')" 'data more'
podman volume rm vol other >/dev/null

# during POINT COMMAND... - the daemon dies at POINT within it, which fails; again.
during() {
	local point=$1
	shift
	stop_daemon berth-named
	BERTH_FP=$point:kill start_daemon berth-named
	fails "$@"
	wait_until 10 gone "${DAEMON_PID[berth-named]}"
	wait "${DAEMON_PID[berth-named]}" 2>/dev/null || :
	unset "DAEMON_PID[berth-named]"
	start_daemon berth-named
	"$@" >/dev/null || fail "$point: '$*' given again"
	note "$point: fine"
}
for at in intent made recorded "done"; do
	during vol.create.$at podman volume create --driver berth-named -o size=32m vol
	same "$(podman_volumes)" vol "volumes after $at"
	during vol.mount.${at/made/mounted} podman run --rm --name aa -v vol:/d bb:1 sh -c 'echo x >/d/x'
	same "$(users vol)" 0 "users after $at"
	same "$(podman run --rm -v vol:/d bb:1 cat /d/x)" x
	# it goes at the start, and podman is told
	stop_daemon berth-named
	BERTH_FP=vol.remove.${at/made/deleted}:kill start_daemon berth-named
	fails podman volume rm vol
	wait_until 10 gone "${DAEMON_PID[berth-named]}"
	wait "${DAEMON_PID[berth-named]}" 2>/dev/null || :
	unset "DAEMON_PID[berth-named]"
	start_daemon berth-named
	same "$(volumes)" 0 "volumes after $at"
	podman volume reload >/dev/null
	same "$(podman_volumes)" '' "podman's volumes after $at"
done
same "$(api Berth.Check '{}' berth-named | jq -c .Problems)" '[]'
