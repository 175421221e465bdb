#!/bin/bash
# A container's name, aliases and reverse name resolve on every host of its network and on no
# other network; they follow rename, connect and stop; who restarts takes none of them away;
# a dead host's go with its lease.
# time: 240
. "${0%/*}/../lib/lib.sh"
# shellcheck source=integration/lib/hosts
. "$IT/lib/hosts"
need docker curl jq ping etcd etcdctl

host_new a
host_new b
hosts_etcd a
dns() { # HOST
	host_daemon "$1" berth-dns --store "$STORE" --node "$1"
}
for h in a b; do
	host_daemon $h berth-overlay --underlay eth0 --store "$STORE" --node $h
	dns $h
done
hosts_docker a b
for h in a b; do
	host_docker $h network create -d berth-overlay --ipv6 --subnet 10.9.0.0/24 \
		--gateway 10.9.0.1 --subnet fd00:9::/64 --gateway fd00:9::1 shop >/dev/null
	host_docker $h network create -d berth-overlay --subnet 10.8.0.0/24 \
		--gateway 10.8.0.1 private >/dev/null
done
run_c() { # HOST NAME NETWORK ADDRESS [OPTION...]
	local ip6=()
	[ "$3" != shop ] || ip6=(--ip6 "fd00:9::${4##*.}")
	host_docker "$1" run -d --name "$2" --network "$3" --ip "$4" "${ip6[@]}" \
		--stop-signal KILL "${@:5}" bb:1 sleep 999 >/dev/null
}
run_c a client shop 10.9.0.11 --dns 10.9.0.1
run_c a other private 10.8.0.11 --dns 10.8.0.1

# Of the network's gateway itself; "client" or another.
ask() { # NAME [CONTAINER] [SERVER]
	host_docker a exec "${2-client}" nslookup "$1" "${3-10.9.0.1}"
}
tells() { # NAME WHAT
	ask "$1" | tail -n +3 | grep -qF "$2"
}
# What is none of ours is asked of the host's resolvers, which here are none.
no_name() { # NAME [CONTAINER] [SERVER]
	local out
	out=$(ask "$@" 2>&1 | tail -n +3)
	grep -q "NXDOMAIN\|SERVFAIL\|no response\|timed out" <<<"$out" &&
		! grep -q "Address\|name = " <<<"$out"
}
wait_until 10 tells client 10.9.0.11

# A new container's name is on the other host as soon as anybody looks.
run_c b web shop 10.9.0.12 --network-alias www --hostname frontend
start=$(now_ms)
wait_until 5 tells web 10.9.0.12
at_most $(($(now_ms) - start)) 1500 "until a knows a name of b, ms"
tells web fd00:9::12 || fail "no IPv6 address"
tells www 10.9.0.12 || fail "no alias"
tells web.shop 10.9.0.12 || fail "no web.shop"
tells "$(host_docker b inspect -f '{{.Id}}' web | cut -c1-12)" 10.9.0.12 || fail "no short id"
tells 10.9.0.12 web || fail "no reverse name"
# And as containers do: by Docker's own resolver, which asks the gateway.
host_docker a exec client ping -qc1 -W2 www >/dev/null || fail "ping by alias"

# Nobody of another network is told, by its gateway or by ours.
run_c b hidden private 10.8.0.12
told_private() { ask hidden other 10.8.0.1 | grep -qF 10.8.0.12; }
wait_until 5 told_private
no_name hidden || fail "a name of another network is told"
no_name web other 10.8.0.1 || fail "a name is told to another network"

# It follows what happens to the container.
host_docker b rename web store
wait_until 5 tells store 10.9.0.12
no_name web || fail "the old name is still told"
tells 10.9.0.12 store || fail "no reverse name after a rename"
host_docker b network disconnect shop store
wait_until 5 no_name store
host_docker b network connect --ip 10.9.0.13 --ip6 fd00:9::13 --alias back shop store
wait_until 5 tells back 10.9.0.13
no_name www || fail "the old alias is still told"
host_docker b stop -t1 store >/dev/null
wait_until 5 no_name back
host_docker b start store >/dev/null
wait_until 5 tells back 10.9.0.13

# netctl shows them all, and gives names that Docker has not.
netctl_() { # HOST ARG...
	host_exec "$1" "$BIN/netctl" "${@:2}"
}
list=$(netctl_ a name ls shop --json)
same "$(jq -r '.[] | select(.Name == "store" and (.Address | startswith("10."))) | "\(.Address) \(.Source)"' <<<"$list")" \
	"10.9.0.13 hosts"
same "$(jq -r '.[] | select(.Name == "client" and (.Address | startswith("10."))) | "\(.Address) \(.Source)"' <<<"$list")" \
	"10.9.0.11 docker"
same "$(jq -r '.[].Network' <<<"$list" | sort -u)" shop "how the network is called"
fails_with 'there are' netctl_ a name ls nosuch
netctl_ b name add shop printer 10.9.0.50
wait_until 5 tells printer 10.9.0.50
netctl_ b name rm shop printer
wait_until 5 no_name printer
fails_with shop netctl_ b name add nosuch printer 10.9.0.50

# A daemon dies and is back: nothing is taken away, what changed meanwhile is told.
key=$(etcdctl get --prefix --keys-only /berth/berth/names/ | grep '/b$' | grep 10.9)
revision() {
	etcdctl get -w json "$key" | jq '.kvs[0].mod_revision'
}
before=$(revision)
host_stop b berth-dns KILL
tells back 10.9.0.13 || fail "a name went with its daemon"
dns b
same "$(revision)" "$before" "revision of what a daemon tells that is back"
host_stop b berth-dns
run_c b late shop 10.9.0.14
dns b
wait_until 5 tells late 10.9.0.14
tells back 10.9.0.13 || fail "a name went with a restart"

# dockerd is away, then back.
host_docker b update --restart=always store >/dev/null
docker_stop() { # HOST
	kill "${HOST_DOCKERD[$1]}"
	wait "${HOST_DOCKERD[$1]}" || :
}
docker_stop b
wait_until 10 no_name back
hosts_docker b
wait_until 20 tells back 10.9.0.13
no_name late || fail "a container that dockerd did not start again"

# etcd is away: what was told stays, what is this host's own is told at once.
end "${ETCD[a]}" KILL
run_c a mine shop 10.9.0.15
wait_until 5 tells mine 10.9.0.15
tells back 10.9.0.13 || fail "a name went with etcd"
hosts_member a
wait_until 20 etcdctl endpoint health
told_mine() { etcdctl get --prefix --print-value-only /berth/berth/names/ | grep -q '"mine"'; }
wait_until 10 told_mine

# The host dies: what was called so goes with its lease (which ends at once here).
host_stop b berth-overlay KILL
host_cut b
tells back 10.9.0.13 || fail "a name went before the lease"
lease=$(etcdctl get -w json /berth/berth/node/b/host | grep -o '"lease":[0-9]*' | cut -d: -f2)
etcdctl lease revoke "$(printf %x "$lease")" >/dev/null
wait_until 5 no_name back
tells mine 10.9.0.15 || fail "another host's name went too"
host_heal b
host_daemon b berth-overlay --underlay eth0 --store "$STORE" --node b
wait_until 15 tells back 10.9.0.13

# The network is left: its names with it.
host_docker b rm -f store late >/dev/null
host_docker b network rm shop >/dev/null
left() { ! etcdctl get "$key" | grep -q .; }
wait_until 10 left
