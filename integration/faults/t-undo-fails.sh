#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A CreateNetwork that fails, and whose undoing fails as well, is forgotten by
# the daemon: the same request works once the trouble is over.
# asan
. "${0%/*}/../lib/lib.sh"
need curl jq

lan
export BERTH_FP=bridge.network.dataplane:err=EIO:nth=1,bridge.network.unlink:err=EIO:nth=1
start_daemon berth-bridge
id=$(echo undo | sha256sum | cut -c1-64)
create() {
	api NetworkDriver.CreateNetwork "{\"NetworkID\":\"$id\",\"Options\":{
		\"com.docker.network.enable_ipv6\":false,\"com.docker.network.generic\":{}},
		\"IPv4Data\":[{\"AddressSpace\":\"x\",\"Pool\":\"10.81.0.0/24\",
		\"Gateway\":\"10.81.0.1/24\"}],\"IPv6Data\":[]}" berth-bridge
}
contains "$(create)" "left behind"
# The daemon hears of links: it must not look for the network that failed.
ip link add name stir type veth peer name stirred
ip link del stir
same "$(create)" "{}"
same "$(api Berth.Networks '{}' berth-bridge | jq '.Networks | length')" 1 "networks"
same "$(api NetworkDriver.DeleteNetwork "{\"NetworkID\":\"$id\"}" berth-bridge)" "{}"
stop_daemon berth-bridge
