#!/bin/bash
# How long does berth-bridge itself take for CreateEndpoint + Join +
# ProgramExternalConnectivity with 200 endpoints there?  Limit: p99 under 5 ms.
# alone
# time: 600
. "${0%/*}/../integration/lib/lib.sh"
need hammer curl jq

lan
start_daemon berth-bridge
id=$(echo bench | sha256sum | cut -c1-64)
api NetworkDriver.CreateNetwork "{\"NetworkID\":\"$id\",\"Options\":{},
	\"IPv4Data\":[{\"Pool\":\"10.80.0.0/16\",\"Gateway\":\"10.80.0.1/16\"}],
	\"IPv6Data\":[]}" berth-bridge >/dev/null
echo "one client, endpoints 200 to 440, as the client saw it:"
"$TOOLS/hammer" -c 1 -k 200 -n 240 -b 240 -p 20000 "$(sock berth-bridge)" "$id" 10.80 |
	tee "$DIR/one"
# Deleting links takes the kernel's one lock of all links, for milliseconds.
echo "one client, 200 there, made and deleted in turn:"
"$TOOLS/hammer" -c 1 -k 200 -n 1000 -p 20000 "$(sock berth-bridge)" "$id" 10.80
echo "eight clients, the same:"
"$TOOLS/hammer" -c 8 -k 200 -n 1000 -p 20000 "$(sock berth-bridge)" "$id" 10.80
echo "the daemon's own clock, request read to answer written, all runs:"
api Berth.Metrics '{}' berth-bridge | jq -r '.Methods | to_entries[] |
	select(.value.Count > 500) | .value as $v |
	(reduce $v.Buckets[] as $b ({n: 0, p: 0}; if .n < $v.Count * 0.99
		then {n: (.n + $b.Count), p: $b.LeUs} else . end)) as $q |
	"\(.key) count \($v.Count) mean \($v.SumUs / $v.Count | floor) p99 <= \($q.p) max \($v.MaxUs) us"'
api NetworkDriver.DeleteNetwork "{\"NetworkID\":\"$id\"}" berth-bridge >/dev/null
p99=$(sed -n 's/^create + join + publish.*p99 *\([0-9]*\).*/\1/p' "$DIR/one")
at_most "$p99" 5000 "us p99 of create + join + publish, one client"
