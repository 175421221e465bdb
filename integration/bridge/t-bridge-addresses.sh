#!/bin/bash
# Defaults, the full IPAM command line, static addresses and static MACs: the
# container has what was asked for, the bridge has the gateway, a second user of
# an address or a MAC is refused, and an address given again answers at once.
. "${0%/*}/../lib/lib.sh"

berth_host

# Defaults.
docker network create -d berth-bridge n1 >/dev/null
docker run -d --name box --network n1 --stop-signal KILL bb:1 sleep 999 >/dev/null
gw=$(docker network inspect -f '{{(index .IPAM.Config 0).Gateway}}' n1)
gw=${gw%/*}
contains "$(docker exec box ip r)" "default via $gw dev eth0"
docker exec box ping -c1 -W2 "$gw" >/dev/null
docker exec box ping -c1 -W2 192.0.2.2 >/dev/null
docker rm -f box >/dev/null
docker network rm n1 >/dev/null

# Everything chosen.
docker network create -d berth-bridge --subnet 10.50.0.0/16 --gateway 10.50.0.254 \
	--ip-range 10.50.8.0/29 --aux-address r=10.50.8.3 n2 >/dev/null
bridge=bb-$(net_id n2 | cut -c1-12)
contains "$(ip -br addr show "$bridge")" 10.50.0.254/16
same "$(ip -j link show "$bridge" | jq -r '.[0].ifalias')" "berth:berth-bridge:$(net_id n2)"
for c in r1 r2 r3; do
	docker run -d --name $c --network n2 --stop-signal KILL bb:1 sleep 999 >/dev/null
	contains "$(ip_of $c n2)" 10.50.8.
	differ "$(ip_of $c n2)" 10.50.8.3
done
contains "$(docker exec r1 ip r)" "default via 10.50.0.254"

# A static address; the same again while in use; again once it is free.
docker run -d --name still --network n2 --ip 10.50.1.9 --stop-signal KILL bb:1 sleep 999 >/dev/null
docker exec r1 ping -c1 -W2 10.50.1.9 >/dev/null
fails_with 'Address already in use' docker run --rm --network n2 --ip 10.50.1.9 bb:1 true
docker rm -f still >/dev/null
docker run -d --name still --network n2 --ip 10.50.1.9 --mac-address 02:42:11:22:33:55 \
	--stop-signal KILL bb:1 sleep 999 >/dev/null
# The neighbours still know the old MAC.
docker exec r1 ping -c1 -W2 10.50.1.9 >/dev/null || fail "stale neighbour entry"
ping -c1 -W2 10.50.1.9 >/dev/null || fail "stale neighbour entry of the host"

# MACs.
same "$(docker exec still cat /sys/class/net/eth0/address)" 02:42:11:22:33:55
same "$(docker inspect -f '{{.NetworkSettings.Networks.n2.MacAddress}}' still)" 02:42:11:22:33:55
same "$(docker exec r1 cat /sys/class/net/eth0/address)" \
	"$(docker inspect -f '{{.NetworkSettings.Networks.n2.MacAddress}}' r1)"
run() {
	docker run --rm --network n2 "$@" bb:1 sleep 1
}
fails_with 'is that of endpoint' run --mac-address 02:42:11:22:33:55
fails_with 'multicast' run --mac-address 03:42:11:22:33:55
fails_with 'MacAddress' run --mac-address 00:00:00:00:00:00
fails_with 'is that of the bridge' run \
	--mac-address "$(cat "/sys/class/net/$bridge/address")"
docker rm -f r1 r2 r3 still >/dev/null
docker network rm n2 >/dev/null
fails ip link show "$bridge"

# IPv6 beside it.
docker network create -d berth-bridge --ipv6 --subnet 10.65.0.0/24 \
	--subnet fd00:65::/64 n6 >/dev/null
docker run -d --name v6 --network n6 --ip6 fd00:65::77 --stop-signal KILL bb:1 sleep 999 >/dev/null
contains "$(docker exec v6 ip -6 addr show eth0)" fd00:65::77/64
contains "$(docker exec v6 ip -6 route)" 'default via fd00:65::1'
docker exec v6 ping -6 -c1 -W2 fd00:65::1 >/dev/null
# Given again with another MAC: the neighbours are told.
docker run -d --name w6 --network n6 --ip6 fd00:65::99 --stop-signal KILL bb:1 sleep 999 >/dev/null
docker exec v6 ping -6 -c1 -W2 fd00:65::99 >/dev/null
docker rm -f w6 >/dev/null
docker run -d --name w6 --network n6 --ip6 fd00:65::99 --mac-address 02:42:11:22:33:66 \
	--stop-signal KILL bb:1 sleep 999 >/dev/null
docker exec v6 ping -6 -c1 -W2 fd00:65::99 >/dev/null || fail "stale neighbour entry, IPv6"
# Masqueraded: the neighbour has no route to fd00:65::/64.
docker exec v6 ping -6 -c1 -W2 2001:db8:2::2 >/dev/null
# And where IPv6 is off there is none of it, link-local included.
docker network create -d berth-bridge n4 >/dev/null
same "$(ip -6 addr show "bb-$(net_id n4 | cut -c1-12)")" ""
