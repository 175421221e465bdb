#!/bin/bash
# All networks of a cluster are sent from the one address that the others are told, whichever
# family comes first at boot: IPv4 is gone back to, unless a host was heard of by IPv6.
# time: 120
. "${0%/*}/../lib/lib.sh"
# shellcheck source=integration/lib/hosts
. "$IT/lib/hosts"
# shellcheck source=integration/lib/overlay
. "$IT/lib/overlay"
need curl jq etcd etcdctl

host_new a
V4=$(host_address a)
V6=$(host_address6 a)
ns a ip addr del "$V4/24" dev eth0
ns a ip addr add "$V4/32" dev lo # for etcd alone
ns a ip -6 addr del "$V6/64" dev eth0
hosts_etcd a
told() { etcdctl get /berth/berth/node/a/host --print-value-only | jq -r .vtep; }
sends() { # NETWORK - its wire's address
	ns a ip -j -d link show "bx-$(ov_id "$1" | cut -c1-12)" |
		jq -r '.[0].linkinfo.info_data | .local // .local6'
}
is_told() { [ "$(told)" = "$1" ]; }
all_is() { # ADDRESS NETWORK...
	local n
	is_told "$1" || return 1
	for n in "${@:2}"; do
		[ "$(sends "$n")" = "$1" ] || return 1
	done
}
check() { host_api a Berth.Check '{}' berth-overlay; }
ip4() {
	ns a ip addr add "$V4/24" dev eth0
	ns a ip route add default via 192.0.2.254
}
host_daemon a berth-overlay --store "$STORE" --node a

# The router is faster than DHCP.
ns a ip addr add "$V6/64" dev eth0 nodad
ns a ip -6 route add default via 2001:db8:2::fe
wait_until 10 is_told "$V6"
ov_network early 8 '' a
all_is "$V6" early || fail "told $(told), early sends from $(sends early)"
ip4
wait_until 10 all_is "$V4" early
ov_network late 9 '' a
all_is "$V4" early late || fail "told $(told), late sends from $(sends late)"
same "$(check | jq -c .Problems)" '[]' "what is wrong"

# A host by IPv6 was heard of: what is in use is not left for what comes.
host_stop a berth-overlay
ns a ip addr del "$V4/24" dev eth0
host_daemon a berth-overlay --store "$STORE" --node a
wait_until 10 all_is "$V6" early late
key=/berth/berth/member/$(etcdctl get --prefix --keys-only /berth/berth/net/ | grep '10.9' | sed 's:.*/::')
etcdctl put /berth/berth/node/b/host \
	'{"node":"b","machine":"mb","vtep":"2001:db8:2::99"}' >/dev/null
etcdctl put "$key/b" '' >/dev/null
b_is_known() { ns a bridge fdb show | grep -q 'dst 2001:db8:2::99' ||
	ns a nft list table inet berth-overlay-vxlan | grep -q '2001:db8:2::99'; }
wait_until 60 b_is_known
ip4
ov_network later 10 '' a
all_is "$V6" early late later ||
	fail "told $(told), later sends from $(sends later)"
same "$(check | jq -c .Problems)" '[]' "what is wrong"

# Another address, where lo has no IPv6: what the kernel knows of routes is void all the same.
ns a sysctl -qw net.ipv6.conf.lo.disable_ipv6=1
ns a ip addr add 2001:db8:2::77/64 dev eth0 nodad
ns a ip -6 addr del "$V6/64" dev eth0
wait_until 10 all_is 2001:db8:2::77 early late later
lacks "$(cat "$DIR/a-berth-overlay.log")" fd62:7274::1 "what the daemon says"
same "$(ns a ip -6 -o addr show to fd62:7274::1)" "" "an address that was to go at once"

for n in early late later; do
	ov_drop a $n
done
wait_until 5 host_is_clean a
