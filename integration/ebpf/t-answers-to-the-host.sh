#!/bin/bash
# What a container answers to this host's own connections goes up past the bridge, on the
# eBPF dataplane: no rule of a bridge looks at it, INPUT judges it as ever.  But for a packet
# now and then: the bridge knows where the container is, and floods nothing that is for it.
# waits
export DATAPLANE=ebpf
. "${0%/*}/../lib/lib.sh"
. "$IT/lib/iso.sh"

berth_host
docker network create -d berth-bridge --ipv6 --subnet 10.65.0.0/24 \
	--subnet fd00:65::/64 n1 >/dev/null
serve web n1 80 -p 8080:80 -p 9000:9000
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
begun=$SECONDS
same "$(get http://127.0.0.1:8080/big)" 4000000
same "$(get 'http://[::1]:8080/big')" 4000000
same "$(get "http://$web/big")" 4000000
# one in 16 s
at_most "$(seen bridge look up)" $(((SECONDS - begun) / 16 + 2)) "packets by the bridge"
[ "$(seen bridge look up)" -ge 1 ] || fail "the bridge hears nothing"
[ "$(seen inet judge up)" -ge 30 ] || fail "INPUT saw $(seen inet judge up) packets"

note "a connection that goes on for longer than its bridge remembers"
# by IPv4 alone: neighbour discovery would tell the bridge, too
inns "$(pid_of web)" sysctl -qw net.ipv6.conf.all.disable_ipv6=1
ip link set "$bridge" type bridge ageing_time 1800
server web tcp 9000 echo
exec 3<>/dev/tcp/127.0.0.1/9000
for i in {1..170}; do
	echo "$i" >&3
	read -r -t 5 -u 3 got
	same "$got" "$i"
	pause 0.2
done
exec 3>&-
end "$PID"
same "$(seen bridge look flooded)" 0 "packets that a neighbour got"

nft add rule inet judge c iifname "$bridge" tcp sport 80 drop
fails get http://127.0.0.1:8080/big --connect-timeout 1
nft 'delete table bridge look; delete table inet judge'
