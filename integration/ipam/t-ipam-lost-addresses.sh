#!/bin/bash
# What dockerd could not release, because berth-ipam was away when it tried, is
# found by "netctl ipam check" and released by "netctl ipam gc"; what is in use stays.
# waits
# time: 300
. "${0%/*}/../lib/lib.sh"

export IPAM=berth-ipam
berth_host
docker network create -d berth-bridge --subnet 10.73.0.0/24 n1 >/dev/null
docker network create -d bridge --subnet 10.74.0.0/24 n2 >/dev/null
docker run -d --name live --network n1 --stop-signal KILL bb:1 sleep 999 >/dev/null
docker run -d --name still --network n1 --ip 10.73.0.9 --stop-signal KILL bb:1 sleep 999 >/dev/null
# A client that died before it had a network.
api IpamDriver.RequestPool '{"Pool":"10.75.0.0/24"}' berth-ipam >/dev/null

kill9_daemon berth-ipam
docker rm -f still >/dev/null # 15 s: it gives up
docker network rm n2 >/dev/null
restart_daemon berth-ipam
contains "$("$NETCTL" ipam leases)" 10.73.0.9/24
fails_with 'Address already in use: 10.73.0.9' \
	docker run --rm --network n1 --ip 10.73.0.9 bb:1 true

# In the first minute a container may be about to start.
lacks "$("$NETCTL" ipam gc)" 10.75.0.0
checked() {
	"$NETCTL" ipam check >checked || same $? 3 "exit status of check"
	grep -q "$1" checked
}
wait_until 90 checked 10.75.0.0
wait_until 30 checked 10.74.0.0
out=$("$NETCTL" ipam check) && fail "check says that all is well"
contains "$out" 'address 10.73.0.9/24 of berth-local/10.73.0.0/24'
contains "$out" 'pool berth-local/10.74.0.0/24, which no network has'
contains "$out" 'pool berth-local/10.75.0.0/24, which no network has'
same "$(wc -l <<<"$out")" 4 "lines: a title and three"
same "$("$NETCTL" ipam gc --dry-run --json | jq length)" 3
same "$("$NETCTL" ipam gc --json | jq length)" 3
same "$("$NETCTL" ipam gc --json | jq -c .)" '[]' "a second gc"
"$NETCTL" ipam check >/dev/null
same "$(api Berth.IpamLeases '{}' berth-ipam | jq -r '.Leases[] | select(.Use == "endpoint").Address')" \
	"$(ip_of live n1)/24" "what is left"
docker run --rm --network n1 --ip 10.73.0.9 bb:1 sleep 0.1

# Without dockerd nothing can be said, and nothing is released.
stop_dockerd
fails_with 'dockerd says nothing' "$NETCTL" ipam gc
fails_with 'not compared' "$NETCTL" ipam check
run_dockerd
docker rm -f live >/dev/null
docker network rm n1 >/dev/null
