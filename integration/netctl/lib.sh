# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# lib.sh - for the tests of netctl: networks without a dockerd, and pids.
. "${BASH_SOURCE[0]%/*}/../lib/lib.sh"

# hex CHAR - an id as Docker makes them: 64 of it.
hex() {
	printf "%.0s$1" {1..64}
}

# new_net ID N [V6] - network 10.N.0.0/24 (and fd00:N::/64).
new_net() {
	local v6='[]'
	[ -z "${3-}" ] || v6="[{\"AddressSpace\":\"x\",\"Pool\":\"fd00:$2::/64\",
		\"Gateway\":\"fd00:$2::1/64\",\"AuxAddresses\":{}}]"
	same "$(api NetworkDriver.CreateNetwork "{\"NetworkID\":\"$1\",
		\"Options\":{\"com.docker.network.enable_ipv6\":${3:-false},
		\"com.docker.network.generic\":{}},
		\"IPv4Data\":[{\"AddressSpace\":\"x\",\"Pool\":\"10.$2.0.0/24\",
		\"Gateway\":\"10.$2.0.1/24\",\"AuxAddresses\":{}}],
		\"IPv6Data\":$v6}" berth-bridge)" '{}' "creating network $2"
}

del_net() {
	same "$(api NetworkDriver.DeleteNetwork "{\"NetworkID\":\"$1\"}" \
		berth-bridge)" '{}' "deleting a network"
}

# publish NET ENDPOINT ADDRESS HOSTPORT PORT - an endpoint with one tcp port.
publish() {
	lacks "$(api NetworkDriver.CreateEndpoint "{\"NetworkID\":\"$1\",
		\"EndpointID\":\"$2\",\"Interface\":{\"Address\":\"$3/24\",
		\"AddressIPv6\":\"\",\"MacAddress\":\"\"},\"Options\":{}}" \
		berth-bridge)" Err
	lacks "$(api NetworkDriver.Join "{\"NetworkID\":\"$1\",
		\"EndpointID\":\"$2\",\"SandboxKey\":\"/proc/1/ns/net\",
		\"Options\":{}}" berth-bridge)" '"Err"'
	same "$(api NetworkDriver.ProgramExternalConnectivity "{
		\"NetworkID\":\"$1\",\"EndpointID\":\"$2\",\"Options\":{
		\"com.docker.network.portmap\":[{\"Proto\":6,\"IP\":\"\",
		\"Port\":$5,\"HostIP\":\"\",\"HostPort\":$4,
		\"HostPortEnd\":$4}]}}" berth-bridge)" '{}' "publishing $4"
}

unpublish() {
	local m
	for m in RevokeExternalConnectivity Leave DeleteEndpoint; do
		same "$(api "NetworkDriver.$m" "{\"NetworkID\":\"$1\",
			\"EndpointID\":\"$2\"}" berth-bridge)" '{}' "$m"
	done
}

# pid_named NAME - the pid of a daemon, by its own word.
pid_named() {
	api Berth.Info '{}' "$1" | jq .Pid
}

supervisor() {
	cat /run/berth/netctl/lock
}
