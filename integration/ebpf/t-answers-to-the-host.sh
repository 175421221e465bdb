#!/bin/bash
# What a container answers to this host's own connections goes up past the bridge, on the
# eBPF dataplane: no rule of a bridge looks at it, INPUT judges it as ever.  The bridge
# knows all the same where the container is, and floods nothing that is for it.
export DATAPLANE=ebpf
. "${0%/*}/../lib/lib.sh"
. "$IT/lib/iso.sh"

berth_host
docker network create -d berth-bridge --ipv6 --subnet 10.65.0.0/24 \
	--subnet fd00:65::/64 n1 >/dev/null
serve web n1 80 -p 8080:80
head -c 4000000 /dev/zero | docker exec -i web sh -c 'cat >/www/big'
serve near n1 80
# shellcheck disable=SC2034 # read by iso.sh
BOX[web]=$(pid_of web) BOX[near]=$(pid_of near)
web=$(ip_of web n1)
bridge=$(bridge_of n1) near=$(port_of near) mac=$(mac_of web)

nft -f - <<END
table bridge look { counter up { }; counter flooded { };
chain c { type filter hook prerouting priority -400;
	ether saddr $mac tcp sport 80 counter name up; };
chain d { type filter hook postrouting priority 400;
	oifname $near ether daddr $mac counter name flooded; }; }
table inet judge { counter up { }; chain c { type filter hook input priority -400;
	iifname $bridge tcp sport 80 counter name up; }; }
END
seen() { # FAMILY TABLE COUNTER
	nft -j list counter "$@" | jq '.nftables[].counter.packets // empty'
}
get() { # URL [CURL-FLAG...]
	curl -gsS --noproxy '*' --max-time 20 -o /dev/null -w '%{size_download}' "$@"
}
same "$(get http://127.0.0.1:8080/big)" 4000000
same "$(get 'http://[::1]:8080/big')" 4000000
same "$(get "http://$web/big")" 4000000
same "$(seen bridge look up)" 0 "packets that a bridge's rule saw"
[ "$(seen inet judge up)" -ge 30 ] || fail "INPUT saw $(seen inet judge up) packets"

note "a bridge that forgets all it learns, and a connection that goes on"
forget() {
	for _ in {1..60}; do
		ip link set "$bridge" type bridge fdb_flush
		pause 0.05
	done
}
in_background forget.log forget
same "$(get http://127.0.0.1:8080/big --limit-rate 2M)" 4000000
wait "$PID"
same "$(seen bridge look flooded)" 0 "packets that a neighbour got"
same "$(bridge -j fdb show br "$bridge" | jq -r --arg m "$mac" \
	'.[] | select(.mac == $m and .state == "static").ifname')" "$(port_of web)"

note "the entry that a port loses with its bridge is there again with it"
ip link set "$(port_of web)" nomaster
ip link set "$(port_of web)" master "$bridge"
is_known() {
	bridge -j fdb show br "$bridge" | jq -e --arg m "$mac" \
		'any(.[]; .mac == $m and .state == "static")' >/dev/null
}
wait_until 5 is_known

nft add rule inet judge c iifname "$bridge" tcp sport 80 drop
fails get http://127.0.0.1:8080/big --connect-timeout 1
nft 'delete table bridge look; delete table inet judge'
