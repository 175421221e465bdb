#!/bin/bash
# Does a path outlast a minute of short connections at full rate over 1,000 ports?  How
# many were refused or timed out, and how many of 1,000 idle connections that were
# there before are dead after it?  Nothing is flushed here.
# alone
# time: 1800
. "${0%/*}/../integration/lib/lib.sh"
. "$ROOT/bench/lib/world.sh"
. "$ROOT/bench/lib/paths.sh"
need tcpbench conntrack curl jq

length=60 count=1000
[ -z "${QUICK-}" ] || length=3 count=100

row() { # NAME
	local line held rc=0 holder log=$DIR/hold-$1.log
	in_background "hold-$1.log" nsenter "--net=/run/netns/${FROM[$1]}" -- "$BENCH" \
		hold "${AT[$1]}" "${AT_PORT[$1]}" 1000
	holder=$PID
	wait_until 20 grep -q held "$log"
	line=$(world_client "$1" connect "$length") || fail "${TITLE[$1]}: $line"
	kill "$holder"
	wait "$holder" || rc=$?
	held=$(grep dead "$log") || fail "${TITLE[$1]}: $(cat "$log")"
	printf '| %s | %s | %s | %s | %s | %s | %s |\n' "${TITLE[$1]}" \
		"$(human "$(value rate "$line")")" "$(value refused "$line")" \
		"$(value timeout "$line")" "$(value other "$line")" \
		"$(value dead "$held") of $(value held "$held")" \
		"$(entries "$1")"
}

entries() { # NAME - what conntrack holds now
	ns "$1.host" conntrack -C 2>/dev/null || echo 0
}

berth_planes
last=$((20000 + count - 1))
path direct direct 20000 $last
# Docker needs a quarter of a minute for 1,000; a hundred fill the table as well.
if [ -z "${QUICK-}" ]; then
	path docker docker 20000 20099
	[ -z "${TITLE[docker]-}" ] || TITLE[docker]="docker -p, 100 ports"
fi
for plane in "${PLANES[@]}"; do
	path "berth-$plane" berth "$plane" 20000 $last
done
{
	echo "| path, $length s | connections/s | refused | timed out | other | idle ones dead | conntrack entries |"
	echo "|---|---|---|---|---|---|---|"
	for name in "${PATHS[@]}"; do
		row "$name"
	done
	printf '\nconntrack has room for %s.\n' "$(sysctl -n net.netfilter.nf_conntrack_max)"
} | table
tell_end
