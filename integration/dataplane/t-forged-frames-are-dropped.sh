#!/bin/bash
# A container cannot speak with another's address or MAC, nor as a router, a
# DHCP server or a bridge: each lie is dropped, and by the rule made for it.
. "${0%/*}/../lib/lib.sh"
. "$IT/lib/iso.sh"

berth_host
docker network create -d berth-bridge --ipv6 --subnet 10.61.0.0/24 \
	--subnet fd00:61::/64 a >/dev/null
docker network create -d berth-bridge --subnet 10.62.0.0/24 v4 >/dev/null
for c in bad victim; do
	docker run -d --name $c --network a --stop-signal KILL bb:1 sleep 999 >/dev/null
done
docker run -d --name bad4 --network v4 --stop-signal KILL bb:1 sleep 999 >/dev/null
bad=$(pid_of bad) victim=$(pid_of victim)
mac_of() {
	inns "$1" ip -j link show eth0 | jq -r '.[0].address'
}
V=$(mac_of "$victim")
A=$(ip_of bad a) VA=$(ip_of victim a) A6=$(ip6_of bad a) VA6=$(ip6_of victim a)
BR=$(ip -j route get "$A" | jq -r '.[0].dev')
G=$(ip -j link show "$BR" | jq -r '.[0].address')

in_background heard nsenter "--net=/proc/$victim/ns/net" "$IT/lib/forge" listen eth0
wait_until 5 grep -q ready "$DIR/heard"

drops() {
	count bridge "$1"
}
all_drops() {
	counts bridge | awk -F= '/^guard/ { n += $2 } END { print n + 0 }'
}
nth=0
# lie RULE KIND KEY=VALUE... - it moves that counter and is not heard
lie() {
	local rule=$1 before text
	shift
	nth=$((nth + 1)) text=lie$nth
	before=$(drops "$rule")
	inns "$FROM" "$IT/lib/forge" send eth0 "$@" "text=$text" count=3
	[ "$(drops "$rule")" -ge $((before + 3)) ] ||
		fail "'$*': counter '$rule' is $(drops "$rule"), was $before"
	! grep -qx "$text" "$DIR/heard" || fail "'$*' was heard by the victim"
}
# truth KIND KEY=VALUE... - it is heard
truth() {
	nth=$((nth + 1))
	inns "$bad" "$IT/lib/forge" send eth0 "$@" "text=truth$nth"
	wait_until 5 grep -qx "truth$nth" "$DIR/heard"
}

FROM=$bad
before=$(all_drops)
truth udp dmac="$V" src="$A" dst="$VA" dport=5000
truth tcp dmac="$V" src="$A" dst="$VA" dport=5000
truth icmp dmac="$V" src="$A" dst="$VA"
truth arp-request src="$A" dst="$VA"
truth arp-request spa=0.0.0.0 tpa="$A"
truth arp-reply src="$A" dst="$VA"
truth udp dmac="$V" src="$A6" dst="$VA6" dport=5000
truth ns dmac="$V" src="$A6" dst="$VA6" target="$VA6"
truth na dmac="$V" src="$A6" dst="$VA6" target="$A6"
truth ns dmac=33:33:ff:00:00:01 src=:: dst=ff02::1:ff00:1 target="$A6"
same "$(all_drops)" "$before" "drops after what is true"

# A foreign MAC, with everything else right and with everything wrong.
lie 'guard: mac' udp smac="$V" dmac="$V" src="$A" dst="$VA" dport=5000
lie 'guard: mac' udp smac="$G" dmac="$V" src="$VA" dst="$VA" dport=5000
lie 'guard: mac' arp-request smac=02:00:00:00:00:99 src="$A" dst="$VA"
lie 'guard: mac' raw smac="$V" type=0x9000
# A foreign address: of the victim, the gateway, another network, the LAN.
for src in "$VA" 10.61.0.1 10.62.0.2 192.0.2.2 127.0.0.1 0.0.0.0; do
	for kind in udp tcp icmp; do
		lie 'guard: address' $kind dmac="$V" src="$src" dst="$VA" dport=5000
	done
done
for src in "$VA6" fd00:61::1 fd00:62::2 2001:db8:2::2 ::1 fe80::1 ::; do
	for kind in udp tcp icmp; do
		lie 'guard: address' $kind dmac="$V" src="$src" dst="$VA6" dport=5000
	done
done
# ARP: another's address at my MAC, my address at another's, odd operations.
lie 'guard: arp' arp-reply src=10.61.0.1 dst="$VA"
lie 'guard: arp' arp-request src="$VA" dst="$VA"
lie 'guard: arp' arp-reply src="$VA" dst=10.61.0.1
lie 'guard: arp' arp-reply src="$A" dst="$VA" sha="$V"
lie 'guard: arp' arp-reply spa=0.0.0.0 tpa="$VA"
lie 'guard: arp' arp-request spa=0.0.0.0 tpa="$A" sha="$V"
# Neighbours, routers and redirects of IPv6, also behind an extension header.
for opt in '' ip6opt=1; do
	lie 'guard: neighbour' na dmac="$V" src="$A6" dst="$VA6" target="$VA6" $opt
	lie 'guard: neighbour' na src="$A6" dst=ff02::1 target=fd00:61::1 $opt
	lie 'guard: router' ra src="$A6" dst=ff02::1 $opt
	lie 'guard: redirect' redirect dmac="$V" src="$A6" dst="$VA6" $opt
	lie 'guard: dhcp server' dhcp6-server dmac="$V" src="$A6" dst="$VA6" $opt
done
lie 'guard: address' ns src=:: dst=ff02::1:ff00:1 target="$VA6"
lie 'guard: redirect' redirect4 dmac="$V" src="$A" dst="$VA"
lie 'guard: dhcp server' dhcp4-server dmac="$V" src="$A" dst="$VA"
# Neither IP nor ARP: tags, spanning tree, LLDP, 802.1X, anything.
lie 'guard: ethertype' vlan src="$A" dst="$VA"
lie 'guard: ethertype' stp dmac=01:80:c2:00:00:00
lie 'guard: ethertype' eapol dmac="$V"
lie 'guard: ethertype' lldp dmac="$V"
lie 'guard: ethertype' raw type=0x9000
# A network without IPv6 carries none.
FROM=$(pid_of bad4)
lie 'guard: ipv6 is off' udp src=fe80::1 dst=ff02::1 dport=5000
FROM=$bad

# Link-local frames pass no bridge filter; the bridge must not learn from them.
for n in 00 02 03 0e 0f; do
	inns "$bad" "$IT/lib/forge" send eth0 lldp smac="$V" dmac=01:80:c2:00:00:$n
done
bridge -j fdb show br "$BR" | jq -e --arg m "$V" --arg b "$BR" \
	'[.[] | select(.mac == $m and (.ifname != $b))] | map(.ifname) | unique
	 | length <= 1' >/dev/null || fail "two ports claim the victim's MAC"
victim_port=$(bridge -j fdb show br "$BR" | jq -r --arg m "$V" \
	'[.[] | select(.mac == $m)][0].ifname')
inns "$bad" "$IT/lib/forge" send eth0 lldp smac="$V" dmac=01:80:c2:00:00:0e count=10
same "$(bridge -j fdb show br "$BR" | jq -r --arg m "$V" \
	'[.[] | select(.mac == $m)][0].ifname')" "$victim_port" "port of the victim's MAC"

# The victim believed nothing.
same "$(inns "$victim" ip -6 -j route show default | jq -r '.[].gateway')" \
	fd00:61::1 "the victim's IPv6 router"
inns "$victim" ping -c1 -W2 10.61.0.1 >/dev/null
inns "$victim" ping -c1 -W2 fd00:61::1 >/dev/null
same "$(inns "$victim" ip -j neigh show 10.61.0.1 | jq -r '.[0].lladdr')" "$G" \
	"the gateway's MAC in the victim"
# Own broadcasts do not come back through the hairpin port.
in_background echo nsenter "--net=/proc/$bad/ns/net" "$IT/lib/forge" listen eth0
wait_until 5 grep -q ready "$DIR/echo"
truth arp-request src="$A" dst="$VA"
never_within 1 grep -q truth "$DIR/echo"
