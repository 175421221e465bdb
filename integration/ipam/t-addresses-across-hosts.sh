#!/bin/bash
# Three hosts with one etcd: containers of one overlay network get addresses without --ip, none
# twice; etcd killed, the next start all the same; a host that restarts without etcd knows what
# it has; etcd back, all goes on.
# time: 120
. "${0%/*}/../lib/lib.sh"
# shellcheck source=integration/lib/hosts
. "$IT/lib/hosts"
need docker curl jq ping etcd etcdctl

for h in a b c; do
	host_new $h
done
store=etcd://$(host_address a):2379
etcd() {
	host_enter a
	in_background etcd.log "${ENTER[@]}" etcd --data-dir "$DIR/hosts/a/etcd" --logger zap \
		--listen-client-urls "http://$(host_address a):2379" \
		--advertise-client-urls "http://$(host_address a):2379"
	ETCD=$PID
}
etcdctl() {
	ETCDCTL_API=3 host_exec a /usr/bin/etcdctl --endpoints "$(host_address a):2379" "$@"
}
etcd
wait_until 20 etcdctl endpoint health
for h in a b c; do
	host_daemon $h berth-overlay --underlay eth0 --store "$store" --node $h
	host_daemon $h berth-ipam --store "$store" --node $h
done
hosts_docker a b c

for h in a b c; do
	host_docker $h network create -d berth-overlay --ipam-driver berth-ipam \
		--ipam-opt berth.cluster=on --subnet 10.9.0.0/16 --gateway 10.9.0.1 ov >/dev/null
done
fails_with '10.9.0.0/16 of the cluster, made by host a' host_docker c network create \
	-d bridge --ipam-driver berth-ipam --ipam-opt berth.cluster=on --subnet 10.9.4.0/24 clash
fails_with 'berth.cluster needs a --subnet' host_docker c network create -d bridge \
	--ipam-driver berth-ipam --ipam-opt berth.cluster=on clash

run() { # HOST NAME
	host_docker "$1" run -d --name "$2" --network ov --stop-signal KILL bb:1 sleep 999 \
		>/dev/null
}
# As the containers have them, by their own kernel.
addresses() {
	local h pid
	for h in a b c; do
		# shellcheck disable=SC2046 # ids are words
		for pid in $(host_docker $h inspect -f '{{.State.Pid}}' $(host_docker $h ps -q)); do
			inns "$pid" ip -j -4 addr show eth0 | jq -r '.[].addr_info[].local'
		done
	done
}
run_all() { # PREFIX A B C: so many on each, all hosts at once
	local h i n pids=()
	for h in a b c; do
		shift
		n=$1
		(for ((i = 0; i < n; i++)); do run $h "$PREFIX$h$i"; done) &
		pids+=($!)
	done
	for i in "${pids[@]}"; do
		wait "$i" || fail "a container did not start"
	done
}
PREFIX=one run_all - 7 7 6
addresses >"$DIR/addresses"
same "$(sort -u "$DIR/addresses" | wc -l)" 20 "addresses, each once"
lacks "$(cat "$DIR/addresses")" '^10\.9\.0\.1$' "the gateway is nobody's"
same "$(etcdctl get --prefix --keys-only /berth/berth/ipam/block/ | grep -c .)" 3 "blocks"
# They are one network: the first of a reaches the last of c.
inns "$(host_pid_of a onea0)" ping -qc1 -W2 "$(tail -1 "$DIR/addresses")" >/dev/null ||
	fail "a does not reach c"

# etcd away: who has a block goes on, a restart in between or not.
end "$ETCD" KILL
host_stop b berth-ipam KILL
host_daemon b berth-ipam --store "$store" --node b
start=$(now_ms)
PREFIX=two run_all - 1 1 1
at_most $(($(now_ms) - start)) 15000 "three containers without etcd, ms"
addresses >"$DIR/addresses"
same "$(sort -u "$DIR/addresses" | wc -l)" 23 "addresses without etcd, each once"
fails_with etcd host_docker b run --rm --network ov --ip 10.9.77.7 bb:1 true

# And back: an address by itself is claimed, and told by whom.
etcd
wait_until 20 etcdctl endpoint health
claimed() { host_docker b run -d --name fixed --network ov --ip 10.9.77.7 --stop-signal KILL bb:1 sleep 999; }
again() { host_docker b rm -f fixed >/dev/null 2>&1 || :; claimed; }
wait_until 15 again
fails_with 'on host b' host_docker c run --rm --network ov --ip 10.9.77.7 bb:1 true

# A host that is gone for ever: what it had is given back when somebody says so.
host_exec a "$BIN/netctl" ipam gc --node c --dry-run | grep -q '1 blocks' || fail "dry run"
same "$(etcdctl get --prefix --keys-only /berth/berth/ipam/member/ | grep -c .)" 3 "hosts"

# With the networks all of it goes.
for h in a b c; do
	ids=$(host_docker $h ps -aq)
	# shellcheck disable=SC2086 # ids are words
	host_docker $h rm -f $ids >/dev/null &
done
wait_for_rm() { [ -z "$(host_docker a ps -aq)$(host_docker b ps -aq)$(host_docker c ps -aq)" ]; }
wait_until 30 wait_for_rm
for h in a b c; do
	wait_until 20 host_docker $h network rm ov
done
none() { [ -z "$(etcdctl get --prefix --keys-only /berth/berth/ipam/)" ]; }
wait_until 15 none
