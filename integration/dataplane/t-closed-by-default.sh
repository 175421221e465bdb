#!/bin/bash
# What is not published is reachable from nowhere outside its network: from the
# LAN, another network, an internal one; by TCP, UDP, ICMP and forged packets;
# and each attempt is dropped by the rule made for it.
. "${0%/*}/../lib/lib.sh"
. "$IT/lib/iso.sh"

berth_host
net() { # NAME N [FLAG...]
	local name=$1 n=$2
	shift 2
	docker network create -d berth-bridge --ipv6 --subnet "10.$n.0.0/24" \
		--subnet "fd00:$n::/64" "$@" "$name" >/dev/null
}
net a 61
net b 62
net shut 63 --internal
net quiet 64 -o com.docker.network.bridge.enable_icc=false
idle() { # NAME NETWORK [FLAG...]
	local name=$1 net=$2
	shift 2
	docker run -d --name "$name" --network "$net" --stop-signal KILL "$@" \
		bb:1 sleep 999 >/dev/null
}
idle a1 a -p 8080:80 -p 127.0.0.1:8081:81 -p 5353:53/udp
idle a2 a
idle b1 b
idle s1 shut -p 8090:90
idle s2 shut
idle q1 quiet -p 8070:70
idle q2 quiet
declare -A P IP4 IP6
for c in a1:a a2:a b1:b s1:shut s2:shut q1:quiet q2:quiet; do
	P[${c%:*}]=$(pid_of "${c%:*}")
	IP4[${c%:*}]=$(ip_of "${c%:*}" "${c#*:}")
	IP6[${c%:*}]=$(ip6_of "${c%:*}" "${c#*:}")
done
at() { # CONTAINER|lan|host COMMAND...
	local who=$1
	shift
	case $who in
	host) "$@" ;;
	lan) ns lan "$@" ;;
	*) inns "${P[$who]}" "$@" ;;
	esac
}
# Servers everywhere, on the container's ports and on the host.
for c in a1 a2 b1 s1 s2 q1 q2; do
	for p in 70 80 81 90; do
		in_background "$c.$p" nsenter "--net=/proc/${P[$c]}/ns/net" "$IT/lib/server" tcp $p who
	done
	in_background "$c.53" nsenter "--net=/proc/${P[$c]}/ns/net" "$IT/lib/server" udp 53 who
done
in_background host.7000 "$IT/lib/server" tcp 7000 who
in_background lan.80 nsenter --net=/run/netns/lan "$IT/lib/server" tcp 80 who

drops() {
	count inet "$1"
}
ask() { # FROM tcp|udp|icmp ADDRESS [PORT]
	local host=$3
	case $host in *:*) host="[$host]" ;; esac
	case $2 in
	tcp) at "$1" timeout 3 socat -T1 - "TCP:$host:$4,connect-timeout=1" </dev/null ;;
	udp) echo x | at "$1" timeout 3 socat -T1 - "UDP:$host:$4" ;;
	icmp) at "$1" ping -c1 -W1 "$3" | grep ttl= ;;
	esac 2>/dev/null
}
answers() {
	[ -n "$(ask "$@")" ]
}
yes() {
	wait_until 5 answers "$@"
}
# no RULE FROM PROTO ADDRESS [PORT] - no answer, and that rule's counter moved
no() {
	local rule=$1 before
	shift
	before=$(drops "$rule")
	if answers "$@"; then fail "answered: $*"; fi
	[ "$(drops "$rule")" -gt "$before" ] || fail "$*: '$rule' did not move"
}
refused() {
	if answers "$@"; then fail "answered: $*"; fi
}
H4=192.0.2.1 H6=2001:db8:2::1
ns lan ip route add 10.0.0.0/8 via $H4
ns lan ip route add fd00::/16 via $H6
sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.up1.rp_filter=0

# What must work does: or silence would prove nothing.
yes lan tcp $H4 8080
yes lan tcp $H6 8080
yes lan udp $H4 5353
yes b1 tcp $H4 8080
yes b1 tcp $H6 8080
yes host tcp "${IP4[a1]}" 81
yes a2 tcp "${IP4[a1]}" 81
yes a2 tcp "${IP6[a1]}" 81
yes s2 tcp "${IP4[s1]}" 90
yes a1 tcp 192.0.2.2 80
yes a1 tcp 10.61.0.1 7000
yes lan tcp $H4 8070

# From the LAN, straight to the container: published or not.
for c in a1 b1; do
	for v in "${IP4[$c]}" "${IP6[$c]}"; do
		no 'not published' lan tcp "$v" 80
		no 'not published' lan tcp "$v" 81
		no 'not published' lan udp "$v" 53
		no 'not published' lan icmp "$v"
	done
done
# From another network.
for v in "${IP4[a1]}" "${IP6[a1]}"; do
	no 'not published' b1 tcp "$v" 80
	no 'not published' b1 udp "$v" 53
	no 'not published' b1 icmp "$v"
done
for g in 10.61.0.1 fd00:61::1; do
	no 'gateway of another network' b1 tcp "$g" 7000
	no 'gateway of another network' b1 tcp "$g" 8080
	no 'gateway of another network' b1 icmp "$g"
done
# Published for 127.0.0.1 alone.
refused lan tcp $H4 8081
refused host tcp $H4 8081
refused b1 tcp $H4 8081
refused a1 tcp $H4 8081
yes host tcp 127.0.0.1 8081
# Internal: nothing in, nothing out, no published port.
for v in "${IP4[s1]}" "${IP6[s1]}"; do
	no internal lan tcp "$v" 90
	no internal a1 tcp "$v" 90
	no internal lan icmp "$v"
done
refused lan tcp $H4 8090
refused host tcp $H4 8090
S=${P[s1]}
inns "$S" ip route add default via 10.63.0.1
inns "$S" ip -6 route add default via fd00:63::1
no internal s1 tcp 192.0.2.2 80
no internal s1 tcp 2001:db8:2::2 80
no internal s1 icmp 192.0.2.2
no internal s1 tcp "${IP4[a1]}" 80
no internal s1 tcp "${IP6[a1]}" 80
no internal s1 tcp $H4 8080
no internal s1 tcp $H4 7000
no internal s1 tcp $H6 7000
# ICC off: neither by the bridge nor back through the router.
refused q2 tcp "${IP4[q1]}" 70
refused q2 icmp "${IP4[q1]}"
inns "${P[q2]}" ip route add "${IP4[q1]}/32" via 10.64.0.1
no 'icc is off' q2 tcp "${IP4[q1]}" 70
no 'icc is off' q2 icmp "${IP4[q1]}"

# Forged: loopback on a wire, also with route_localnet; sources of containers.
GW=$(ip -j link show up1 | jq -r '.[0].address')
in_background heard nsenter "--net=/proc/${P[a1]}/ns/net" "$IT/lib/forge" listen eth0
wait_until 5 grep -q ready "$DIR/heard"
nth=0
lie() { # RULE KIND KEY=VALUE...
	local rule=$1 before
	shift
	nth=$((nth + 1)) before=$(drops "$rule")
	ns lan "$IT/lib/forge" send eth0 "$@" "dmac=$GW" "text=lie$nth"
	[ "$(drops "$rule")" -gt "$before" ] || fail "'$*': '$rule' did not move"
	! grep -qx "lie$nth" "$DIR/heard" || fail "'$*' was heard"
}
for localnet in 0 1; do
	sysctl -qw net.ipv4.conf.up1.route_localnet=$localnet
	lie 'loopback from a wire' tcp src=192.0.2.2 dst=127.0.0.1 dport=8081
	lie 'loopback from a wire' udp src=192.0.2.2 dst=127.0.0.53 dport=5353
	lie 'loopback from a wire' tcp src=127.0.0.1 dst=$H4 dport=8080
	lie 'loopback from a wire' icmp src=127.0.0.1 dst=127.0.0.1
done
sysctl -qw net.ipv4.conf.up1.route_localnet=0
# These the kernel drops before any rule; ours are for the day it does not.
for lie in 'tcp src=2001:db8:2::2 dst=::1 dport=8081' \
	"udp src=::1 dst=$H6 dport=5353" \
	"tcp src=::ffff:127.0.0.1 dst=$H6 dport=8080"; do
	nth=$((nth + 1))
	# shellcheck disable=SC2086 # words
	ns lan "$IT/lib/forge" send eth0 $lie "dmac=$GW" "text=lie$nth"
done
never_within 1 grep -q lie "$DIR/heard"
lie 'loopback from a wire' tcp src=2001:db8:2::2 dst=::ffff:127.0.0.1 dport=8081
for src in "${IP4[a2]}" "${IP4[b1]}"; do
	lie 'forged source' tcp "src=$src" "dst=${IP4[a1]}" dport=80
	lie 'forged source' udp "src=$src" dst=$H4 dport=5353
done
for src in "${IP6[a2]}" "${IP6[b1]}" fd00:61::1; do
	lie 'forged source' tcp "src=$src" "dst=${IP6[a1]}" dport=80
	lie 'forged source' udp "src=$src" dst=$H6 dport=5353
done
# Without the guard of its port a container still has one network's addresses.
net loose 65 -o berth.guard=false
idle l1 loose
P[l1]=$(pid_of l1)
G=$(inns "${P[l1]}" ip -j neigh show 10.65.0.1 | jq -r '.[0].lladdr // empty')
[ -n "$G" ] || { inns "${P[l1]}" ping -c1 -W2 10.65.0.1 >/dev/null
	G=$(inns "${P[l1]}" ip -j neigh show 10.65.0.1 | jq -r '.[0].lladdr'); }
before=$(drops 'forged source')
inns "${P[l1]}" "$IT/lib/forge" send eth0 udp src=192.0.2.2 dst=$H4 dport=5353 \
	"dmac=$G" text=loose
inns "${P[l1]}" "$IT/lib/forge" send eth0 udp "src=${IP4[a2]}" \
	"dst=${IP4[a1]}" dport=53 "dmac=$G" text=loose
same "$(drops 'forged source')" $((before + 2)) "drops of forged sources"
never_within 1 grep -qx loose "$DIR/heard"
