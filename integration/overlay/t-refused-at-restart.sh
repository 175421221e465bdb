#!/bin/bash
# A network that the cluster refuses at a daemon's restart is cut off and told, and the other
# one is not kept by it; when the cluster takes it again all is as before.
# time: 240
. "${0%/*}/../lib/lib.sh"
# shellcheck source=integration/lib/hosts
. "$IT/lib/hosts"
need curl jq etcd etcdctl

for h in a b; do
	host_new $h
done
ETCDCTL_IN=b
hosts_etcd b
net() { # NUMBER - its id, the same on both hosts
	printf "$1%.0s" {1..64}
}
ask() { # HOST METHOD NUMBER MORE
	host_api "$1" "NetworkDriver.$2" '{"NetworkID":"'"$(net "$3")"'",'"$4"'}' \
		berth-overlay >"$DIR/answer"
	lacks "$(cat "$DIR/answer")" Err "$2 of network $3 on $1"
}
endpoint() { # HOST NUMBER LAST
	ask "$1" CreateEndpoint "$2" '"EndpointID":"'"$2$3"'","Options":{},
		"Interface":{"Address":"10.9.'"$2.$3"'/24"}'
}
knows() { # HOST ADDRESS
	ns "$1" ip neigh show nud permanent | grep -q "$2 "
}
is_up() { # NUMBER - its VXLAN link on a
	ns a ip -j link show "bx-$(net "$1" | cut -c1-12)" | jq -e '.[0].flags | index("UP")' \
		>/dev/null
}
is_down() { ! is_up "$1"; }
overlay() { host_daemon "$1" berth-overlay --underlay eth0 --store "$STORE" --node "$1"; }
for h in a b; do
	overlay $h
	for n in 1 2; do
		ask $h CreateNetwork $n '"Options":{},"IPv6Data":[],
			"IPv4Data":[{"Pool":"10.9.'$n'.0/24","Gateway":"10.9.'$n'.1/24"}]'
	done
done
for n in 1 2; do
	endpoint a $n 11
	endpoint b $n 12
	wait_until 10 knows a 10.9.$n.12
	is_up $n || fail "network $n is down"
done

# While a's daemon is away the network gets another VNI than its link has.
host_stop a berth-overlay
KEY=/berth/berth/net/p.10.9.1.0-24
record=$(etcdctl get --print-value-only $KEY)
vni=$(jq .vni <<<"$record")
etcdctl put $KEY "$(jq -c '.vni += 1' <<<"$record")" >/dev/null
overlay a
wait_until 20 is_down 1
check() { host_api a Berth.Check '{}' berth-overlay; }
contains "$(check; host_api a Berth.Info '{}' berth-overlay)" "VNI $((vni + 1))" "why it is cut off"

# The other one goes on: it is there, and follows.
is_up 2 || fail "the other network is down"
endpoint b 2 13
wait_until 10 knows a 10.9.2.13

etcdctl put $KEY "$record" >/dev/null
wait_until 90 is_up 1
endpoint b 1 13
wait_until 20 knows a 10.9.1.13
lacks "$(check)" "VNI $((vni + 1))" "what is told afterwards"

for n in 1 2; do
	ask a DeleteEndpoint $n '"EndpointID":"'$n'11"'
	for e in 12 13; do
		ask b DeleteEndpoint $n '"EndpointID":"'$n$e'"'
	done
	for h in a b; do
		ask $h DeleteNetwork $n '"Options":{}'
	done
done
same "$(etcdctl get --prefix --keys-only /berth/berth/ | grep . | grep -v /host)" "" "what is left"
