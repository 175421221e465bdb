#!/bin/bash
# netctl network rm removes a network that dockerd has forgotten, and only such: none that
# dockerd has or may have, and none with a container in it.
. "${0%/*}/../lib/lib.sh"
need docker curl jq

start_daemon berth-bridge
N=$(printf 'a%.0s' {1..64}) E=$(printf 'b%.0s' {1..64})
create() {
	lacks "$(api NetworkDriver.CreateNetwork "{\"NetworkID\":\"$N\",\"Options\":{},
		\"IPv4Data\":[{\"Pool\":\"10.95.0.0/24\",\"Gateway\":\"10.95.0.1/24\"}]}" berth-bridge)" Err
}
create
fails_with '--force' "$NETCTL" network rm aaa
same "$("$NETCTL" network rm --force aaa)" "$N"
same "$("$NETCTL" network ls --json | jq -c .)" '[]'
fails_with 'no Berth network "aaa"' "$NETCTL" network rm --force aaa

start_dockerd
docker network create -d berth-bridge shop >/dev/null
fails_with 'docker network rm shop' "$NETCTL" network rm shop
fails_with 'docker network rm shop' "$NETCTL" network rm --force shop
create
ids="\"NetworkID\":\"$N\",\"EndpointID\":\"$E\""
lacks "$(api NetworkDriver.CreateEndpoint "{$ids,\"Interface\":{\"Address\":\"10.95.0.2/24\",
	\"AddressIPv6\":\"\",\"MacAddress\":\"\"}}" berth-bridge)" Err
lacks "$(api NetworkDriver.Join "{$ids,\"SandboxKey\":\"/proc/self/ns/net\"}" berth-bridge)" Err
fails_with 'in use' "$NETCTL" network rm aaa
lacks "$(api NetworkDriver.Leave "{$ids}" berth-bridge)" Err
lacks "$(api NetworkDriver.DeleteEndpoint "{$ids}" berth-bridge)" Err
"$NETCTL" network rm aaa
same "$("$NETCTL" network ls --json | jq -r '.[].Name')" shop
docker network rm shop >/dev/null
