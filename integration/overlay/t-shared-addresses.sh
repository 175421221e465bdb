#!/bin/bash
# Three hosts that share a network's addresses by an etcd of three members: containers started
# on all at once get different ones, also without etcd and after kill -9; one in use elsewhere is
# refused and told by whom; those of a dead host are free when somebody says that it is; with the
# network all keys go but those of hosts that run.
# time: 150
. "${0%/*}/../lib/lib.sh"
# shellcheck source=integration/lib/hosts
. "$IT/lib/hosts"
need docker curl jq ping etcd etcdctl

for h in a b c; do
	host_new $h
done
hosts_etcd a b c
keys() { etcdctl get --prefix --keys-only "/berth/berth/$1" | grep . | sort; }
overlay() { host_daemon "$1" berth-overlay --underlay eth0 --store "$STORE" --node "$1"; }
ipam() { host_daemon "$1" berth-ipam --store "$STORE" --node "$1"; }
for h in a b c; do
	overlay $h
	ipam $h
done
hosts_docker a b c

# On each in the background; all have to succeed.
on_all() { # FUNCTION ARG...
	local h pids=() pid
	for h in a b c; do
		("$1" $h "${@:2}") &
		pids+=($!)
	done
	for pid in "${pids[@]}"; do
		wait "$pid" || fail "$* on one of the hosts"
	done
}
shared() { # HOST NAME SUBNET [ARG...]
	host_docker "$1" network create -d berth-overlay --ipam-driver berth-ipam \
		--ipam-opt berth.cluster=on --subnet "$3" "${@:4}" "$2" >/dev/null
}
run() { # HOST NAME [ARG...]
	host_docker "$1" run -d --name "$2$1" --network ov --stop-signal KILL "${@:3}" bb:1 \
		sleep 999 >/dev/null
}
run_two() { # HOST NAME
	run "$1" "${2}1" & run "$1" "${2}2"
	wait $!
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
different() { # COUNT WHAT
	addresses >"$DIR/addresses"
	same "$(sort -u "$DIR/addresses" | wc -l)" "$1" "different addresses $2"
	fails grep -qx 10.9.0.1 "$DIR/addresses"
}
address_of() { # HOST CONTAINER
	inns "$(host_pid_of "$1" "$2")" ip -j -4 addr show eth0 | jq -r '.[].addr_info[].local'
}

# The same network made on all at the same time is one; what is not the same is told.
on_all shared ov 10.9.0.0/16 --gateway 10.9.0.1
fails_with '10.9.0.0/16 of the cluster, made by host' shared c clash 10.9.4.0/24
on_all run_two one
different 6 "of six containers"
inns "$(host_pid_of a one1a)" ping -qc1 -W2 "$(address_of c one1c)" >/dev/null ||
	fail "a does not reach c"

# In use elsewhere: in the other's block, and by itself.
fails_with 'which host a hands out' host_docker c run --rm --network ov \
	--ip "$(address_of a one1a)" bb:1 true
run b fixed --ip 10.9.200.7
fails_with 'of pool 10.9.0.0/16, on host b' host_docker c run --rm --network ov --ip 10.9.200.7 bb:1 true

# etcd does not answer, and a daemon is killed and back meanwhile: the next start all the same.
kill -STOP "${ETCD[@]}"
host_stop b berth-ipam KILL
ipam b
# What is claimed stays with its container.
(host_docker b restart -t0 fixedb >/dev/null) &
restart=$!
start=$(now_ms)
on_all run two
at_most $(($(now_ms) - start)) 20000 "three containers without etcd, ms"
wait $restart || fail "a container with --ip does not start again"
fails_with etcd host_docker b run --rm --network ov --ip 10.9.77.7 bb:1 true
kill -CONT "${ETCD[@]}"
different 10 "with three of them without etcd"

# A host dies. What it had is nobody's when somebody says that it does not come back...
wait_until 20 etcdctl endpoint health
gone=$(address_of c one1c)
host_stop c berth-ipam KILL
host_stop c berth-overlay KILL
host_cut c
lease=$(etcdctl get -w json /berth/berth/node/c/host | grep -o '"lease":[0-9]*' | cut -d: -f2)
etcdctl lease revoke "$(printf %x "$lease")" >/dev/null
fails_with 'which host c hands out' host_docker a run --rm --network ov --ip "$gone" bb:1 true
gc() { host_exec a "$BIN/netctl" ipam gc --node c; }
wait_until 15 gc
lacks "$(keys ipam/)" 16/c "what etcd has of c"
run a heir --ip "$gone"
# ...and if it does, it says which containers have to start anew, and gives that one to no other.
host_heal c
overlay c
ipam c
told() { # its exit status says that there is something
	local said
	said=$(host_exec c "$BIN/netctl" ipam check) || :
	[[ $said == *"$gone of pool 10.9.0.0/16 is host a's by now"* ]]
}
wait_until 15 told
run c late
host_docker c rm -f one1c >/dev/null
different 11 "with the heir"

# With the containers and the networks all of it goes.
drop() { # HOST
	# shellcheck disable=SC2046 # ids are words
	host_docker "$1" rm -f $(host_docker "$1" ps -aq) >/dev/null
	wait_until 20 host_docker "$1" network rm ov
}
on_all drop
left() { [ "$(keys "")" = "$(printf '/berth/berth/node/%s/host\n' a b c)" ]; }
wait_until 15 left
