#!/bin/bash
# Remove is refused while a process has the volume that no record names: one whose Unmount
# came too early, and one from before a restart.  Only a volume that the daemon made and
# gave to nobody is removed without looking at the processes of the host.
. "${0%/*}/../lib/lib.sh"
need jq strace unshare

start_daemon berth-named
is_done() { # METHOD BODY
	same "$(api "VolumeDriver.$1" "$2" berth-named | jq -r '.Err // ""')" ''
}
made() { # NAME [ID]
	is_done Create "{\"Name\":\"$1\"}"
	[ -z "${2-}" ] || is_done Mount "{\"Name\":\"$1\",\"ID\":\"$2\"}"
}
# A process with the volume at /mnt in a mount namespace of its own.
user() { # NAME
	local at=/var/lib/berth/berth-named/volumes/$1/_data
	# shellcheck disable=SC2016 # for the other shell
	in_background "user-$1.log" unshare --mount --propagation private bash -c '
		mount --bind "$0" /mnt && echo has it && exec tail -f /dev/null' "$at"
	USER_PID=$PID
	wait_until 10 grep -q 'has it' "user-$1.log"
}
user_goes() {
	end "$USER_PID"
}
is_refused() { # NAME
	contains "$(api VolumeDriver.Remove "{\"Name\":\"$1\"}" berth-named)" \
		'though nobody is on record' "removing $1"
	[ -d "/var/lib/berth/berth-named/volumes/$1/_data" ]
}

made early a
user early
is_done Unmount '{"Name":"early","ID":"a"}'
is_refused early
is_refused early
user_goes
is_done Remove '{"Name":"early"}'

# Made, seen to be free, mounted again: what was seen then does not count.
made twice a
is_done Unmount '{"Name":"twice","ID":"a"}'
is_done Mount '{"Name":"twice","ID":"b"}'
user twice
is_done Unmount '{"Name":"twice","ID":"b"}'
is_refused twice
user_goes
is_done Remove '{"Name":"twice"}'

made before
kill9_daemon berth-named
start_daemon berth-named
user before
is_refused before
user_goes
is_done Remove '{"Name":"before"}'

# A directory that was there is nothing we made.
mkdir -p /var/lib/berth/berth-named/volumes/found/_data
user found
made found
is_refused found
user_goes
is_done Remove '{"Name":"found"}'

# looked METHOD BODY - how many processes the daemon looks at for it.
looked() {
	in_background trace.log strace -f -e trace=%file -o trace.out \
		-p "${DAEMON_PID[berth-named]}"
	local tracer=$PID
	wait_until 10 grep -q attached trace.log
	is_done "$@"
	end "$tracer" INT
	grep -c '"/proc/[0-9]*/ns/mnt"' trace.out || :
}
made new
same "$(looked Remove '{"Name":"new"}')" 0 "processes, for a volume nobody had"
made used a
is_done Unmount '{"Name":"used","ID":"a"}'
[ "$(looked Remove '{"Name":"used"}')" -gt 0 ]
