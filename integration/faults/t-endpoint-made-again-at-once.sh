#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Links are deleted behind the requests.  An endpoint that is made again at once
# under its old id keeps its new link.
# asan
. "${0%/*}/../lib/lib.sh"
need curl jq

lan
BERTH_FP=bridge.reap_batch:sleep=700:nth=1 start_daemon berth-bridge
id=$(echo again | sha256sum | cut -c1-64)
e="\"NetworkID\":\"$id\",\"EndpointID\":\"$(echo a | sha256sum | cut -c1-64)\""
say() {
	same "$(api "NetworkDriver.$1" "$2" berth-bridge | jq -r .Err)" null "$1"
}
add() {
	say CreateEndpoint "{$e,\"Options\":{},\"Interface\":{\"Address\":\"10.83.0.2/24\"}}"
}
say CreateNetwork "{\"NetworkID\":\"$id\",\"Options\":{
	\"com.docker.network.enable_ipv6\":false,\"com.docker.network.generic\":{}},
	\"IPv4Data\":[{\"AddressSpace\":\"x\",\"Pool\":\"10.83.0.0/24\",
	\"Gateway\":\"10.83.0.1/24\"}],\"IPv6Data\":[]}"
add
say DeleteEndpoint "{$e}"
add
# Stopping finishes what is queued.
stop_daemon berth-bridge
same "$(ip -o link show type veth | grep -c ': bv')" 1 "links of the endpoint"
start_daemon berth-bridge
say DeleteEndpoint "{$e}"
say DeleteNetwork "{\"NetworkID\":\"$id\"}"
stop_daemon berth-bridge
