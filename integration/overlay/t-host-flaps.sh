#!/bin/bash
# A host that moves to another address, or is off the wire and on it again, ten times a second:
# the others follow now and then only, all is right within 5 s after the last change, what has
# nothing to do with it loses nothing, and no daemon has grown by it.  (60 s with SOAK=1.)
# time: 240
. "${0%/*}/../lib/lib.sh"
# shellcheck source=integration/lib/hosts
. "$IT/lib/hosts"
# shellcheck source=integration/lib/overlay
. "$IT/lib/overlay"
need curl jq ping etcd etcdctl

FLAPS=$(awk -v s="${SOAK:-0}" 'BEGIN { print (s >= 1 ? 600 : 60) }')
for h in a b c; do
	host_new $h
done
hosts_etcd a
for h in a b c; do
	host_daemon $h berth-overlay --underlay eth0 --store "$STORE" --node $h
done
ov_network net 9 '' a b c
ov_container net 9 a 2
ov_container net 9 b 3
ov_container net 9 c 4
WIRE=bx-$(ov_id net | cut -c1-12)
MAC_B=02:42:00:00:09:03

at() { # HOST - where it has b's container
	ns "$1" bridge -j fdb show dev "$WIRE" | jq -r --arg m $MAC_B '[.[] |
		select(.mac == $m and .dst).dst] | join(" ")'
}
is_at() { [ "$(at "$1")" = "$2" ]; }
reaches() { ns net2 ping -qc1 -W1 10.9.0.3 && ns net2 ping -qc1 -W1 fd00:9::3 && ns net3 ping -qc1 -W1 10.9.0.4; }
rss() { awk '/^VmRSS/ { print $2 }' "/proc/${HOST_DAEMON[$1/berth-overlay]}/status"; } # HOST
open() { find "/proc/${HOST_DAEMON[$1/berth-overlay]}/fd" -mindepth 1 | wc -l; }
lines() { # HOST - of its kernel's tables
	{ ns "$1" bridge fdb show && ns "$1" ip neigh show nud permanent; } | wc -l
}
wait_until 10 reaches
wait_until 5 is_at a 192.0.2.2
declare -A WAS=()
remember() {
	for h in a b c; do
		WAS[$h/rss]=$(rss $h) WAS[$h/lines]=$(lines $h) WAS[$h/open]=$(open $h)
	done
}
no_more() { # HOST KIND LIMIT - than there was; what is still being closed may be
	[ "$("$2" "$1")" -le $((${WAS[$1/$2]} + $3)) ]
}
same_size() {
	for h in a b c; do
		wait_until 5 no_more $h lines 0
		wait_until 5 no_more $h open 2
		wait_until 5 no_more $h rss 2048
	done
}
# What has nothing to do with it: a to c.
bystander() {
	in_background ping.log nsenter --net=/run/netns/net2 -- ping -i0.1 -W1 10.9.0.4
	PINGER=$PID
	wait_until 5 grep -q 'bytes from' "$DIR/ping.log"
}
bystander_lost() { # MAX
	local lost
	kill -INT "$PINGER"
	wait "$PINGER" || :
	lost=$(sed -n 's/^\([0-9]*\) packets transmitted, \([0-9]*\) received.*/\1 \2/p' "$DIR/ping.log" |
		awk '{ print $1 - $2 }')
	differ "$lost" "" "what ping counted"
	at_most "$lost" "$1" "pings lost between the others"
}

note "$FLAPS times another address"
remember
ns b sysctl -qw net.ipv4.conf.eth0.promote_secondaries=1
in_background moves.log nsenter --net=/run/netns/a -- bridge monitor fdb
monitor=$PID
bystander
old=192.0.2.2
start=$(now_ms)
for ((i = 1; i <= FLAPS; i++)); do
	new=192.0.2.$((100 + i % 2))
	ns b ip addr add "$new/24" dev eth0
	ns b ip addr del "$old/24" dev eth0
	old=$new
	pause 0.1
done
ns b ip addr add 192.0.2.120/24 dev eth0
ns b ip addr del "$old/24" dev eth0
old=192.0.2.120
took=$((($(now_ms) - start) / 1000))
start=$(now_ms)
wait_until 10 is_at a "$old"
wait_until 10 is_at c "$old"
wait_until 10 reaches
at_most $(($(now_ms) - start)) $((5000 * ${BERTH_SLOW:-1})) "ms until all is right"
bystander_lost 1
end "$monitor"
moves=$(grep -c "$MAC_B .*dst" "$DIR/moves.log" || :)
# four at once, here and there, then one in 2 s
at_most "$moves" $((took / 2 + 8)) "times that a moved it"
differ "$moves" 0 "times that a moved it"
same_size

note "$FLAPS times off the wire"
remember
bystander
for ((i = 1; i <= FLAPS / 2; i++)); do
	host_cut b
	pause 0.1
	host_heal b
	pause 0.1
done
start=$(now_ms)
wait_until 5 reaches
at_most $(($(now_ms) - start)) $((5000 * ${BERTH_SLOW:-1})) "ms until all is right"
bystander_lost 1
same "$(at a)" "$old" "where a has b's container"
same_size

for h in a b c; do
	case $h in a) n=2 ;; b) n=3 ;; c) n=4 ;; esac
	ov_leave $h net net$n
	ov_drop $h net
done
