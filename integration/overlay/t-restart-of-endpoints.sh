#!/bin/bash
# An endpoint whose local part fails at a daemon's restart is told to the cluster all the same.
# time: 120
. "${0%/*}/../lib/lib.sh"
# shellcheck source=integration/lib/hosts
. "$IT/lib/hosts"
# shellcheck source=integration/lib/overlay
. "$IT/lib/overlay"
need curl jq etcd etcdctl

host_new a
host_new b
ETCDCTL_IN=b
hosts_etcd b
overlay() { host_daemon a berth-overlay --underlay eth0 --store "$STORE" --node a; }
keys() { etcdctl get --prefix --keys-only "/berth/berth/$1" | grep -c . || true; }
there() { [ "$(keys "$1")" = 1 ]; }
# What a told goes, as with a host that was away for longer than its lease.
forget() {
	local lease
	lease=$(etcdctl get -w json /berth/berth/node/a/host | grep -o '"lease":[0-9]*' | cut -d: -f2)
	etcdctl lease revoke "$(printf %x "$lease")" >/dev/null
	same "$(keys node/a/ep/)" 0 "endpoints told"
}
is_up() {
	ns a ip -j link show "${OV_PORT[net2]}" | jq -e '.[0].flags | index("UP")' >/dev/null
}
overlay
ov_network net 9 '' a
ov_container net 9 a 2
wait_until 5 there node/a/ep/

host_stop a berth-overlay
forget
export BERTH_FP=overlay.endpoint.again:err=EIO
overlay
unset BERTH_FP
wait_until 5 there node/a/ep/
contains "$(host_api a Berth.Info '{}' berth-overlay)" overlay.endpoint.again "what failed"
is_up || fail "the container is cut off"

ov_leave a net net2
ov_drop a net
wait_until 5 host_is_clean a
