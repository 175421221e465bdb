#!/bin/bash
# Three hosts and an etcd of three members: the same subnet on each is one network; a new
# container is reached at once, without flooding; an address is given once; a member may die;
# what a dead host had goes with its lease.
# time: 240
. "${0%/*}/../lib/lib.sh"
# shellcheck source=integration/lib/hosts
. "$IT/lib/hosts"
need docker curl jq ping etcd etcdctl

for h in a b c; do
	host_new $h
done
hosts_etcd a b c
for h in a b c; do
	host_daemon $h berth-overlay --underlay eth0 --store "$STORE" --node $h
done
hosts_docker a b c

net() { # HOST
	host_docker "$1" network create -d berth-overlay --ipv6 --subnet 10.9.0.0/24 \
		--gateway 10.9.0.1 --subnet fd00:9::/64 --gateway fd00:9::1 ov >/dev/null
}
net a
net b
# Who says something else of those addresses is told.
fails_with '10.9.0.0/24' host_docker c network create -d berth-overlay \
	-o berth.name=other --subnet 10.9.0.0/25 clash
net c
vni=$(ns a ip -d -j link show type vxlan | jq '.[0].linkinfo.info_data.id')
for h in b c; do
	same "$(ns $h ip -d -j link show type vxlan | jq '.[0].linkinfo.info_data.id')" \
		"$vni" "VNI on $h"
done

in_c() { # HOST COMMAND...
	inns "$(host_pid_of "$1" "c$1")" "${@:2}"
}
run_c() { # HOST ADDRESS
	host_docker "$1" run -d --name "c$1" --network ov --ip "10.9.0.$2" --ip6 "fd00:9::$2" \
		--stop-signal KILL bb:1 sleep 999 >/dev/null
}
run_c a 11
run_c b 12
in_c a ping -qc1 -W2 10.9.0.12 >/dev/null || fail "a does not reach b"
# From Join on one host to the first answer on another: no more than docker run takes.
run_c c 13
start=$(now_ms)
in_c a ping -qc1 -W2 10.9.0.13 >/dev/null || fail "a does not reach what c just got"
at_most $(($(now_ms) - start)) 1000 "first ping after docker run, ms"
in_c b ping -qc1 -W2 fd00:9::13 >/dev/null || fail "b does not reach c by IPv6"

# Nothing is learnt or flooded: each is in the tables, and answered for on the spot.
contains "$(ns a bridge fdb show)" '02:42:0a:09:00:0c dev bx-' "entries on a"
contains "$(ns a bridge fdb show)" "dst $(host_address b) self permanent"
contains "$(ns a ip neigh show nud permanent)" '10.9.0.13 dev bo-'
contains "$(ns a bridge -d link show type vxlan)" 'learning off flood off'
in_background dump.log nsenter --net=/run/netns/wire -- tcpdump -lnvi br0 udp port 4789
wait_until 5 grep -q listening "$DIR/dump.log"
in_c a ip neigh flush dev eth0
in_c a ping -qc1 -W2 10.9.0.13 >/dev/null
fails in_c a ping -qc1 -W1 10.9.0.99
wait_until 3 grep -q '10.9.0.11 > 10.9.0.13' "$DIR/dump.log"
lacks "$(cat "$DIR/dump.log")" ARP "asked over the wire"

# An address is given once.
fails_with '10.9.0.12' host_docker c run --rm --network ov --ip 10.9.0.12 bb:1 true

# A member dies: nothing stops, and the next is told all the same.
end "${ETCD[b]}" KILL
in_c a ping -qc1 -W2 10.9.0.12 >/dev/null
host_docker b run -d --name late --network ov --ip 10.9.0.22 --stop-signal KILL bb:1 \
	sleep 999 >/dev/null
wait_until 5 in_c a ping -qc1 -W1 10.9.0.22

# A daemon dies and is back: tables as before, its lease is its own again.
tables() {
	ns b bridge fdb show | grep 'dst\|static' | sort
	ns b ip neigh show nud permanent | sort
}
before=$(tables)
host_stop b berth-overlay KILL
in_c a ping -qc1 -W2 10.9.0.22 >/dev/null || fail "dead daemon"
host_daemon b berth-overlay --underlay eth0 --store "$STORE" --node b
as_before() { [ "$(tables)" = "$before" ]; }
wait_until 10 as_before
in_c a ping -qc1 -W2 10.9.0.22 >/dev/null

# It is back before the cluster is: whom it had heard of stays, and nothing stops.
host_stop b berth-overlay KILL
kill -STOP "${ETCD[a]}" "${ETCD[c]}"
in_background ping.log nsenter -t "$(host_pid_of b cb)" -n -- ping -i0.2 -c50 10.9.0.11
pinger=$PID
host_daemon b berth-overlay --underlay eth0 --store "$STORE" --node b
wait_until 30 grep -q received "$DIR/ping.log"
wait "$pinger" || :
at_most $((50 - $(grep -o '[0-9]* received' "$DIR/ping.log" | cut -d' ' -f1))) 1 \
	"pings lost without etcd"
same "$(tables)" "$before" "tables without etcd"
kill -CONT "${ETCD[a]}" "${ETCD[c]}"
wait_until 30 etcdctl get /berth/
wait_until 20 as_before

# Somebody sets the bridge down, and takes the wire out of it: as before.
bridge=$(ns b ip -j link show type bridge | jq -r '.[].ifname | select(startswith("bo-"))')
ns b ip link set "$bridge" down
ns b ip link set "$bridge" up
wait_until 5 as_before
ns b ip link set "bx-${bridge#bo-}" nomaster
wait_until 5 as_before
in_c a ping -qc1 -W2 10.9.0.22 >/dev/null || fail "after the bridge was down"

# One that is asked to end leaves nothing of it either: what it told stays with the others.
told() { etcdctl get --prefix --keys-only /berth/berth/ | grep -v '^$' | sort; }
keys=$(told)
far=$(ns a bridge fdb show | grep dst | sort)
host_stop b berth-overlay
same "$(told)" "$keys" "what the others are told of b"
host_daemon b berth-overlay --underlay eth0 --store "$STORE" --node b
wait_until 10 as_before
same "$(told)" "$keys" "what the others are told of b that is back"
same "$(ns a bridge fdb show | grep dst | sort)" "$far" "tables of a"

hosts_member b
wait_until 20 etcdctl endpoint health

# A host dies: what it had goes with its lease (which ends at once here).
host_stop c berth-overlay KILL
host_cut c
lease=$(etcdctl get -w json /berth/berth/node/c/host | grep -o '"lease":[0-9]*' | cut -d: -f2)
etcdctl lease revoke "$(printf %x "$lease")" >/dev/null
without_c() {
	! ns a bridge fdb show | grep "dst $(host_address c)" &&
		! ns a ip neigh show nud permanent | grep 10.9.0.13
}
# It may have been c that told a: that c is silent is known after 6 s, and the next
# member is asked.
wait_until 15 without_c
host_docker a run --rm --network ov --ip 10.9.0.13 --ip6 fd00:9::13 bb:1 true
host_heal c
host_daemon c berth-overlay --underlay eth0 --store "$STORE" --node c
wait_until 10 in_c a ping -qc1 -W1 10.9.0.13
