#!/bin/bash
# What does an overlay cost, from container to container?  Against a bridge and a VXLAN
# link made by hand on each host; and from Join on one host to the first ping from another.
# alone
# time: 1800
. "${0%/*}/../integration/lib/lib.sh"
# shellcheck source=integration/lib/hosts
. "$IT/lib/hosts"
[ -n "${QUICK-}" ] || ROUNDS=${ROUNDS:-10}
. "$ROOT/bench/lib/world.sh"
need tcpbench overlay-join etcd conntrack curl jq

ENDPOINTS=${ENDPOINTS:-$([ -n "${QUICK-}" ] && echo 9 || echo 100)} # there meanwhile
JOINS=${JOINS:-$([ -n "${QUICK-}" ] && echo 5 || echo 100)}         # measured
RATIO=0.93 FIRST_US=50000                                          # limits
NET=$(echo overlay | sha256sum | cut -c1-64)

# --- by hand: two hosts -----------------------------------------------------

by_hand() { # HOST OTHER N - container hand.HOST has 10.92.0.N
	new_ns "hand.$1"
	ip -n "$1" link add br0 mtu 1450 type bridge
	ip -n "$1" link add vx0 mtu 1450 type vxlan id 99 dstport 4789 \
		local "$(host_address "$1")" remote "$(host_address "$2")"
	ip -n "$1" link add ct mtu 1450 type veth peer name eth0 mtu 1450 netns "hand.$1"
	ip -n "$1" link set vx0 master br0 up
	ip -n "$1" link set ct master br0 up
	ip -n "$1" addr add 10.92.0.1/16 dev br0
	ip -n "$1" link set br0 up
	ip -n "hand.$1" addr add "10.92.0.$3/16" dev eth0
	ip -n "hand.$1" link set eth0 up
}

# --- ours: three, and an etcd -----------------------------------------------

ask() { # HOST METHOD JSON - its berth-overlay
	local got
	got=$(host_api "$1" "NetworkDriver.$2" "$3" berth-overlay)
	[ "$(jq -r '.Err // ""' <<<"$got")" = "" ] || fail "$2 on $1: $got"
	echo "$got"
}

plugin() { # HOST - its daemon's socket, seen from here
	echo "/proc/${HOST_PID[$1]}/root/run/docker/plugins/berth-overlay.sock"
}

joiner() { # VERB HOST FIRST COUNT [NAMESPACE...]
	"$TOOLS/overlay-join" "$1" "$(plugin "$2")" "$NET" 10.91 "${@:3}"
}

container() { # HOST N - container berth.HOST has 10.91.0.N
	local who got mac link
	who="\"NetworkID\":\"$NET\",\"EndpointID\":\"$(echo "$1" | sha256sum | cut -c1-64)\""
	got=$(ask "$1" CreateEndpoint "{$who,\"Options\":{},
		\"Interface\":{\"Address\":\"10.91.0.$2/16\"}}")
	mac=$(jq -r .Interface.MacAddress <<<"$got")
	got=$(ask "$1" Join "{$who,\"Options\":{},\"SandboxKey\":\"/run/netns/berth.$1\"}")
	link=$(jq -r .InterfaceName.SrcName <<<"$got")
	new_ns "berth.$1"
	ip -n "$1" link set "$link" netns "berth.$1"
	ip -n "berth.$1" link set "$link" name eth0
	ip -n "berth.$1" link set eth0 address "$mac"
	ip -n "berth.$1" addr add "10.91.0.$2/16" dev eth0
	ip -n "berth.$1" link set eth0 up
}

# path NAME PORT SERVER-ADDRESS HOST HOST - the second one's container serves.
path() {
	AT[$1]=$3 AT_PORT[$1]=$2 FROM[$1]=$1.$4
	ns "$1.$4" sysctl -qw net.ipv4.tcp_syn_retries=1
	world_serve "$1" "$2" "$1.$5"
	world_works "$1"
}

for h in a b c ha hb; do
	host_new $h
done
host_enter a
in_background etcd.log "${ENTER[@]}" etcd --data-dir /run/etcd --logger zap \
	--listen-client-urls "http://$(host_address a):2379" \
	--advertise-client-urls "http://$(host_address a):2379" \
	--listen-peer-urls http://127.0.0.1:2380
wait_until 20 host_exec a curl -sf "http://$(host_address a):2379/health"
for h in a b c; do
	host_daemon $h berth-overlay --underlay eth0 --node $h \
		--store "etcd://$(host_address a):2379"
	ask $h CreateNetwork '{"NetworkID":"'"$NET"'","Options":{},"IPv6Data":[],
		"IPv4Data":[{"Pool":"10.91.0.0/16","Gateway":"10.91.0.1/16"}]}' >/dev/null
done
container a 2
container b 3
by_hand ha hb 2
by_hand hb ha 3
same "$(ns berth.a ip -j link show eth0 | jq '.[0].mtu')" 1450 "MTU of ours"

# --- packets ----------------------------------------------------------------

TITLE[hand]="bridge, veth and VXLAN by hand" TITLE[berth]="berth-overlay, in a cluster"
wait_until 10 ns berth.a ping -qc1 -W1 10.91.0.3
path hand 7201 10.92.0.3 ha hb
path berth 7202 10.91.0.3 a b
TRACKED[berth]="a b"
rc=0
for what in "connect connections/s" "echo round trips/s" "stream Gbit/s"; do
	measure "${what%% *}" "${what#* }" hand berth
	[ -z "${QUICK-}" ] || continue
	read -r _ _ got _ < <(ratios "$DIR/pairs")
	if [ "${what%% *}" = connect ]; then
		note "connections have no limit: $got"
	elif ! awk -v a="$got" -v b="$RATIO" 'BEGIN { exit !(a >= b) }'; then
		echo "FAIL: ${what%% *}: $got of the one by hand, at least $RATIO" >&2
		rc=1
	fi
done

# --- the first ping ---------------------------------------------------------

# Else the kernel asks once a second for a neighbour that did not answer at once.
ns berth.a sysctl -qw net.ipv4.neigh.eth0.retrans_time_ms=4 net.ipv4.neigh.eth0.mcast_solicit=100
new_ns joined
daemon_kib() {
	awk '/^VmRSS/ { print $2 }' "/proc/${HOST_DAEMON[a/berth-overlay]}/status"
}
alone=$(daemon_kib)
each=$(((ENDPOINTS + 2) / 3))
i=0
for h in a b c; do
	joiner keep $h $((1000 + i++ * each)) $each
done
many() { # the kernel's entries for those of b and c
	[ "$(ns a bridge fdb show | grep -c 'dst.* self permanent')" -ge $((2 * each)) ]
}
wait_until 30 many
crowd=$(daemon_kib)
got=$(joiner ping b 20000 "$JOINS" /run/netns/b /run/netns/joined /run/netns/berth.a)
note "$got"
{
	echo "| three hosts, $((3 * each)) endpoints there; $JOINS more, one at a time | p50 ms | p99 ms | most |"
	echo "|---|---|---|---|"
	for what in "create:CreateEndpoint" "join:Join" \
		"link:the link's way into the container (the kernel's, and dockerd's)" \
		"first:from Join to the first ping from another host" \
		"whole:from CreateEndpoint to it"; do
		k=${what%%:*}
		awk -v name="${what#*:}" -v a="$(value "${k}_p50" "$got")" \
			-v b="$(value "${k}_p99" "$got")" -v c="$(value "${k}_max" "$got")" 'BEGIN {
			printf "| %s | %.1f | %.1f | %.1f |\n", name, a / 1000, b / 1000, c / 1000 }'
	done
	echo
	echo "Memory of the daemon: $alone KiB, with those endpoints $crowd KiB."
} | table
tell_end
i=0
for h in a b c; do
	joiner drop $h $((1000 + i++ * each)) $each
done
for h in a b; do
	for m in Leave DeleteEndpoint; do
		ask $h $m '{"NetworkID":"'"$NET"'","EndpointID":"'"$(echo $h | sha256sum |
			cut -c1-64)"'"}' >/dev/null
	done
done
for h in a b c; do
	ask $h DeleteNetwork '{"NetworkID":"'"$NET"'"}' >/dev/null
done
[ -n "${QUICK-}" ] || at_most "$(value first_p99 "$got")" $FIRST_US \
	"us from Join to the first ping, p99"
exit $rc
