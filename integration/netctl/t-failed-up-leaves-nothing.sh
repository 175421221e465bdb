#!/bin/bash
# An up that can't succeed says why in the daemon's own words and leaves no process and
# no socket; a socket that another process serves is never taken.
. "${0%/*}/lib.sh"
need root curl jq

nothing_left() {
	wait_until 8 no_process netctl
	no_process berth-bridge || fail "berth-bridge is left"
	[ ! -e "$(sock berth-bridge)" ] || fail "the socket is left"
}
rc=0
out=$("$NETCTL" up berth-bridge -- --no-such-flag 2>&1) || rc=$?
same $rc 1
contains "$out" 'no-such-flag'
contains "$out" 'berth-bridge exited with status 2'
nothing_left

# a daemon that dies each time it starts
mkdir -p "$DIR/bad"
cp "$NETCTL" "$DIR/bad/"
printf '#!/bin/sh\necho "cannot \033[31mwork" >&2\nexit 1\n' >"$DIR/bad/berth-bridge"
chmod +x "$DIR/bad/berth-bridge"
out=$("$DIR/bad/netctl" up berth-bridge 2>&1) && fail "should have failed"
contains "$out" '| cannot \u001b[31mwork'
nothing_left

# one that is never ready
printf '#!/bin/sh\nexec sleep 1000\n' >"$DIR/bad/berth-bridge"
fails_with 'is not ready in time' "$DIR/bad/netctl" up --timeout 300ms berth-bridge
nothing_left

# one that somebody else runs
start_daemon berth-bridge
fails_with "served by another process (pid ${DAEMON_PID[berth-bridge]})" "$NETCTL" up
answers berth-bridge
stop_daemon berth-bridge

# a new binary that does not come up: told, the socket held, the next one works
"$NETCTL" up
fails_with 'is not ready in time' "$DIR/bad/netctl" restart --timeout 300ms berth-bridge
(api Berth.Info '{}' berth-bridge >"$DIR/waited") &
waiter=$!
"$NETCTL" restart berth-bridge
wait $waiter
contains "$(cat "$DIR/waited")" berth-bridge
"$NETCTL" down
