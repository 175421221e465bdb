#!/bin/bash
# With berth-ipam, Docker's own bridge driver and ours: range, gateway, aux, static
# and automatic addresses are what was asked for; one in use or outside is refused
# with a reason; what was released is not given again at once; nothing stays.
# time: 400
. "${0%/*}/../lib/lib.sh"

export IPAM=berth-ipam
berth_host
allow '^[-+] main: sysctl net\.ipv6\.conf\.(all|default)\.forwarding' \
	"Docker's bridge sets it for IPv6 and leaves it"

# handed USE - the addresses berth-ipam has handed out for it.
handed() {
	api Berth.IpamLeases '{}' berth-ipam |
		jq -r --arg u "$1" '.Leases[] | select(.Use == $u).Address' | paste -sd' '
}
up() {
	docker run -d --name "$1" --network n2 --stop-signal KILL "${@:2}" bb:1 sleep 999 >/dev/null
}

for driver in berth-bridge bridge; do
	note "driver $driver"
	docker network create -d $driver --subnet 10.50.0.0/16 --gateway 10.50.0.254 \
		--ip-range 10.50.8.0/30 --aux-address r=10.50.8.3 \
		--ipv6 --subnet fd00:50::/64 n2 >/dev/null
	bridge=$(ip -j addr | jq -r '.[] | select(.addr_info[].local == "10.50.0.254").ifname')
	contains "$(ip -br addr show "$bridge")" 10.50.0.254/16
	same "$(handed gateway)" "10.50.0.254/16 fd00:50::1/64" "gateways"
	same "$(handed aux)" 10.50.8.3/16 "reserved"
	up r1
	up r2
	# in order and from the range
	same "$(ip_of r1 n2) $(ip_of r2 n2)" "10.50.8.0 10.50.8.1"
	same "$(ip6_of r1 n2) $(ip6_of r2 n2)" "fd00:50::2 fd00:50::3"
	# What Docker says is what the container has, and what is on record.
	contains "$(docker exec r1 ip addr show eth0)" 10.50.8.0/16
	contains "$(docker exec r1 ip addr show eth0)" fd00:50::2/64
	same "$(api Berth.IpamLeases '{}' berth-ipam |
		jq -r '.Leases[] | select(.Address == "10.50.8.0/16").MacAddress')" \
		"$(docker exec r1 cat /sys/class/net/eth0/address)" "the MAC on record"
	docker exec r1 ping -c1 -W2 10.50.8.1 >/dev/null
	docker exec r1 ping -6 -c1 -W2 fd00:50::3 >/dev/null

	# A released one comes last; .3 is reserved.
	docker rm -f r2 >/dev/null
	up r3
	up r4
	same "$(ip_of r3 n2) $(ip_of r4 n2)" "10.50.8.2 10.50.8.1"
	fails_with 'range 10.50.8.0/30 is full' docker run --rm --network n2 bb:1 true

	# Static, in and out of the range; taken; taken again when it is free.
	up still --ip 10.50.1.9 --ip6 fd00:50::99
	same "$(ip_of still n2) $(ip6_of still n2)" "10.50.1.9 fd00:50::99"
	fails_with 'Address already in use: 10.50.1.9' \
		docker run --rm --network n2 --ip 10.50.1.9 bb:1 true
	fails_with '10.50.0.254 is the gateway' \
		docker run --rm --network n2 --ip 10.50.0.254 bb:1 true
	fails_with '10.50.8.3 is reserved' docker run --rm --network n2 --ip 10.50.8.3 bb:1 true
	fails_with 'broadcast address' docker run --rm --network n2 --ip 10.50.255.255 bb:1 true
	docker rm -f still >/dev/null
	up still --ip 10.50.1.9
	docker exec r1 ping -c1 -W2 10.50.1.9 >/dev/null || fail "stale neighbour entry"
	docker restart -t 0 still >/dev/null
	same "$(ip_of still n2)" 10.50.1.9

	# What is there for people.
	contains "$("$NETCTL" ipam pools)" '10.50.8.0/30'
	contains "$("$NETCTL" ipam leases 10.50.8.0/24)" '10.50.8.2/16'
	lacks "$("$NETCTL" ipam leases 10.50.8.0/24)" '10.50.1.9'
	same "$("$NETCTL" ipam check --json | jq -c .)" '[]' "what check finds"

	docker rm -f r1 r3 r4 still >/dev/null
	same "$(handed endpoint)" "" "leases after the containers"
	docker network rm n2 >/dev/null
	same "$(api Berth.IpamPools '{}' berth-ipam | jq -c .Pools)" '[]'
done

# Pools that overlap, options that are not known.
docker network create -d bridge --subnet 10.51.0.0/16 n1 >/dev/null
fails_with 'pool 10.51.4.0/24 overlaps pool 10.51.0.0/16' \
	docker network create -d bridge --subnet 10.51.4.0/24 x
fails_with 'did you mean "berth.dhcp"?' \
	docker network create -d bridge --ipam-opt berth.dchp=on x
fails_with 'berth.dhcp.parent=INTERFACE' docker network create -d bridge --ipam-opt berth.dhcp=on x
# A network that its driver refuses leaves no pool behind.
fails docker network create -d bridge --subnet 10.51.0.0/16 x
fails docker network create -d berth-bridge --subnet 192.0.2.0/25 x
same "$(api Berth.IpamPools '{}' berth-ipam | jq -r '.Pools[] | "\(.Pool) \(.Networks)"')" \
	"10.51.0.0/16 1" "pools after refusals"
docker network rm n1 >/dev/null
