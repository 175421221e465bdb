#!/bin/bash
# 64 clients at once make, join, publish, leave and delete 10,000 endpoints of one
# network: no error, and nothing is left.  (SOAK scales it.)
# alone
# asan
# time: 1800
. "${0%/*}/../lib/lib.sh"
need hammer curl jq

lan
start_daemon berth-bridge
id=$(echo soak | sha256sum | cut -c1-64)
contains "$(api NetworkDriver.CreateNetwork "{\"NetworkID\":\"$id\",\"Options\":{
	\"com.docker.network.enable_ipv6\":false,\"com.docker.network.generic\":{}},
	\"IPv4Data\":[{\"AddressSpace\":\"x\",\"Pool\":\"10.80.0.0/16\",
	\"Gateway\":\"10.80.0.1/16\"}],\"IPv6Data\":[]}" berth-bridge)" "{}"
n=$(awk -v s="$SOAK" 'BEGIN { print int(10000 * s) }')
"$TOOLS/hammer" -c 64 -n "$n" -p 20000 "$(sock berth-bridge)" "$id" 10.80 2>"$DIR/errors.log"
"$TOOLS/hammer" -c 64 -n "$((n / 10 + 64))" "$(sock berth-bridge)" "$id" 10.80 2>"$DIR/errors.log"
same "$(api Berth.Networks '{}' berth-bridge | jq '.Networks[0].Endpoints')" 0 "endpoints"
same "$(api Berth.Ports '{}' berth-bridge | jq '.Ports | length')" 0 "ports"
# Links are deleted behind the requests: RCU takes its time.
no_veths() {
	[ -z "$(ip -o link show type veth | grep -v ' up1')" ]
}
wait_until 120 no_veths
same "$(api Berth.Check '{}' berth-bridge | jq -c '.Problems // []')" '[]' "Berth.Check"
api NetworkDriver.DeleteNetwork "{\"NetworkID\":\"$id\"}" berth-bridge >/dev/null
