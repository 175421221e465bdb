#!/bin/bash
# Records gone, objects left: berth-macvlan touches nothing when it starts, lists what bears
# its mark and removes it when it is told to; what bears none stays.
. "${0%/*}/../lib/lib.sh"
need curl jq nft

lan
start_daemon berth-macvlan
say() { # METHOD BODY
	lacks "$(api "NetworkDriver.$1" "$2" berth-macvlan)" Err "$1"
}
n=$(echo n | sha256sum | cut -c1-64) e=$(echo e | sha256sum | cut -c1-64)
own=$(echo own | sha256sum | cut -c1-64)
say CreateNetwork "{\"NetworkID\":\"$n\",\"Options\":{\"com.docker.network.generic\":
	{\"parent\":\"up1\",\"berth.host_access\":\"on\"}},\"IPv6Data\":[],
	\"IPv4Data\":[{\"AddressSpace\":\"x\",\"Pool\":\"192.0.2.0/24\",\"Gateway\":\"192.0.2.2/24\"}]}"
say CreateNetwork "{\"NetworkID\":\"$own\",\"Options\":{\"com.docker.network.generic\":{}},
	\"IPv6Data\":[],\"IPv4Data\":[{\"AddressSpace\":\"x\",\"Pool\":\"10.9.0.0/24\",
	\"Gateway\":\"10.9.0.1/24\"}]}"
say CreateEndpoint "{\"NetworkID\":\"$n\",\"EndpointID\":\"$e\",\"Options\":{},
	\"Interface\":{\"Address\":\"192.0.2.70/24\"}}"
ip link add bh-up9 type veth peer name mvffffffffff # nobody's
links() {
	ip -br link | awk '{ sub("@.*", "", $1); print $1 }' | grep -E '^(mv|bh-|dm-)' |
		sort | paste -sd' '
}
all="bh-up1 bh-up9 dm-${own:0:12} mv${e:0:11} mvffffffffff"
same "$(links)" "$all" "what is made"

kill9_daemon berth-macvlan
rm -r /var/lib/berth/berth-macvlan /run/berth/berth-macvlan
start_daemon berth-macvlan
same "$(links)" "$all" "after a start without records"
ip route show dev bh-up1 | grep -q 192.0.2.70
same "$(api Berth.Gc '{"DryRun":true}' berth-macvlan | jq '.Removed | length')" 3 "listed"
same "$(links)" "$all" "after a look"
same "$(api Berth.Gc '{}' berth-macvlan | jq '.Removed | length')" 3 "removed"
same "$(links)" 'bh-up9 mvffffffffff' "what is not ours"
fails nft list table inet berth-macvlan
ip link del bh-up9
