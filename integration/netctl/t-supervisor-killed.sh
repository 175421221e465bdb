#!/bin/bash
# The supervisor killed with -9: its daemons stop with it, networks stay, and the next
# up takes all over.
. "${0%/*}/lib.sh"
need root curl jq

"$NETCTL" up
new_net "$(hex a)" 44
for i in 1 2 3; do
	old=$(supervisor) bridge=$(pid_named berth-bridge)
	kill -9 "$old"
	[ $i = 1 ] || wait_until 15 gone "$bridge"	# the first time at once
	"$NETCTL" up
	differ "$(supervisor)" "$old"
	wait_until 1 gone "$bridge"
	contains "$("$NETCTL" network ls)" 10.44.0.0/24
	same "$(pgrep -c -x berth-bridge)" 1 "berth-bridge processes"
done
# one that is slow to finish is waited for
bridge=$(pid_named berth-bridge)
kill -STOP "$bridge"
kill -9 "$(supervisor)"
"$NETCTL" up >"$DIR/slow" 2>&1 &
up=$!
never_within 1 gone "$up"
kill -CONT "$bridge"
wait "$up" || fail "up: $(cat "$DIR/slow")"
wait_until 1 gone "$bridge"
lacks "$("$NETCTL" doctor)" 'bad '
del_net "$(hex a)"

# down after a killed one says so, and a fresh up is as good as new
old=$(supervisor)
kill -9 "$old"
wait_until 5 gone "$old"
contains "$("$NETCTL" down 2>&1)" 'no supervisor runs'
"$NETCTL" up
"$NETCTL" down
[ ! -e "$(sock berth-bridge)" ] || fail "the socket is left"
