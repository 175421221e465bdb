#!/bin/bash
# In a cluster frames from container to container go past the bridge, to a neighbour and to
# another host, and nothing else does; not with berth.shortcut=off, not into a port that is
# down; without the daemon as well, and after its restart; a container that moves is followed.
# time: 240
. "${0%/*}/../lib/lib.sh"
# shellcheck source=integration/lib/hosts
. "$IT/lib/hosts"
# shellcheck source=integration/lib/overlay
. "$IT/lib/overlay"
need curl jq ping nft etcd etcdctl bpftool python3

host_new a
host_new b
hosts_etcd a
for h in a b; do
	host_daemon $h berth-overlay --underlay eth0 --store "$STORE" --node $h
done
ov_network net 9 '' a b
ov_network slow 8 '"berth.shortcut":"off"' a b
for n in net:9 slow:8; do
	ov_container ${n%:*} ${n#*:} a 2
	ov_container ${n%:*} ${n#*:} a 3
	ov_container ${n%:*} ${n#*:} b 4
done

# What bridge netfilter's hooks see: of others, so that ours stay as they are.
for h in a b; do
	ns $h nft -f - <<-END
		table bridge seen {
			chain forward {
				type filter hook forward priority 0
				ip saddr 10.9.0.0/24 ip daddr 10.9.0.0/24 ip protocol icmp counter comment "net4"
				ip6 saddr fd00:9::/64 ip6 daddr fd00:9::/64 meta l4proto udp counter comment "net6"
				ip saddr 10.8.0.0/24 ip daddr 10.8.0.0/24 ip protocol icmp counter comment "slow4"
				meta l4proto ipv6-icmp ip6 daddr fd00:9::/64 counter comment "icmp6"
				ether type arp counter comment "arp"
				ip daddr 239.1.2.3 counter comment "group"
			}
		}
	END
done
seen() { # HOST COMMENT
	ns "$1" nft -j list table bridge seen | jq --arg c "$2" \
		'[.nftables[].rule? | select(.comment == $c) | .expr[].counter?.packets // empty] | add'
}
map() { # HOST - entries of the short way
	host_exec "$1" bpftool -j map dump pinned /sys/fs/bpf/berth/v1/berth-overlay/guard_way |
		jq length
}
problems() { # HOST
	host_api "$1" Berth.Check '{}' berth-overlay | jq -r '.Problems[]'
}
reach() { # SECONDS - all of net
	local from to
	for from in 2 3 4; do
		for to in 2 3 4; do
			[ $from = $to ] || wait_until "$1" ns net$from ping -qc1 -W1 10.9.0.$to
		done
	done
}
say6() { # FROM TO TEXT - by UDP
	ns "net$1" python3 -c 'import socket, sys
s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
s.sendto(b"FORGED:" + sys.argv[2].encode() + b";", (sys.argv[1], 9))' "fd00:9::$2" "$3"
}
reach 10
for n in 3 4; do
	in_background net$n.heard nsenter --net=/run/netns/net$n -- "$IT/lib/forge" listen eth0
	wait_until 5 grep -q ready "$DIR/net$n.heard"
	wait_until 5 ns net2 ping -qc1 -W1 fd00:9::$n
done
whole() { # HOST
	[ "$(map "$1")" = 3 ]
}
wait_until 5 whole a
wait_until 5 whole b
reach 1

note "IP goes past the bridge, to a neighbour and to another host, in both directions"
short() {
	local h
	for h in a b; do
		: "$(seen $h net4) $(seen $h net6)"
		same "$(($(seen $h net4) - ${AT[$h net4]})) $(($(seen $h net6) - ${AT[$h net6]}))" "0 0" \
			"frames that the bridge of $h saw"
	done
}
declare -A AT=()
mark() {
	local h what
	for h in a b; do
		for what in net4 net6 slow4 icmp6 arp group; do
			AT[$h $what]=$(seen $h $what)
		done
	done
}
mark
reach 1
for n in 3 4; do
	say6 2 $n first
	wait_until 5 grep -qx first "$DIR/net$n.heard"
	same "$(ns net2 ping -qc3 -i0.1 -W1 -M "do" -s 1422 10.9.0.$n | grep -c ' 0% packet loss')" 1 \
		"large packets to $n"
done
short
note "and nothing else: ARP, IPv6's neighbours and echoes, groups"
ns net2 ip neigh flush dev eth0
ns net2 ping -qc1 -W1 10.9.0.3 >/dev/null || fail "asked for anew"
ns net2 ping -qc1 -W1 fd00:9::3 >/dev/null || fail "asked for anew by IPv6"
ns net2 ping -qc2 -i0.1 -W1 -I eth0 239.1.2.3 >/dev/null || :
for what in arp icmp6 group; do
	[ "$(seen a $what)" -gt "${AT[a $what]}" ] || fail "$what went past the bridge"
done
short
note "nor what is too large for the other's port: it is dropped, as by the bridge"
ns a ip link set "${OV_PORT[net3]}" mtu 1000
fails ns net2 ping -qc1 -W1 -s 1200 10.9.0.3
[ "$(seen a net4)" -gt "${AT[a net4]}" ] || fail "a large frame went past the bridge"
ns a ip link set "${OV_PORT[net3]}" mtu 1450
ns net2 ping -qc1 -W1 -s 1200 10.9.0.3 >/dev/null || fail "large enough again"

note "off is off"
wait_until 10 ns slow2 ping -qc1 -W1 10.8.0.3
wait_until 10 ns slow2 ping -qc1 -W1 10.8.0.4
for h in a b; do
	[ "$(seen $h slow4)" -gt 0 ] || fail "with berth.shortcut=off: past the bridge of $h"
	same "$(map $h)" 3 "entries on $h"
	same "$(ns $h tc filter show dev "bx-$(ov_id slow | cut -c1-12)" ingress)" "" "programs on $h"
done

note "a port that is down gets nothing, one that is up does"
ns a ip link set "${OV_PORT[net3]}" down
gone() {
	[ "$(map a)" = 2 ]
}
wait_until 5 gone
fails ns net2 ping -qc1 -W1 10.9.0.3
ns a ip link set "${OV_PORT[net3]}" up
wait_until 5 whole a
reach 5

note "the daemon killed, and back"
same "$(problems a)" "" "what doctor says"
host_stop a berth-overlay KILL
mark
reach 1
short
in_background ping.log ns net2 ping -i 0.02 -c 100 -W 1 10.9.0.4
host_daemon a berth-overlay --underlay eth0 --store "$STORE" --node a
wait "$PID" || fail "at the daemon's start: $(cat "$DIR/ping.log")"
contains "$(cat "$DIR/ping.log")" " 0% packet loss"
same "$(seen a net4)" "${AT[a net4]}" "frames that the bridge of a saw meanwhile"
wait_until 10 whole a
same "$(problems a)" "" "what doctor says then"

note "what somebody takes away is told, and put back"
entry=$(host_exec a bpftool -j map dump pinned /sys/fs/bpf/berth/v1/berth-overlay/guard_way |
	jq -r '.[0].key | join(" ")')
# shellcheck disable=SC2086 # bytes
host_exec a bpftool map delete pinned /sys/fs/bpf/berth/v1/berth-overlay/guard_way key $entry
contains "$(problems a)" "the map of the short way"
reach 1
ns a tc filter del dev "bx-$(ov_id net | cut -c1-12)" ingress
wire() {
	ns a tc filter show dev "bx-$(ov_id net | cut -c1-12)" ingress | grep -q guard_wire
}
wait_until 5 wire

note "a container moves to the other host, with MAC and address"
ov_leave b net net4
ns net4 ip link set lo up # whatever is left of it
ip netns del net4
ov_container net 9 a 4
wait_until 10 whole a
wait_until 10 whole b
wait_until 10 ns net2 ping -qc1 -W1 10.9.0.4
mark
ns net2 ping -qc2 -i0.1 -W1 10.9.0.4 >/dev/null || fail "it is not reached where it is now"
short

for n in net:a:2 net:a:3 net:a:4 slow:a:2 slow:a:3 slow:b:4; do
	IFS=: read -r x h i <<<"$n"
	ov_leave "$h" "$x" "$x$i"
done
empty() {
	[ "$(map b)" = 0 ]
}
wait_until 5 empty
for h in a b; do
	for x in net slow; do
		ov_drop $h $x
	done
	fails host_exec $h ls /sys/fs/bpf/berth/v1/berth-overlay/guard_way
done
