#!/bin/bash
# The parent goes away with all links on it and comes back, is renamed, goes down, changes
# its MTU: the doctor says so, what was lost is made again in running containers, with
# address and default route, and the daemon lives.
. "${0%/*}/../lib/lib.sh"
need docker curl jq

lan
start_daemon berth-macvlan
start_dockerd
docker network create -d berth-macvlan --subnet 192.0.2.0/24 --gateway 192.0.2.2 \
	--ipv6 --subnet 2001:db8:2::/64 --gateway 2001:db8:2::2 -o parent=up1 n1 >/dev/null
serve web n1 80 --ip 192.0.2.70 --ip6 2001:db8:2::70
serve other n1 80 --ip 192.0.2.71 --ip6 2001:db8:2::71
problems() {
	api Berth.Check '{}' berth-macvlan | jq -r '.Problems[]'
}
settled() {
	[ -z "$(problems)" ]
}
# Addresses and routes, without what counts or differs by chance.
inside() {
	local pid
	pid=$(pid_of web)
	inns "$pid" ip -j addr show eth0 | jq -c '.[0] | [.address, .mtu,
		(.flags | index("UP") != null),
		([.addr_info[] | select(.scope == "global") | "\(.local)/\(.prefixlen)"] | sort)]'
	inns "$pid" ip route show default
	inns "$pid" ip -6 route show default
}
works() { # WHEN
	same "$(ns lan curl -s --max-time 5 http://192.0.2.70/)" web "IPv4, $1"
	same "$(ns lan curl -gs --max-time 5 'http://[2001:db8:2::70]/')" web "IPv6, $1"
	same "$(from web http://192.0.2.71/)" other "among themselves, $1"
}
works 'at first'
before=$(inside)
same "$(problems)" ''

parent_away() {
	ip link del up1
	ip netns del lan
	UPLINKS=()
}
parent_away
wait_until 5 sh -c "! nsenter --net=/proc/$(pid_of web)/ns/net ip link show eth0"
contains "$(problems)" 'its parent up1 is gone: 2 endpoints wait'
fails_with 'up1 does not exist' docker run --rm --network n1 bb:1 true
lan
wait_until 10 settled
wait_until 10 ns lan ping -q -c 1 -W 1 192.0.2.70
wait_until 10 ns lan ping -q -c 1 -W 1 192.0.2.71
same "$(inside)" "$before" "the link made again"
works 'the parent is another'

# The daemon dies, and the parent goes and comes while it is dead, or comes after it.
kill9_daemon berth-macvlan
parent_away
lan
start_daemon berth-macvlan
wait_until 10 ns lan ping -q -c 1 -W 1 192.0.2.71
same "$(inside)" "$before" "the link made again at the start"
kill9_daemon berth-macvlan
parent_away
start_daemon berth-macvlan
contains "$(problems)" 'its parent up1 is gone: 2 endpoints wait'
lan
wait_until 10 ns lan ping -q -c 1 -W 1 192.0.2.71
same "$(inside)" "$before" "the link made again after a start"
works 'the daemon was dead'
same "$(problems)" ''
same "$(api Berth.Info '{}' berth-macvlan | jq -c '.Problems // []')" '[]' "trouble left"

parent_away
wait_until 5 sh -c "! nsenter --net=/proc/$(pid_of web)/ns/net ip link show eth0"
docker rm -f other >/dev/null
lan
wait_until 10 ns lan ping -q -c 1 -W 1 192.0.2.70
serve other n1 80 --ip 192.0.2.71 --ip6 2001:db8:2::71
works 'one ended meanwhile'
same "$(inside)" "$before" "the link made again for one of two"

# Renamed: it goes on, and one that starts finds it.
ip link set up1 down
contains "$(problems)" 'its parent up1 is down'
ip link set up1 name lan7
ip link set lan7 up
ip addr replace 2001:db8:2::1/64 dev lan7 nodad
contains "$(problems)" 'its parent up1 is called lan7 now'
works 'renamed'
docker run --rm --network n1 bb:1 ping -q -c 1 -W 2 192.0.2.2 >/dev/null
ip link set lan7 down
ip link set lan7 name up1
ip link set up1 up
ip addr replace 2001:db8:2::1/64 dev up1 nodad
wait_until 5 settled

# Its MTU: the kernel makes what is on it smaller; we make it as it was.
mtu() {
	inns "$(pid_of web)" ip -j link show eth0 | jq '.[0].mtu'
}
is_mtu() {
	[ "$(mtu)" = "$1" ]
}
ip link set up1 mtu 1400
wait_until 5 is_mtu 1400
ip link set up1 mtu 1500
wait_until 5 is_mtu 1500
works 'the MTU changed'

# Into another namespace, with the containers' links on it, and back; and another one
# takes its place meanwhile.
new_ns away
ip link set up1 netns away
wait_until 5 sh -c "curl -s --unix-socket $(sock berth-macvlan) -d {} \
	http://plugin/Berth.Check | grep -q 'up1 is gone'"
ns away ip link set up1 netns $$
ip addr add 192.0.2.1/24 dev up1
ip addr add 2001:db8:2::1/64 dev up1 nodad
ip link set up1 up
wait_until 10 settled
wait_until 10 ns lan ping -q -c 1 -W 1 192.0.2.70
wait_until 10 ns lan ping -q -c 1 -W 1 192.0.2.71
works 'it was in another namespace'
ip link set up1 netns away
# shellcheck disable=SC2034 # the library's
UPLINKS=()
ip netns del lan
lan
wait_until 10 settled
wait_until 10 ns lan ping -q -c 1 -W 1 192.0.2.70
wait_until 10 ns lan ping -q -c 1 -W 1 192.0.2.71
works 'another took its place'

docker rm -f web other >/dev/null
docker network rm n1 >/dev/null
