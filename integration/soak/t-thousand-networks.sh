#!/bin/bash
# 1,000 networks: made, listed in under a second, there again within seconds of a
# kill -9, deleted; nothing is left.  (SOAK scales it.)
# alone
# time: 1800
# soak
. "${0%/*}/../lib/lib.sh"
need curl jq

lan
start_daemon berth-bridge
n=$(awk -v s="$SOAK" 'BEGIN { print int(1000 * s) }')
id() {
	printf 'net%s' "$1" | sha256sum | cut -c1-64
}
t=$(now_ms)
for ((i = 0; i < n; i++)); do
	got=$(api NetworkDriver.CreateNetwork "{\"NetworkID\":\"$(id "$i")\",\"Options\":{},
		\"IPv4Data\":[{\"Pool\":\"10.$((i / 250)).$((i % 250)).0/24\",
		\"Gateway\":\"10.$((i / 250)).$((i % 250)).1/24\"}],\"IPv6Data\":[]}" berth-bridge)
	same "$got" "{}" "network $i"
done
note "$n networks: $((($(now_ms) - t) / n)) ms each, with curl"
count() {
	api Berth.Networks '{}' berth-bridge | jq '.Networks | length'
}
t=$(now_ms)
same "$(count)" "$n"
at_most $(($(now_ms) - t)) 1000 "ms to list"
bridges() {
	ip -o link show type bridge | grep -c bb-
}
same "$(bridges)" "$n" "bridges"

kill9_daemon berth-bridge
t=$(now_ms)
start_daemon berth-bridge
at_most $(($(now_ms) - t)) 10000 "ms until it answers again"
same "$(count)" "$n" "networks after kill -9"
same "$(bridges)" "$n" "bridges after kill -9"
# One table more, not one a network.
same "$(nft -j list tables | jq '[.nftables[].table // empty | select(.name == "berth-bridge")] | length')" 2

t=$(now_ms)
for ((i = 0; i < n; i++)); do
	same "$(api NetworkDriver.DeleteNetwork "{\"NetworkID\":\"$(id "$i")\"}" berth-bridge)" "{}"
done
note "$((($(now_ms) - t) / n)) ms each to delete"
same "$(count)" 0
