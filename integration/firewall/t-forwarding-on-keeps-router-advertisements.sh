#!/bin/bash
# Switching forwarding on for a network leaves an uplink its router
# advertisements, forwards nothing between interfaces that are not ours, and is
# undone with the last network.
. "${0%/*}/../lib/lib.sh"
need ip jq python3

v6_default_by_ra() {
	ip -6 -j route show default | jq -e '.[] | select(.protocol == "ra")'
}
has_prefix() {
	ip -6 -j addr show dev up1 |
		jq -e --arg p "$1" '.[].addr_info[] | select(.local | startswith($p))'
}
advertise() {
	ns lan "$IT/lib/ra" eth0 "$1" 1800
}
advertised() {
	advertise "$1"
	v6_default_by_ra && has_prefix "$2"
}
sys() {
	cat "/proc/sys/net/$1"
}

lan lan 1
lan lan2 2
ip -6 route del default
same "$(sys ipv6/conf/up1/accept_ra)" 1 "accept_ra to begin with"
same "$(sys ipv6/conf/all/forwarding)" 0
same "$(sys ipv4/ip_forward)" 0
wait_until 20 advertised 2001:db8:aa:: 2001:db8:aa:

start_daemon berth-bridge
create='{"NetworkID":"%s","Options":{"com.docker.network.enable_ipv6":true,"com.docker.network.generic":{}},
 "IPv4Data":[{"AddressSpace":"LocalDefault","Gateway":"10.77.%d.1/24","Pool":"10.77.%d.0/24"}],
 "IPv6Data":[{"AddressSpace":"LocalDefault","Gateway":"fd00:77:%d::1/64","Pool":"fd00:77:%d::/64"}]}'
id1=$(printf 'a%.0s' {1..64})
id2=$(printf 'b%.0s' {1..64})
# shellcheck disable=SC2059 # the format is above
same "$(api NetworkDriver.CreateNetwork "$(printf "$create" "$id1" 1 1 1 1)" berth-bridge)" '{}'
# shellcheck disable=SC2059
same "$(api NetworkDriver.CreateNetwork "$(printf "$create" "$id2" 2 2 2 2)" berth-bridge)" '{}'
same "$(sys ipv4/ip_forward)" 2
same "$(sys ipv6/conf/all/forwarding)" 2

# The route and the address are still there, and the next advertisement counts.
v6_default_by_ra >/dev/null || fail "the default route by RA is gone"
same "$(sys ipv6/conf/up1/accept_ra)" 2
wait_until 20 advertised 2001:db8:bb:: 2001:db8:bb:

# An uplink that comes later listens as well (the default it is made from was
# changed), made here or moved here.
lan late 3
same "$(sys ipv6/conf/up3/accept_ra)" 2 "accept_ra of a later uplink"
same "$(sys ipv6/conf/up3/forwarding)" 2 "forwarding of a later uplink"
heard() {
	ns late "$IT/lib/ra" eth0 2001:db8:cc:: 1800
	ip -6 -j addr show dev up3 |
		jq -e '.[].addr_info[] | select(.local | startswith("2001:db8:cc:"))'
}
wait_until 20 heard
ip link set up3 netns lan2
ip -n lan2 link set up3 netns "/proc/$$/ns/net"
same "$(sys ipv6/conf/up3/accept_ra)" 2 "accept_ra of an uplink moved here"

# Two LANs that are not ours: this host was no router between them and is none.
ns lan ip route add 192.0.3.0/24 via 192.0.2.1
ns lan2 ip route add 192.0.2.0/24 via 192.0.3.1
ns lan ip -6 route add 2001:db8:3::/64 via 2001:db8:2::1
ns lan2 ip -6 route add 2001:db8:2::/64 via 2001:db8:3::1
fails ns lan ping -c2 -W1 192.0.3.2
fails ns lan ping -c2 -W1 2001:db8:3::2
ns lan ping -c1 -W2 192.0.2.1 >/dev/null

# A restart of the daemon keeps what it was before in mind.
restart_daemon berth-bridge
same "$(api NetworkDriver.DeleteNetwork "{\"NetworkID\":\"$id1\"}" berth-bridge)" '{}'
same "$(sys ipv4/ip_forward)" 2 "with one network left"
fails ns lan ping -c1 -W1 192.0.3.2
same "$(api NetworkDriver.DeleteNetwork "{\"NetworkID\":\"$id2\"}" berth-bridge)" '{}'
same "$(sys ipv4/ip_forward)" 0 "after the last network"
same "$(sys ipv6/conf/all/forwarding)" 0
same "$(sys ipv6/conf/up1/accept_ra)" 1
same "$(sys ipv6/conf/default/accept_ra)" 1
v6_default_by_ra >/dev/null || fail "the default route by RA went with the last network"

# Nothing but us stood in their way.
sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
ns lan ping -c1 -W2 192.0.3.2 >/dev/null
wait_until 5 ns lan ping -c1 -W1 2001:db8:3::2 >/dev/null
sysctl -qw net.ipv4.ip_forward=0 net.ipv6.conf.all.forwarding=0
