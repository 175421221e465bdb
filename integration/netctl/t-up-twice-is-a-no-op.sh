#!/bin/bash
# netctl up twice changes nothing, adds a driver that is missing, and refuses what it
# would have to ignore; two at the same time make one supervisor.
. "${0%/*}/lib.sh"
need root curl jq

"$NETCTL" up >"$DIR/first" &
p=$!
"$NETCTL" up >"$DIR/second"
wait $p
same "$(pgrep -c -x netctl)" 1 "supervisors"
bridge=$(pid_named berth-bridge) named=$(pid_named berth-named) sup=$(supervisor)
ipam=$(pid_named berth-ipam)

contains "$("$NETCTL" up)" 'was ready'
same "$(pid_named berth-bridge) $(pid_named berth-ipam) $(pid_named berth-named) $(supervisor)" \
	"$bridge $ipam $named $sup" "processes after another up"

"$NETCTL" down berth-named
[ ! -e "$(sock berth-named)" ] || fail "the socket is left"
same "$("$NETCTL" up --json | jq -r '.[] | .Driver + " " + .State')" \
	$'berth-named ready\nberth-bridge was ready\nberth-dns was ready\nberth-ipam was ready\nberth-ipvlan was ready\nberth-macvlan was ready\nberth-overlay was ready\nberth-thin was ready\nberth-tmpfs was ready'
same "$(pid_named berth-bridge) $(supervisor)" "$bridge $sup"

fails_with 'runs with other flags' "$NETCTL" up berth-bridge -- --gc-grace 9s
fails_with 'StateDir "/var/lib/berth", not "/tmp/x"' "$NETCTL" up --state-dir /tmp/x
fails_with 'did you mean "berth-bridge"?' "$NETCTL" up berth-brigde

# flags come by restart, and stay
"$NETCTL" restart berth-bridge -- --gc-grace 9s
differ "$(pid_named berth-bridge)" "$bridge"
"$NETCTL" up berth-bridge -- --gc-grace 9s
"$NETCTL" restart
contains "$(tr '\0' ' ' <"/proc/$(pid_named berth-bridge)/cmdline")" '--gc-grace 9s'

"$NETCTL" down
"$NETCTL" down
[ ! -e "$(sock berth-bridge)" ] || fail "the socket is left"
no_process netctl || fail "a supervisor is left"
