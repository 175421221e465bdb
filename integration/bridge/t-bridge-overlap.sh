#!/bin/bash
# A subnet that overlaps a route of this host, or another network, is refused and the
# message names it, IPv4 and IPv6; Docker's own choice then succeeds elsewhere.
. "${0%/*}/../lib/lib.sh"

berth_host
create() {
	docker network create -d berth-bridge "$@" >/dev/null
}
ip route add 10.90.0.0/16 via 192.0.2.2
ip -6 route add fd00:90::/48 via 2001:db8:2::2
fails_with 'overlaps this host'\''s route 10.90.0.0/16 on up1' create --subnet 10.90.7.0/24 x
fails_with 'overlaps this host'\''s route 192.0.2.0/24 on up1' create --subnet 192.0.0.0/16 x
fails_with 'overlaps this host'\''s route fd00:90::/48 on up1' create --ipv6 \
	--subnet 10.91.0.0/24 --subnet fd00:90:0:7::/64 x
create --subnet 10.91.0.0/24 --ipv6 --subnet fd00:91::/64 n1
# dockerd itself refuses what overlaps its own networks: ask as another client would.
other=$(printf 'e%.0s' $(seq 64))
contains "$(api NetworkDriver.CreateNetwork \
	"{\"NetworkID\":\"$other\",\"IPv4Data\":[{\"Pool\":\"10.91.0.128/25\",\"Gateway\":\"10.91.0.129/25\"}]}" \
	berth-bridge)" "of network $(net_id n1 | cut -c1-12)"
contains "$(api NetworkDriver.CreateNetwork \
	"{\"NetworkID\":\"$other\",\"IPv4Data\":[{\"Pool\":\"10.92.0.0/24\"}],\"IPv6Data\":[{\"Pool\":\"fd00:91::/80\"}],\"Options\":{\"com.docker.network.enable_ipv6\":true}}" \
	berth-bridge)" "of network $(net_id n1 | cut -c1-12)"
# A route that comes later steals nothing silently: check tells of it.
ip route add 10.91.0.0/26 via 192.0.2.2
contains "$(api Berth.Check '{}' berth-bridge)" '10.91.0.0/26'
ip route del 10.91.0.0/26 via 192.0.2.2
same "$(api Berth.Check '{}' berth-bridge | jq -c .Problems)" '[]'
# What a VPN makes of the default route overlaps everything.
ip route add 0.0.0.0/1 via 192.0.2.2
ip route add 128.0.0.0/1 via 192.0.2.2
ip -6 route add 2000::/3 via 2001:db8:2::2
create --subnet 10.93.0.0/24 --ipv6 --subnet 2001:db8:93::/64 n3
same "$(api Berth.Check '{}' berth-bridge | jq -c .Problems)" '[]'
docker network rm n3 >/dev/null
ip route del 0.0.0.0/1 via 192.0.2.2
ip route del 128.0.0.0/1 via 192.0.2.2
ip -6 route del 2000::/3 via 2001:db8:2::2
create n2
docker network rm n1 n2 >/dev/null
ip route del 10.90.0.0/16
ip -6 route del fd00:90::/48
