#!/bin/bash
# netctl gc removes links that bear Berth's mark and that nobody claims, says first what
# it would do, and touches neither what is in use nor what bears no mark.
. "${0%/*}/lib.sh"
need root curl jq

"$NETCTL" up
new_net "$(hex a)" 49
bridge=$("$NETCTL" network ls --json | jq -r '.[0].Bridge')
ip link add bb-left type bridge
ip link set bb-left alias "berth:berth-bridge:$(hex b)"
ip link add foreign0 type bridge

contains "$("$NETCTL" gc --dry-run)" bb-left
ip link show bb-left >/dev/null
same "$("$NETCTL" gc --json | jq -r '.[].Driver')" berth-bridge
fails ip link show bb-left
ip link show foreign0 >/dev/null
ip link show "$bridge" >/dev/null
same "$("$NETCTL" gc --json)" $'[\n]'
ip link del foreign0
del_net "$(hex a)"
"$NETCTL" down
fails_with 'netctl up' "$NETCTL" gc
