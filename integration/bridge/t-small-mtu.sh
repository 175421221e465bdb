#!/bin/bash
# Below an MTU of 1280 a link has no IPv6 settings: networks and containers are made all
# the same, and with IPv6 they are refused with the reason.
. "${0%/*}/../lib/lib.sh"
need docker jq

start_daemon berth-bridge
start_dockerd
docker network create -d berth-bridge -o com.docker.network.driver.mtu=1000 \
	--subnet 10.71.0.0/24 small >/dev/null
docker run --rm --network small bb:1 sh -c \
	'grep -q 1000 /sys/class/net/eth0/mtu && ping -q -c 1 -W 2 10.71.0.1' >/dev/null
fails_with '1280' docker network create -d berth-bridge --ipv6 \
	-o com.docker.network.driver.mtu=1000 --subnet 10.72.0.0/24 \
	--subnet fd00:72::/64 small6
docker network rm small >/dev/null
