#!/bin/bash
# What do more published ports cost a connection?  Random ports of 1, 100, 1,000 and
# 5,000, and 2,500 of 65,000 that are published as ranges, against one; and against
# docker -p at 1,000.
# alone
# time: 1800
. "${0%/*}/../integration/lib/lib.sh"
. "$ROOT/bench/lib/world.sh"
. "$ROOT/bench/lib/paths.sh"
need tcpbench conntrack curl jq

# 65,000 ports are more than a host has left for itself, so: 32,500 on each of two
# addresses, in ranges of 2,500 with a gap between two, one endpoint each.  The first
# is asked.
path_ranges() { # NAME DATAPLANE
	local e first address=192.0.2.1
	path_berth "$1" "$2" 100 2599 1 192.0.2.1
	TITLE[$1]="berth-bridge, $2: 65,000 as ranges"
	ip -n "$1.host" addr add 192.0.2.3/24 dev up1
	for ((e = 1; e < 26; e++)); do
		[ "$e" -lt 13 ] || address=192.0.2.3
		first=$((100 + e % 13 * 2501))
		berth_endpoint "$1" "e$e" "10.90.0.$((10 + e))" >/dev/null
		berth_publish "$1" "e$e" "$first" $((first + 2499)) 1 "$address"
	done
}

# Every other port: each is an entry of its own, not part of a range.
path_singles() { # NAME DATAPLANE COUNT
	path_berth "$1" "$2" 10000 $((9998 + 2 * $3)) 2
	TITLE[$1]="berth-bridge, $2: $3"
}

berth_planes
for plane in "${PLANES[@]}"; do
	PATHS=()
	path "$plane-1" singles "$plane" 1
	PATHS=()
	path "$plane-100" singles "$plane" 100
	path "$plane-1000" singles "$plane" 1000
	if [ -z "${QUICK-}" ]; then
		path "$plane-5000" singles "$plane" 5000
		path "$plane-65000" ranges "$plane"
		path "direct-$plane" direct 10000 19998 2
		TITLE[direct-$plane]="direct routing: 5,000"
	fi
	measure connect connections/s "$plane-1" "${PATHS[@]}"
done
if [ -z "${QUICK-}" ]; then
	path docker-1000 docker 10000 10999
	if [ -n "${TITLE[docker-1000]-}" ]; then
		TITLE[docker-1000]="docker -p: 1,000"
		measure connect connections/s docker-1000 "${PLANES[@]/%/-1000}"
	fi
fi
tell_end
