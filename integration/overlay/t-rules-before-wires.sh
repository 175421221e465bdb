#!/bin/bash
# While a daemon loads its networks no wire is up without its rules: after a boot, when etcd does
# not answer; and where the rules of an earlier life stand that do not know the network.
# time: 120
. "${0%/*}/../lib/lib.sh"
# shellcheck source=integration/lib/hosts
. "$IT/lib/hosts"
# shellcheck source=integration/lib/overlay
. "$IT/lib/overlay"
need curl jq nft etcd etcdctl

host_new a
host_new b
ETCDCTL_IN=b
hosts_etcd b
overlay() { host_daemon a berth-overlay --underlay eth0 --store "$STORE" --node a; }
overlay
ov_network peers 8 '"berth.peers":"'"$(host_address a),$(host_address b)"'"' a
ov_network shared 9 '' a
TABLE=berth-overlay-vxlan
wires() { ns a ip -br link show type vxlan; }
vnis() { ns a nft -j list map inet $TABLE vnis | jq '[.nftables[] | (.map.elem? // [])[]] | length'; }
up() { [ "$(wires | grep -c 'bx-.*[<,]UP[,>]')" = "$1" ]; }
up 2 || fail "wires: $(wires)"
same "$(vnis)" 2 "networks in the rules"

# Each wire that is up, and the rules right after: what came in by then was judged.
watch_wires() {
	local up n
	while [ ! -e "$DIR/enough" ]; do
		up=$(wires | grep -c 'bx-.*[<,]UP[,>]') || true
		n=$(vnis 2>/dev/null) || true
		echo "$up ${n:-0}"
	done >"$1"
}
loaded() { # FILE N - a daemon's start, watched until N wires are up
	rm -f "$DIR/enough"
	watch_wires "$1" &
	local watcher=$!
	overlay
	wait_until 20 up "$2"
	touch "$DIR/enough"
	wait $watcher
	awk '$1 > $2 { bad++ } END { exit bad > 0 }' "$1" ||
		fail "wires up, networks in the rules: $(uniq -c "$1" | tr '\n' ';')"
	[ "$(wc -l <"$1")" -gt 20 ] || fail "looked $(wc -l <"$1") times only"
	same "$(vnis)" "$2" "networks in the rules"
}

# A boot.
host_stop a berth-overlay
for l in $(ns a ip -o link | grep -o 'b[xo]-[0-9a-f]*' | sort -u); do
	ns a ip link del "$l"
done
ns a nft flush ruleset
kill -STOP "${ETCD[b]}"
loaded "$DIR/boot" 1
kill -CONT "${ETCD[b]}"
wait_until 60 up 2
same "$(vnis)" 2 "networks in the rules"

# Rules that know of one network less, whose wire is gone.
host_stop a berth-overlay
link=bx-$(ov_id peers | cut -c1-12)
vni=$(ns a ip -j -d link show "$link" | jq '.[0].linkinfo.info_data.id')
element=$(ns a nft list map inet $TABLE vnis | grep -o "$(printf '0x%06x00' "$vni")\|$((vni << 8))" | head -1)
ns a nft delete element inet $TABLE vnis "{ $element }" || fail "no element of VNI $vni in: $(ns a nft list map inet $TABLE vnis)"
same "$(vnis)" 1 "networks in the rules"
ns a ip link del "$link"
export BERTH_FP=overlay.network.tables:sleep=1000
loaded "$DIR/standing" 2
unset BERTH_FP

ov_drop a peers
ov_drop a shared
wait_until 5 host_is_clean a
