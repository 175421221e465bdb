#!/bin/bash
# What does a published port cost, from the LAN?  Connections, round trips and one
# stream, against direct routing to the container and against docker -p.
# alone
# time: 1800
. "${0%/*}/../integration/lib/lib.sh"
. "$ROOT/bench/lib/world.sh"
. "$ROOT/bench/lib/paths.sh"
need tcpbench conntrack curl jq

berth_planes
path direct direct 7001
PATHS=()
path docker docker 7002
if [ -z "${QUICK-}" ]; then
	path hop hop 7003
	path conntrack conntrack 7004
	path map map 7005
	path noproxy docker_noproxy 7006
	path portmap portmap 7007
	path netavark netavark 7008
fi
ours=()
for plane in "${PLANES[@]}"; do
	path "berth-$plane" berth "$plane" $((7010 + ${#ours[@]}))
	ours+=("berth-$plane")
done

measure connect connections/s direct "${PATHS[@]}"
measure echo "round trips/s" direct "${PATHS[@]}"
measure stream Gbit/s direct "${PATHS[@]}"
if [ -n "${TITLE[docker]-}" ]; then
	measure connect connections/s docker "${ours[@]}" direct
	measure echo "round trips/s" docker "${ours[@]}" direct
fi
tell_end
