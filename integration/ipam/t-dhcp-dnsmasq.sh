#!/bin/bash
# On a bridge of the user's own, with the LAN behind it, containers of berth-bridge have
# what the LAN's dnsmasq leases: subnet and router without being told, a reservation by
# MAC, renewal, an address that goes back when its container does; a gateway that is not
# the LAN's is told.
# time: 60
. "${0%/*}/../lib/lib.sh"
need docker jq dnsmasq

lan
ip link add br9 type bridge
ip link set br9 up
ip addr flush dev up1
ip link set up1 master br9
start_daemon berth-bridge
start_daemon berth-ipam
start_dockerd
in_background dnsmasq.log nsenter --net=/run/netns/lan -- dnsmasq --keep-in-foreground \
	--log-facility=- --conf-file=/dev/null --user=root --port=0 --interface=eth0 \
	--bind-interfaces --no-ping --dhcp-leasefile="$DIR/leases" --pid-file= \
	--dhcp-range=192.0.2.150,192.0.2.160,255.255.255.0,120 --dhcp-option=3,192.0.2.2 \
	--dhcp-host=02:aa:00:00:00:07,192.0.2.170
wait_until 5 grep -q 'IP range' dnsmasq.log

net() { # NAME OPTION...
	local name=$1
	shift
	docker network create -d berth-bridge -o com.docker.network.bridge.name=br9 \
		-o com.docker.network.bridge.inhibit_ipv4=true \
		-o com.docker.network.bridge.enable_ip_masquerade=false \
		--ipam-driver berth-ipam --ipam-opt berth.dhcp=on \
		--ipam-opt berth.dhcp.parent=br9 "$@" "$name" >/dev/null
}
up() { # CONTAINER NETWORK FLAG...
	docker run -d --name "$1" --network "$2" --stop-signal KILL "${@:3}" bb:1 sleep 999 >/dev/null
}
said() { # MESSAGE ADDRESS - how often, in the server's words
	grep -c "$1(eth0) $2 " dnsmasq.log || :
}
said_more() { # MESSAGE ADDRESS THAN
	[ "$(said "$1" "$2")" -gt "$3" ]
}

net n1
same "$(docker network inspect n1 | jq -r '.[0].IPAM.Config[0] | "\(.Subnet) \(.Gateway)"')" \
	"192.0.2.0/24 192.0.2.2" "what the server says of the LAN"
up web n1
a=$(ip_of web n1)
note "leased: $a"
contains "$(cut -d' ' -f3 leases)" "$a"
same "$(docker exec web ip route | awk '/default/ { print $3 }')" 192.0.2.2
docker exec web ping -q -c 1 -W 2 192.0.2.2 >/dev/null
up own n1 --mac-address 02:aa:00:00:00:07
same "$(ip_of own n1)" 192.0.2.170 "the one reserved for its MAC"

# A second one with that MAC is refused, and the first keeps its lease.
fails_with 'one with the same MAC' docker run --rm --network n1 \
	--mac-address 02:aa:00:00:00:07 bb:1 true
same "$(said DHCPRELEASE 192.0.2.170)" 0

# This server gives no less than two minutes: let one of them pass for berth-ipam alone.
mkdir later
cat >later/berth-ipam <<-END
	#!/bin/sh
	exec unshare --time --boottime 70 "$BIN/berth-ipam" "\$@"
END
chmod +x later/berth-ipam
stop_daemon berth-ipam
n=$(said DHCPACK "$a")
BIN=$PWD/later start_daemon berth-ipam
wait_until 8 said_more DHCPACK "$a" "$n"
docker restart -t 0 web >/dev/null
same "$(ip_of web n1)" "$a" "the address after a restart"
docker rm -f web own >/dev/null
wait_until 5 said_more DHCPRELEASE 192.0.2.170 0
wait_until 5 eval '[ ! -s leases ]' # written behind the line in the log
docker network rm n1 >/dev/null
same "$(api Berth.IpamPools '{}' berth-ipam | jq -c .Pools)" '[]'

# A gateway of one's own is one's own; that it is not the LAN's is told.  A subnet that is
# not the LAN's gets nobody an address.  IPv6 has no DHCP: that is berth-ipam's own.
net n2 --subnet 192.0.2.0/24 --gateway 192.0.2.77 --ipv6 --subnet fd00:9::/64
up web n2
same "$(ip6_of web n2)" fd00:9::2
contains "$(cut -d' ' -f3 leases)" "$(ip_of web n2)"
contains "$(api Berth.Check '{}' berth-ipam | jq -r '.Problems[]')" \
	'make the network with --gateway 192.0.2.2'
docker rm -f web >/dev/null
docker network rm n2 >/dev/null
net n3 --subnet 192.0.3.0/24 --gateway 192.0.3.2
fails_with 'which is not in the network'"'"'s subnet 192.0.3.0/24' \
	docker run --rm --network n3 bb:1 true
docker network rm n3 >/dev/null
same "$(wc -l <leases)" 0 "leases of the server: $(cat leases)"
ip link del br9
