#!/bin/bash
# ipvlan networks in each mode and with each flag: the LAN and a container reach each
# other, IPv4 and IPv6; VLANs below the parent are made and go with the last network;
# without a parent it is a dummy; one parent takes one mode and no macvlan.
# vm
# time: 300
. "${0%/*}/../lib/lib.sh"
need docker curl jq

lan
start_daemon berth-ipvlan
start_daemon berth-macvlan
start_dockerd

net() { # NAME OPTION...
	local name=$1
	shift
	docker network create -d berth-ipvlan --subnet 192.0.2.0/24 --gateway 192.0.2.2 \
		--ip-range 192.0.2.64/26 --ipv6 --subnet 2001:db8:2::/64 \
		--gateway 2001:db8:2::2 "$@" "$name" >/dev/null
}
reach() { # CONTAINER ADDRESS
	inns "$(pid_of "$1")" ping -q -c 1 -W 2 "$2" >/dev/null
}
data() { # PID KEY - of the container's link
	inns "$1" ip -d -j link show eth0 | jq -r ".[0].linkinfo.info_data.$2"
}
page() { # ADDRESS - from the LAN
	ns lan curl -gs --max-time 10 "http://$1/"
}

# l2: as hosts of the LAN, with the parent's MAC.
net n1 -o parent=up1
serve web n1 80 --ip 192.0.2.70 --ip6 2001:db8:2::70
serve other n1 80 --ip 192.0.2.71 --ip6 2001:db8:2::71
pid=$(pid_of web)
same "$(data "$pid" mode)" l2
same "$(inns "$pid" ip -j link show eth0 | jq -r '.[0].address')" \
	"$(cat /sys/class/net/up1/address)" "the MAC"
same "$(page 192.0.2.70)" web "LAN, IPv4, l2"
same "$(page '[2001:db8:2::70]')" web "LAN, IPv6, l2"
same "$(from web http://192.0.2.71/)" other "flag bridge"
contains "$(docker exec web ip r)" 'default via 192.0.2.2'
fails_with 'leave out --mac-address' docker run --rm --network n1 \
	--mac-address 02:aa:00:00:00:01 bb:1 true
fails_with "is that of network $(net_id n1 | cut -c1-12): all ipvlan networks" \
	docker network create -d berth-ipvlan --subnet 10.9.0.0/24 -o parent=up1 \
	-o ipvlan_mode=l3 n2
docker network create -d berth-macvlan --subnet 10.9.0.0/24 -o parent=up1 m1 >/dev/null
fails_with 'do not share a parent' docker run --rm --network m1 bb:1 true
docker network rm m1 >/dev/null

# The daemon dies, and the parent goes away and comes back.
kill9_daemon berth-ipvlan
same "$(page 192.0.2.70)" web "the daemon is dead"
start_daemon berth-ipvlan
same "$(api Berth.Check '{}' berth-ipvlan | jq -c .Problems)" '[]'
ip link del up1
ip netns del lan
UPLINKS=()
lan
wait_until 20 ns lan ping -q -c 1 -W 1 192.0.2.70
same "$(page 192.0.2.70)" web "the parent is another"
same "$(page '[2001:db8:2::70]')" web "the parent is another, IPv6"
contains "$(docker exec web ip r)" 'default via 192.0.2.2'
docker rm -f web other >/dev/null
docker network rm n1 >/dev/null

# An endpoint in a namespace instead of a container, which takes its time here.
new_ns box
E=$(printf 'e%.0s' {1..64})
ask() { # METHOD NETWORK MORE
	lacks "$(api "NetworkDriver.$1" "{\"NetworkID\":\"$(net_id "$2")\",
		\"EndpointID\":\"$E\"${3-}}" berth-ipvlan)" Err
}
plug() { # NETWORK ADDRESS
	ask CreateEndpoint "$1" ",\"Options\":{},\"Interface\":{\"Address\":\"$2\"}"
	ask Join "$1" ',"Options":{},"SandboxKey":"/run/netns/box"'
	ip link set iveeeeeeeeeee netns box
	ns box ip link set iveeeeeeeeeee name eth0
	ns box ip addr add "$2" dev eth0
	ns box ip link set eth0 up
}
unplug() { # NETWORK
	ask Leave "$1"
	ns box ip link del eth0
	ask DeleteEndpoint "$1"
}

for flag in private vepa; do
	net n1 -o parent=up1 -o ipvlan_flag=$flag
	plug n1 192.0.2.70/24
	contains "$(ns box ip -d link show eth0)" "mode l2 $flag"
	ns lan ping -q -c 1 -W 2 192.0.2.70 >/dev/null
	unplug n1
	docker network rm n1 >/dev/null
done

# l3, l3s: no gateway; the LAN has a route to this host.
ns lan ip route add 10.90.0.0/24 via 192.0.2.1
ns lan ip -6 route add fd00:90::/64 via 2001:db8:2::1
docker network create -d berth-ipvlan --subnet 10.90.0.0/24 --ipv6 --subnet fd00:90::/64 \
	-o parent=up1 -o ipvlan_mode=l3 n1 >/dev/null
serve web n1 80 --ip 10.90.0.70 --ip6 fd00:90::70
same "$(data "$(pid_of web)" mode)" l3
same "$(inns "$(pid_of web)" ip -j route show default |
	jq -r '.[0] | "\(.dev) \(.gateway)"')" 'eth0 null' "default route"
same "$(inns "$(pid_of web)" ip -6 -j route show default |
	jq -r '.[0] | "\(.dev) \(.gateway)"')" 'eth0 null' "IPv6 default route"
same "$(page 10.90.0.70)" web "LAN, IPv4, l3"
same "$(page '[fd00:90::70]')" web "LAN, IPv6, l3"
reach web 192.0.2.2
docker rm -f web >/dev/null
docker network rm n1 >/dev/null
docker network create -d berth-ipvlan --subnet 10.90.0.0/24 -o parent=up1 \
	-o ipvlan_mode=l3s n1 >/dev/null
plug n1 10.90.0.71/24
ns box ip route add default dev eth0
contains "$(ns box ip -d link show eth0)" "mode l3s"
ns lan ping -q -c 1 -W 2 10.90.0.71 >/dev/null
unplug n1
docker network rm n1 >/dev/null

# VLAN 10 of the parent: made by the first network, there until the last one goes.
ns lan ip link add link eth0 name eth0.10 type vlan id 10
ns lan ip addr add 192.0.20.2/24 dev eth0.10
ns lan ip link set eth0.10 up
fails_with 'neither does up9' docker network create -d berth-ipvlan \
	--subnet 192.0.20.0/24 -o parent=up9.10 v9
docker network create -d berth-ipvlan --subnet 192.0.20.0/24 --gateway 192.0.20.2 \
	-o parent=up1.10 v1 >/dev/null
docker network create -d berth-ipvlan --subnet 192.0.21.0/24 -o parent=up1.10 v2 >/dev/null
same "$(ip -d -j link show up1.10 | jq '.[0].linkinfo.info_data.id')" 10
same "$(ip -j addr show up1.10 | jq -c '.[0].addr_info')" '[]' "addresses of the VLAN"
fails_with 'made by Berth for something else' docker network create -d berth-macvlan \
	--subnet 192.0.22.0/24 -o parent=up1.10 m1
plug v1 192.0.20.70/24
ns lan ping -q -c 1 -W 2 192.0.20.70 >/dev/null
# With what it is on it goes away and comes back.
ip link del up1
ip netns del lan
# shellcheck disable=SC2034 # the library's
UPLINKS=()
lan
ns lan ip link add link eth0 name eth0.10 type vlan id 10
ns lan ip addr add 192.0.20.2/24 dev eth0.10
ns lan ip link set eth0.10 up
wait_until 20 ns lan ping -q -c 1 -W 1 192.0.20.70
unplug v1
docker network rm v1 >/dev/null
ip link show up1.10 >/dev/null
docker network rm v2 >/dev/null
fails ip link show up1.10
# One that the user made is the user's; by another name it is found.
ip link add link up1 name mine type vlan id 11
docker network create -d berth-macvlan --subnet 192.0.20.0/24 -o parent=mine v1 >/dev/null
fails_with 'is there as link mine: say parent=mine' docker network create \
	-d berth-ipvlan --subnet 192.0.21.0/24 -o parent=up1.11 v2
docker network rm v1 >/dev/null
ip link show mine >/dev/null
ip link del mine

# No parent: a dummy.
docker network create -d berth-ipvlan --subnet 10.11.0.0/24 in >/dev/null
same "$(ip -d -j link show "dm-$(net_id in | cut -c1-12)" |
	jq -r '.[0].linkinfo.info_kind')" dummy
lacks "$(docker run --rm --network in bb:1 ip route)" default
docker network rm in >/dev/null
fails sh -c 'ip -br link | grep -q "^dm-"'
