#!/bin/bash
# Some two thousand malformed requests, made from the daemons' own field tables:
# each gets the right error, nothing changes, the next request is answered.
. "${0%/*}/../lib/lib.sh"
need badreq curl jq

# What a daemon keeps in the kernel; the counters of rules move by themselves.
kernel() {
	ip link | sed 's/ qlen [0-9]*//'
	bridge link
	ip addr
	ip -6 route
	nft list ruleset | sed 's/packets [0-9]* bytes [0-9]*//'
	grep -c . /proc/mounts
}

for d in "${DAEMONS[@]}"; do
	start_daemon "$d"
done
# One network, endpoint, address and volume: there is something to be changed.
api NetworkDriver.CreateNetwork '{"NetworkID":"aa11","Options":
	{"com.docker.network.enable_ipv6":false},"IPv6Data":[],
	"IPv4Data":[{"Pool":"10.77.0.0/24","Gateway":"10.77.0.1/24"}]}' berth-bridge
api NetworkDriver.CreateEndpoint '{"NetworkID":"aa11","EndpointID":"bb22",
	"Interface":{"Address":"10.77.0.2/24"}}' berth-bridge
api NetworkDriver.CreateNetwork '{"NetworkID":"cc33","Options":
	{"com.docker.network.enable_ipv6":false},"IPv6Data":[],
	"IPv4Data":[{"Pool":"10.79.0.0/24","Gateway":"10.79.0.1/24"}]}' berth-macvlan
api NetworkDriver.CreateEndpoint '{"NetworkID":"cc33","EndpointID":"dd44",
	"Interface":{"Address":"10.79.0.2/24"}}' berth-macvlan
api VolumeDriver.Create '{"Name":"keep"}' berth-named
api IpamDriver.RequestPool '{"Pool":"10.78.0.0/24"}' berth-ipam
api IpamDriver.RequestAddress '{"PoolID":"berth-local/10.78.0.0/24"}' berth-ipam

kernel >kernel.before
for d in "${DAEMONS[@]}"; do
	"$TOOLS/badreq" "$(sock "$d")" || fail "$d treated some wrongly"
	at_most "$(awk '/^RssAnon/ { print $2 }' "/proc/${DAEMON_PID[$d]}/status")" \
		3072 "KiB anonymous afterwards, $d"
	[ "$d" = berth-dns ] || # which has nothing to compare
		same "$(api Berth.Check '{}' "$d" | jq -c .Problems)" '[]' "problems of $d"
done
kernel >kernel.after
diff kernel.before kernel.after >&2 || fail "kernel objects changed"

api NetworkDriver.DeleteEndpoint '{"NetworkID":"aa11","EndpointID":"bb22"}' \
	berth-bridge
api NetworkDriver.DeleteNetwork '{"NetworkID":"aa11"}' berth-bridge
api NetworkDriver.DeleteEndpoint '{"NetworkID":"cc33","EndpointID":"dd44"}' \
	berth-macvlan
api NetworkDriver.DeleteNetwork '{"NetworkID":"cc33"}' berth-macvlan
api VolumeDriver.Remove '{"Name":"keep"}' berth-named
api IpamDriver.ReleasePool '{"PoolID":"berth-local/10.78.0.0/24"}' berth-ipam
for d in "${DAEMONS[@]}"; do
	stop_daemon "$d"
done
