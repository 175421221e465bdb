#!/bin/bash
# "nft flush ruleset" opens nothing: while containers and a LAN host flood what is
# forbidden, the firewall is flushed 20 times, and no victim sees a packet; nor with
# the daemon stopped.  Once the guard at tc is taken away as well, each one does.
. "${0%/*}/../lib/lib.sh"
. "$IT/lib/iso.sh"
need tc

berth_host
net() { # NAME N [FLAG...]
	local name=$1 n=$2
	shift 2
	docker network create -d berth-bridge --ipv6 --subnet "10.$n.0.0/24" \
		--subnet "fd00:$n::/64" "$@" "$name" >/dev/null
}
net a 65
net b 66
net quiet 67 -o com.docker.network.bridge.enable_icc=false
net inner 68 --internal
declare -A NET=([mallory]=a [victim]=a [far]=b [q1]=quiet [q2]=quiet
	[i1]=inner [i2]=inner)
for c in "${!NET[@]}"; do
	flags=()
	[ "$c" != victim ] || flags=(-p 8080:80)
	container "$c" "${NET[$c]}" "${flags[@]}"
done
listening
ns lan ip route add 10.0.0.0/8 via 192.0.2.1
ns lan ip route add fd00::/16 via 2001:db8:2::1
iptables -P FORWARD ACCEPT
ip6tables -P FORWARD ACCEPT
up=$(cat /sys/class/net/up1/address)
bridge_mac() { cat "/sys/class/net/$(bridge_of "$1")/address"; }

# Who hears it, where it comes from, and the frame.
declare -A attack=(
	[lan-direct]="victim lan src=192.0.2.2 dst=$(ip_of victim a) dmac=$up"
	[lan-direct6]="victim lan src=2001:db8:2::2 dst=$(ip6_of victim a) dmac=$up"
	[lan-internal]="i2 lan src=192.0.2.2 dst=$(ip_of i2 inner) dmac=$up"
	[other-network]="far mallory src=$(ip_of mallory a) dst=$(ip_of far b)
		dmac=$(bridge_mac a)"
	[other-network6]="far mallory src=$(ip6_of mallory a) dst=$(ip6_of far b)
		dmac=$(bridge_mac a)"
	[into-internal]="i2 mallory src=$(ip_of mallory a) dst=$(ip_of i2 inner)
		dmac=$(bridge_mac a)"
	[forged-address]="victim mallory src=10.65.0.99 dst=$(ip_of victim a)
		dmac=$(mac_of victim)"
	[forged-mac]="victim mallory smac=02:66:66:66:66:66 src=$(ip_of mallory a)
		dst=$(ip_of victim a) dmac=$(mac_of victim)"
	[forged-out]="lan mallory src=10.65.0.99 dst=192.0.2.2 dmac=$(bridge_mac a)"
	[icc]="q2 q1 src=$(ip_of q1 quiet) dst=$(ip_of q2 quiet)
		dmac=$(mac_of q2)"
	[icc-routed]="q2 q1 src=$(ip_of q1 quiet) dst=$(ip_of q2 quiet)
		dmac=$(bridge_mac quiet)"
	[internal-out]="lan i1 src=$(ip_of i1 inner) dst=192.0.2.2
		dmac=$(bridge_mac inner)"
	[internal-out6]="lan i1 src=$(ip6_of i1 inner) dst=2001:db8:2::2
		dmac=$(bridge_mac inner)"
)
netns_of() {
	if [ "$1" = lan ]; then echo /run/netns/lan; else
		echo "/proc/${BOX[$1]}/ns/net"
	fi
}
victims=(victim far q2 i2 lan)
for v in "${victims[@]}"; do
	in_background "heard-$v" nsenter "--net=$(netns_of "$v")" -- \
		"$IT/lib/forge" listen eth0
	wait_until 5 grep -q ready "$DIR/heard-$v"
done
hears() { # VICTIM TEXT
	grep -qx "$2" "$DIR/heard-$1"
}
# That they listen: from the host itself.
for v in "${victims[@]}"; do
	if [ "$v" = lan ]; then
		"$IT/lib/forge" send up1 udp src=192.0.2.1 dst=192.0.2.2 \
			"dmac=$(mac_of lan)" dport=9 text=host
	else
		"$IT/lib/forge" send "$(bridge_of "${NET[$v]}")" udp \
			src=192.0.2.1 "dst=$(ip_of "$v" "${NET[$v]}")" \
			"dmac=$(mac_of "$v")" dport=9 text=host
	fi
	wait_until 5 hears "$v" host
done

# flood NAME COUNT
flood() {
	local count=$2
	# shellcheck disable=SC2086 # words
	set -- "$1" ${attack[$1]}
	exec nice -n 5 nsenter "--net=$(netns_of "$3")" -- "$IT/lib/forge" \
		send eth0 udp "${@:4}" dport=9 "text=$1" "count=$count"
}
floods=()
for name in "${!attack[@]}"; do
	in_background "flood-$name.log" flood "$name" 1000000000
	floods+=("$PID")
done

whole() {
	nft list table inet berth-bridge && nft list table bridge berth-bridge
} &>/dev/null
# What arrived of what must not: nothing but "ready" and "host".
arrived() {
	awk '$0 != "ready" && $0 != "host" { print FILENAME ": " $0 }' "$DIR"/heard-*
}
leaked() {
	[ -n "$(arrived)" ]
}
wait_until 5 whole
same "$(arrived)" "" "forbidden packets before any flush"
longest=0
for i in $(seq 20); do
	sysctl -qw "net.bridge.bridge-nf-call-iptables=$((i % 2))" \
		"net.bridge.bridge-nf-call-ip6tables=$((i % 2))"
	start=$(now_ms)
	nft flush ruleset
	wait_until 10 whole
	took=$(($(now_ms) - start))
	[ $took -le $longest ] || longest=$took
	same "$(arrived)" "" "forbidden packets by flush $i"
done
note "20 flushes, the rules were away for $longest ms at most"
differ "$(count inet 'no stamp')" 0 "routed packets that the guard dropped"
note "dropped by the guard: $(guard_counts inet | tr -d '\n') $(guard_counts \
	bridge | tr -d '\n')"
works() {
	[ "$(at lan "$IT/lib/probe" ask -t 1 tcp/192.0.2.1/8080 | cut -d' ' -f2)" = victim ]
}
wait_until 10 works
# What the rules judged keeps its stamp through fragments, made by the host or by
# bridge netfilter.
for value in 0 1; do
	sysctl -qw "net.bridge.bridge-nf-call-iptables=$value" \
		"net.bridge.bridge-nf-call-ip6tables=$value"
	for to in 192.0.2.2 2001:db8:2::2 "$(ip_of victim a)" "$(ip6_of victim a)"; do
		wait_until 10 at mallory ping -c 1 -W 2 -s 4000 "$to"
	done
done

# The daemon can't mend anything now: still nothing.
stopped() {
	! grep -h ^State "/proc/${DAEMON_PID[berth-bridge]}/task/"*/status | grep -v T
}
kill -STOP "${DAEMON_PID[berth-bridge]}"
wait_until 5 stopped
nft flush ruleset
never_within 2 leaked

for p in "${floods[@]}"; do end "$p"; done

# And the attacks are real.
for c in "${!NET[@]}"; do
	tc qdisc del dev "$(port_of "$c")" clsact
done
for name in "${!attack[@]}"; do
	(flood "$name" 10)
	wait_until 10 hears "${attack[$name]%% *}" "$name"
done

# That somebody took the guard away is told, and it is back.
ports=()
for c in "${!NET[@]}"; do ports+=("$(port_of "$c")"); done
guarded() {
	local p
	for p in "${ports[@]}"; do
		tc filter show dev "$p" ingress |
			grep -qE 'guard_ingress|publish_end' || return 1
		tc filter show dev "$p" egress | grep -q guard_egress || return 1
	done
}
fails guarded
start=$(now_ms)
kill -CONT "${DAEMON_PID[berth-bridge]}"
wait_until 5 guarded
at_most $(($(now_ms) - start)) 2000 "until the guard is back, ms"
contains "$(cat "$DIR/berth-bridge.log")" "somebody took the guard away" \
	"the daemon's log"
wait_until 10 whole
wait_until 5 works
