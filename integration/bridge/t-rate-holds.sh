#!/bin/bash
# berth.rate holds both ways and comes near it: from the LAN by a published port, to the
# LAN, between containers, IPv4 and IPv6; so it does without the daemon and after its
# restart. A container without a rate on the same network is as fast as ever.
# time: 400
# soak
. "${0%/*}/../lib/lib.sh"
. "$IT/lib/iso.sh"

berth_host
net() { # NAME N OPTION...
	local name=$1 n=$2
	shift 2
	docker network create -d berth-bridge --ipv6 --subnet "10.$n.0.0/24" \
		--subnet "fd00:$n::/64" "$@" "$name"
}

fails_with '"20mb" is not a rate: write 10mbit' net no 70 -o berth.rate=20mb
fails_with 'is not in 8kbit to 100gbit' net no 70 -o berth.rate=1kbit
fails_with 'burst "1kb" is not in 2kb to 1gb' net no 70 -o berth.rate=1mbit:1kb
fails_with 'option berth.rate: empty' net no 70 -o berth.rate=
same "$(ip -j link | jq '[.[] | select(.ifname | startswith("bb-"))] | length')" 0
net n1 65 -o berth.rate=20mbit >/dev/null
net n2 66 >/dev/null
fails_with '"fast" is not a rate' docker run --rm \
	--network name=n2,driver-opt=berth.rate=fast bb:1 true

container web n1 -p 9000:9000
container free name=n1,driver-opt=berth.rate=none -p 9001:9000
# (docker parts options at commas, but not between quotes)
container up 'name=n2,"driver-opt=berth.rate=in=none,out=20mbit"' -p 9002:9000
for who in web free up; do
	in_background "meter-$who.log" nsenter "--net=/proc/${BOX[$who]}/ns/net" \
		-- "$IT/lib/meter" serve 9000
done
in_background meter-lan.log nsenter --net=/run/netns/lan -- "$IT/lib/meter" serve 9000
for who in web free up lan; do
	wait_until 10 grep -q ready "$DIR/meter-$who.log"
done

# fast LEAST MOST WHO get|put HOST PORT - in Mbit/s.  A busy machine may be slow at times; too
# fast it must never be.
BURST=1250000 # half a second of 20mbit
fast() {
	local least=$1 most=$2 got was
	shift 2
	for _ in 1 2 3 4 5; do
		read -r got was <<<"$(at "$1" "$IT/lib/meter" "$2" "$3" "$4" "${SECS-3}" "$BURST")"
		note "$*: $got Mbit/s, was let at least $was"
		between "$was" -inf "$most" || break
		! between "$got" "$least" inf || return 0
	done
	fail "$*: $got Mbit/s, was let at least $was, want $least to $most"
}
between() { awk -v g="$1" -v a="$2" -v b="$3" 'BEGIN { exit !(a <= g && g <= b) }'; }

# In and out by its published port, masqueraded in and out, with a neighbour.
fast 14 20 lan put 192.0.2.1 9000
fast 14 20 lan get 192.0.2.1 9000
fast 14 20 web get 192.0.2.2 9000
fast 14 20 web put 192.0.2.2 9000
fast 14 20 free put 10.65.0.2 9000
fast 14 20 free get 10.65.0.2 9000
fast 14 20 lan get 2001:db8:2::1 9000
fast 14 20 host put 127.0.0.1 9000
SECS=2
fast 200 inf lan get 192.0.2.1 9001
fast 200 inf lan put 192.0.2.1 9001
fast 200 inf lan put 192.0.2.1 9002
unset SECS
fast 14 20 lan get 192.0.2.1 9002

# Each way by itself, both at once: the answers of one are part of the other.
fast 10 20 lan put 192.0.2.1 9000 &
fast 10 20 lan get 192.0.2.1 9000
wait "$!"

counter() { api Berth.Counters '{}' berth-bridge | jq ".Counters[\"$1\"]"; }
[ "$(counter guard-rate)" -ge 10 ] || fail "guard-rate: $(counter guard-rate)"
contains "$(netctl network inspect n1)" berth.rate=20mbit
in_background trace.log netctl trace --json
seen_rate() {
	at lan "$IT/lib/meter" put 192.0.2.1 9000 1 0 >/dev/null
	grep -q 'rate.*(berth.rate)' "$DIR/trace.log"
}
wait_until 30 seen_rate
end "$PID"

# What the buckets hold outlives the daemon.
rates() {
	bpftool -j map dump pinned /sys/fs/bpf/berth/v1/berth-bridge/guard_rate |
		jq -c 'map(.formatted | [.key, .value.in.cost, .value.out.cost]) | sort'
}
# Nanoseconds a byte, times 2^20; 0: no limit.
before=$(rates)
same "$(jq -c 'map(.[1:]) | sort' <<<"$before")" '[[0,419430400],[419430400,419430400]]'
kill9_daemon berth-bridge
same "$(rates)" "$before"
fast 14 20 lan get 192.0.2.1 9000
fast 14 20 lan put 192.0.2.1 9000
restart_daemon berth-bridge
same "$(rates)" "$before"
same "$(api Berth.Check '{}' berth-bridge | jq -c .Problems)" '[]'
fast 14 20 lan get 192.0.2.1 9000
fast 14 20 web put 192.0.2.2 9000

# Somebody's hands: told, and mended.
web=$(at web ip -j link show dev eth0 | jq '.[0].link_index')
key=$(printf 'hex %02x %02x 00 00' $((web & 255)) $((web >> 8)))
# shellcheck disable=SC2086 # words
bpftool map delete pinned /sys/fs/bpf/berth/v1/berth-bridge/guard_rate key $key
mended() { [ "$(rates)" = "$before" ]; }
wait_until 10 mended

# They go with their containers.
docker rm -f web up >/dev/null
none() { [ "$(rates)" = '[]' ]; }
wait_until 10 none
docker rm -f free >/dev/null
docker network rm n1 n2 >/dev/null
