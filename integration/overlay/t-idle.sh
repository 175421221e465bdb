#!/bin/bash
# An overlay on which nothing happens does nothing: no link is set again, and the daemon
# sleeps.
. "${0%/*}/../lib/lib.sh"
# shellcheck source=integration/lib/hosts
. "$IT/lib/hosts"
need curl jq

NET=$(printf 'n%.0s' {1..64} | tr n a)
for h in a b; do
	host_new $h
	host_daemon $h berth-overlay --underlay eth0
	host_api $h NetworkDriver.CreateNetwork '{"NetworkID":"'"$NET"'","Options":{
		"com.docker.network.generic":{"berth.peers":"192.0.2.1,192.0.2.2"}},
		"IPv4Data":[{"Pool":"10.9.0.0/24","Gateway":"10.9.0.1/24"}],"IPv6Data":[]}' \
		berth-overlay | jq -e '.Err // "" | . == ""' >/dev/null || fail "network on $h"
done

ticks() { # of the daemon on host a, in 1/100 s
	awk '{ print $14 + $15 }' "/proc/${HOST_DAEMON[a/berth-overlay]}/stat"
}
# What the kernel tells of links in two seconds.
is_still() {
	local before told
	before=$(ticks)
	told=$(timeout 2 ip -n a -o monitor link | wc -l || :)
	note "in 2 s: $told events, $(($(ticks) - before)) ticks of the daemon"
	[ "$told" = 0 ]
}
wait_until 30 is_still

# What is put right is put right once.
ip -n a link set bx-aaaaaaaaaaaa nomaster
on_the_bridge() {
	[ "$(ip -n a -j link show bx-aaaaaaaaaaaa | jq -r '.[0].master')" = bo-aaaaaaaaaaaa ]
}
wait_until 20 on_the_bridge
wait_until 30 is_still

for h in a b; do
	host_api $h NetworkDriver.DeleteNetwork '{"NetworkID":"'"$NET"'"}' berth-overlay |
		jq -e '.Err // "" | . == ""' >/dev/null || fail "network on $h stays"
done
