#!/bin/bash
# With etcd no key is typed: hosts find each other's there, containers reach each other
# encrypted, a host whose daemon is killed and comes back stays known to the others, and no
# private key is told to etcd.
# vm
# time: 240
# soak
. "${0%/*}/../lib/lib.sh"
# shellcheck source=integration/lib/hosts
. "$IT/lib/hosts"
need curl jq ping nft wg etcd etcdctl

D=NetworkDriver
NET=$(echo net | sha256sum | cut -c1-64)
ok() { # HOST METHOD JSON - it must succeed
	same "$(host_api "$1" "$2" "$3" berth-overlay | jq -r '.Err // .Error')" \
		null "$2 on $1"
}

endpoint() { # HOST
	echo "\"NetworkID\":\"$NET\",\"EndpointID\":\"$(echo "$1" | sha256sum | cut -c1-64)\""
}

container() { # HOST N - namespace c<HOST>
	local e mac=02:42:00:00:00:0$2
	e=$(endpoint "$1")
	ok "$1" $D.CreateEndpoint "{$e,\"Options\":{},\"Interface\":{
		\"Address\":\"10.9.0.1$2/24\",\"MacAddress\":\"$mac\"}}"
	new_ns "c$1"
	ns "$1" ip link set "$(host_api "$1" $D.Join "{$e,\"SandboxKey\":\"/run/netns/c$1\",
		\"Options\":{}}" berth-overlay | jq -r .InterfaceName.SrcName)" \
		netns "c$1" name eth0
	ns "c$1" ip link set eth0 address "$mac" up
	ns "c$1" ip addr add "10.9.0.1$2/24" dev eth0
}

for h in a b; do
	host_new $h
done
ns wire nft -f - <<END
table bridge w {
	counter clear { }
	chain c { type filter hook prerouting priority 0; udp dport 4789 counter name clear; }
}
END
hosts_etcd a
n=0
for h in a b; do
	n=$((n + 1))
	host_daemon $h berth-overlay --underlay eth0 --store "$STORE" --node $h
	ok $h $D.CreateNetwork "{\"NetworkID\":\"$NET\",\"Options\":{
		\"com.docker.network.generic\":{\"berth.encrypt\":\"on\"}},
		\"IPv4Data\":[{\"AddressSpace\":\"x\",\"Pool\":\"10.9.0.0/24\",
		\"Gateway\":\"10.9.0.1/24\"}],\"IPv6Data\":[]}"
	container $h $n
done
wait_until 10 ns ca ping -qc1 -W2 10.9.0.12
same "$(ns a wg show berth-wg peers)" "$(ns b wg show berth-wg public-key)" "a's one peer"

note "a daemon dies and comes back: its host keeps its key in etcd all the time"
in_background monitor nsenter --net=/run/netns/a -- ip monitor neigh dev \
	"$(ns a ip -j link show type vxlan | jq -r '.[0].ifname')"
monitor=$PID
host_stop b berth-overlay KILL
host_daemon b berth-overlay --underlay eth0 --store "$STORE" --node b
wait_until 10 ns cb ping -qc5 -W2 10.9.0.11
wait_until 10 ns ca ping -qc1 -W2 10.9.0.12
end "$monitor"
lacks "$(cat "$DIR/monitor")" "Deleted" "what a did to its tables meanwhile"
same "$(ns wire nft -j list counter bridge w clear | jq '.nftables[1].counter.packets')" 0 \
	"VXLAN packets on the wire"
for h in a b; do
	lacks "$(etcdctl get --prefix '')" "$(cat "$DIR/hosts/$h/berth/berth-overlay/wg.key")" \
		"what etcd was told"
done
contains "$(etcdctl get --prefix '')" "$(ns b wg show berth-wg public-key)" "what etcd was told"
for h in a b; do
	ok $h $D.Leave "{$(endpoint $h)}"
	ok $h $D.DeleteEndpoint "{$(endpoint $h)}"
	ok $h $D.DeleteNetwork "{\"NetworkID\":\"$NET\"}"
	fails ns $h ip link show berth-wg
done
