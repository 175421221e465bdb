#!/bin/bash
# -p 7777:77/sctp is accepted, listed, and in the kernel's map.
. "${0%/*}/../lib/lib.sh"

berth_host
docker network create -d berth-bridge n1 >/dev/null
docker run -d --name sctp --network n1 -p 7777:77/sctp --stop-signal KILL bb:1 sleep 999 >/dev/null
same "$(api Berth.Ports '{}' berth-bridge | jq -r '.Ports[] | "\(.Proto) \(.HostFirst) \(.ContainerFirst)"' | sort -u)" \
	"sctp 7777 77"
# As a number of its own: an id may have the digits too.
in_the_map() { nft -j list ruleset | jq -e '[.. | numbers | select(. == 7777)] | length > 0'; }
in_the_map >/dev/null || fail "not in the firewall's map"
docker rm -f sctp >/dev/null
! in_the_map >/dev/null || fail "still in the firewall's map: $(nft list ruleset)"
