#!/bin/bash
# Endpoints at a daemon's restart: one whose local part fails is told to the cluster all the
# same, and one that was cut off stays so until etcd says that it may be up.
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
check() { host_api a Berth.Check '{}' berth-overlay; }
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
is_down() { ! is_up; }
overlay
ov_network net 9 '' a
ov_container net 9 a 2
wait_until 5 there node/a/ep/
addr=$(etcdctl get --prefix --keys-only /berth/berth/addr/ | grep '10\.9\.0\.2$')

host_stop a berth-overlay
forget
export BERTH_FP=overlay.endpoint.again:err=EIO
overlay
unset BERTH_FP
wait_until 5 there node/a/ep/
contains "$(host_api a Berth.Info '{}' berth-overlay)" overlay.endpoint.again "what failed"
is_up || fail "the container is cut off"

host_stop a berth-overlay
forget
etcdctl put "$addr" '{"node":"x","id":"other"}' >/dev/null
overlay
wait_until 5 is_down
contains "$(check)" "endpoint other's on host x" "why it is cut off"
host_stop a berth-overlay
kill -STOP "${ETCD[b]}"
overlay
is_down || fail "it is up again, and nobody said that its address is free"
contains "$(check)" "cut off: as before" "why it is cut off"
etcd_goes_on() {
	kill -CONT "${ETCD[b]}"
	etcdctl del "$addr" >/dev/null
}
etcd_goes_on
wait_until 60 is_up
wait_until 5 there node/a/ep/
same "$(check | jq -c .Problems)" '[]' "what is wrong"

ov_leave a net net2
ov_drop a net
wait_until 5 host_is_clean a
