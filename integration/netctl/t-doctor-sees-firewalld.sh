#!/bin/bash
# firewalld rejects what leaves a bridge that it knows nothing of: where the daemon is
# not there to tell it, netctl doctor says so, and what it says mends it.
. "${0%/*}/lib.sh"
need root curl jq firewalld dbus-daemon

lan
"$NETCTL" up
new_net "$(hex a)" 48
bridge=$("$NETCTL" network ls --json | jq -r '.[0].Bridge')
new_ns c
ip link add v0 type veth peer name eth0 netns c
ip link set v0 master "$bridge" up
ns c ip addr add 10.48.0.2/24 dev eth0
ns c ip link set eth0 up
ns c ip route add default via 10.48.0.1
ns c ping -c1 -W2 192.0.2.2 >/dev/null

"$NETCTL" down berth-bridge
mkdir -p /run/dbus
in_background dbus.log dbus-daemon --system --nofork --nopidfile
wait_until 10 test -S /run/dbus/system_bus_socket
in_background firewalld.log firewalld --nofork --nopid
firewalld=$PID
wait_until 30 firewall-cmd --state
fails ns c ping -c1 -W1 192.0.2.2
rc=0
out=$("$NETCTL" doctor --json) || rc=$?
same $rc 3 "exit status of doctor"
fix=$(jq -r '.[] | select(.Check == "firewalld" and .Level == "bad").Fix' <<<"$out")
contains "$fix" "--add-interface=$bridge"
# without --permanent and reload: the host's own files stay as they are
fix=${fix%%;*}
eval "${fix/--permanent /}"
ns c ping -c1 -W2 192.0.2.2 >/dev/null
same "$({ "$NETCTL" doctor --json || :; } |
	jq '[.[] | select(.Check == "firewalld" and .Level == "bad")] | length')" 0

# with the daemon there is nothing to find, zone or no zone
firewall-cmd --zone=trusted --remove-interface="$bridge" >/dev/null
"$NETCTL" up
"$NETCTL" doctor >/dev/null
ns c ping -c1 -W2 192.0.2.2 >/dev/null
end "$firewalld"
del_net "$(hex a)"
"$NETCTL" down
