#!/bin/bash
# A container speaks with its own addresses only: forged frames reach neither its
# neighbour nor the host, the drop rule meant for each counts it, and honest
# traffic goes on.  With berth.guard=off the same frames arrive.  (CVE-2020-13401: a
# container's router advertisement.)
. "${0%/*}/../lib/lib.sh"
. "$IT/lib/iso.sh"

berth_host
# Bridge netfilter cuts off what follows a packet: the frame's name.
sysctl -qw net.bridge.bridge-nf-call-iptables=0 \
	net.bridge.bridge-nf-call-ip6tables=0 net.bridge.bridge-nf-call-arptables=0
docker network create -d berth-bridge --ipv6 --subnet 10.65.0.0/24 \
	--subnet fd00:65::/64 n1 >/dev/null
docker network create -d berth-bridge --ipv6 --subnet 10.66.0.0/24 \
	--subnet fd00:66::/64 -o berth.guard=off open >/dev/null
docker network create -d berth-bridge --subnet 10.67.0.0/24 four >/dev/null
container mallory n1
container victim n1 -p 8080:80
container loose open
container prey open
container old four
container older four
listening

declare -A gw=([n1]="10.65.0.1 fd00:65::1" [open]="10.66.0.1 fd00:66::1"
	[four]="10.67.0.1 fd00:67::1")

# addresses CONTAINER VICTIM NETWORK - what lib/frames wants to know.
addresses() {
	echo "mac=$(mac_of "$1") ip=$(ip_of "$1" "$3") ip6=$(ip6_of "$1" "$3")" \
		"ll=$(ll_of "$1") vmac=$(mac_of "$2") vip=$(ip_of "$2" "$3")" \
		"vip6=$(ip6_of "$2" "$3") gmac=$(cat \
		"/sys/class/net/$(bridge_of "$3")/address")" \
		"gip=${gw[$3]%% *} gip6=${gw[$3]##* }"
}
# forge CONTAINER NAME... - the frames, from its eth0.
declare -A addresses=([mallory]=$(addresses mallory victim n1)
	[loose]=$(addresses loose prey open))
forge() {
	local who=$1
	shift
	# shellcheck disable=SC2086 # words
	at "$who" "$IT/lib/frames" send eth0 ${addresses[$who]} -- "$@"
}
b1=$(bridge_of n1) b2=$(bridge_of open) b3=$(bridge_of four)
watch victim eth0
watch prey eth0
watch older eth0
watch host "$b1" "$b2" "$b3" up1

# Which rule stops which frame.
declare -A rule=(
	[guard: mac]="mac-odd mac-victim mac-gateway mac-odd6 mac-odd-arp"
	[guard: address]="ip-odd ip-odd-udp ip-odd-tcp ip-victim ip-gateway
		ip-gateway-to-host ip-loopback-to-host ip-any ip-broadcast
		ip-multicast ip-options ip-first-fragment ip-later-fragment
		ip-short ip-version-6 ip6-odd ip6-odd-tcp ip6-victim
		ip6-gateway ip6-link-local ip6-loopback-to-host ip6-mapped
		ip6-any ip6-fragment ip6-short na-forged-source
		ns-forged-source dad-victim na-any"
	[guard: arp]="arp-victim arp-gateway arp-reply-gateway
		arp-reply-victim-to-host arp-gratuitous-gateway
		arp-gratuitous-reply arp-sender-mac arp-probe-other-mac
		arp-reply-from-any arp-reverse arp-inverse arp-lengths
		arp-short"
	[guard: neighbour]="na-victim na-gateway na-gateway-from-ll
		na-victim-to-host na-hop-by-hop"
	[guard: router]="ra ra-hop-by-hop ra-destination ra-two-headers
		ra-atomic-fragment ra-forged-source ra-unicast"
	[guard: redirect]="redirect redirect-options redirect6"
	[guard: dhcp server]="dhcp-server dhcp-server-unicast
		dhcp-server-options dhcp6-server"
	[guard: ethertype]="vlan vlan-priority vlan-forged vlan-double vlan-arp
		pppoe mpls stp llc odd-type loop-test"
)

# Each rule counts exactly its frames, and nothing arrives anywhere.
for comment in "${!rule[@]}"; do
	# shellcheck disable=SC2206 # words
	names=(${rule[$comment]})
	counts bridge | grep ^guard >"$DIR/counts-1"
	forge mallory "${names[@]/%/:2}"
	counts bridge | grep ^guard >"$DIR/counts-2"
	moved=$(changed "$DIR/counts-1" "$DIR/counts-2" | sed 's/=.*//' | paste -sd,)
	same "$moved" "$comment" "counters that moved for ${names[*]}"
	was=$(sed -n "s/^$comment=//p" "$DIR/counts-1")
	is=$(sed -n "s/^$comment=//p" "$DIR/counts-2")
	same $((is - was)) $((2 * ${#names[@]})) "frames counted by \"$comment\""
done

# What the bridge hands to nobody, and fragments, which hosts refuse.
forge mallory lldp pause ra-first-part ra-second-part

# Groups whose frames the bridge gives to its port, past the guard: the host
# takes no packet from there, and no route.
in_background listen-host.log "$IT/lib/probe" listen host 7000
wait_until 5 grep -q ready "$DIR/listen-host.log"
group=(group-udp group-forged group-udp6 group-ra group-arp group-out)
addresses[mallory]+=" port=7000"
addresses[loose]+=" port=7000"
# (of a guarded port what is forged as well is dropped before)
dropped_by inet "past the bridge" 1 forge mallory "${group[@]}"
dropped_by inet "past the bridge" 2 forge loose "${group[@]}"
host_unharmed() {
	same "$(sed 1d "$DIR/listen-host.log")" "" "packets to the host"
	same "$(ip -6 -j route show default | jq -r '.[].dev')" up1 \
		"the host's default route"
	lacks "$(ip -6 addr)" 2001:db8:bad "the host's addresses"
}
host_unharmed
for c in mallory:n1 loose:open; do
	same "$(cat "/proc/sys/net/ipv6/conf/$(port_of "${c%:*}")/disable_ipv6")" \
		1 "IPv6 of the port of $c"
done

# Honest traffic.
honest=(honest-arp honest-probe honest-dad honest-na honest-frag
	honest-multicast honest6 honest)
forge mallory "${honest[@]}"
wait_until 5 saw victim honest
for name in "${honest[@]}"; do
	saw victim "$name" || fail "$name did not arrive"
done
wait_until 5 saw host honest-na
forged() {
	sed 1d "$DIR/watch-$1.log" | grep -vE ' (honest|ra-(first|second)-part)' || :
}
same "$(forged victim)" "" "forged frames at the victim"
same "$(forged host)" "" "forged frames at the host"
lacks "$(bridge fdb show br "$b1")" 02:66:66:66:66:66 "what the bridge learnt"
unharmed() { # CONTAINER NETWORK
	local br
	br=$(bridge_of "$2")
	same "$(at "$1" ip -6 -j route show default |
		jq -r '.[] | .gateway // .nexthops[].gateway' | sort -u)" \
		"${gw[$2]##* }" "default route of $1"
	lacks "$(at "$1" ip -6 addr)" 2001:db8:bad "addresses of $1"
	at "$1" ping -c 1 -W 2 "${gw[$2]%% *}" >/dev/null
	same "$(at "$1" ip -j neigh show "${gw[$2]%% *}" | jq -r '.[].lladdr')" \
		"$(cat "/sys/class/net/$br/address")" "gateway's MAC at $1"
}
unharmed victim n1
asks mallory <<'END'
	tcp/10.65.0.3/80        victim 10.65.0.2
	udp/10.65.0.3/80        victim 10.65.0.2
	icmp/10.65.0.3          pong
	icmp/10.65.0.1          pong
	tcp/fd00:65::3/80       victim fd00:65::2
	udp/fd00:65::3/80       victim fd00:65::2
	icmp/fd00:65::3         pong
	icmp/fd00:65::1         pong
	icmp/192.0.2.2          pong
	icmp/2001:db8:2::2      pong
	tcp/192.0.2.1/8080      victim
END

# A second address that it gives itself has no voice; detecting duplicates of
# its own goes on.
at mallory ip addr add 10.65.0.99/24 dev eth0
at mallory ip addr add fd00:65::99/64 dev eth0 nodad
dropped_by bridge "guard: address" 1 at mallory "$IT/lib/probe" ask -t 0.5 \
	-s fd00:65::99 udp/fd00:65::3/80
same "$(at mallory "$IT/lib/probe" ask -t 0.5 -s 10.65.0.99 tcp/10.65.0.3/80)" \
	"tcp/10.65.0.3/80 -" "speaking with an address of its own choice"
at mallory ip addr del 10.65.0.99/24 dev eth0
at mallory ip addr del fd00:65::99/64 dev eth0
at mallory ip addr del fd00:65::2/64 dev eth0
at mallory ip addr add fd00:65::2/64 dev eth0
no_tentative() {
	! at mallory ip -6 addr show dev eth0 tentative | grep -q inet6
}
wait_until 5 no_tentative
lacks "$(at mallory ip -6 addr show dev eth0)" dadfailed "own address"
# Another MAC: no word gets through.
was=$(mac_of mallory)
at mallory ip link set eth0 address 02:66:66:66:66:67
dropped_by bridge "guard: mac" 1 at mallory "$IT/lib/probe" ask -t 0.5 \
	udp/10.65.0.3/80
at mallory ip link set eth0 address "$was"

# A network without IPv6 does not carry it.
dropped_by bridge "guard: ipv6 is off" 3 \
	at old "$IT/lib/frames" send eth0 "mac=$(mac_of old)" \
	ip6=fd00:67::2 vip6=fd00:67::3 "vmac=$(mac_of older)" ll=fe80::1 -- \
	honest6 ra ip6-odd
at old "$IT/lib/frames" send eth0 "mac=$(mac_of old)" ip=10.67.0.2 \
	vip=10.67.0.3 "vmac=$(mac_of older)" -- honest
wait_until 5 saw older honest
same "$(sed 1d "$DIR/watch-older.log" | xargs)" "eth0 honest" "seen by older"

# berth.guard=off: the same frames are real, and do harm.
same "$(nft -j list set bridge berth-bridge guarded |
	jq -r '[.nftables[].set?.elem? // empty] | flatten | index("'"$(port_of loose)"'")')" \
	null "the port is guarded"
all=()
for comment in "${!rule[@]}"; do
	# shellcheck disable=SC2206 # words
	all+=(${rule[$comment]})
done
counts bridge | grep ^guard >"$DIR/counts-1"
forge loose "${all[@]}"
forge loose honest
wait_until 5 saw prey honest
counts bridge | grep ^guard >"$DIR/counts-2"
same "$(changed "$DIR/counts-1" "$DIR/counts-2")" "" "guard counters"
for name in "${all[@]}"; do
	case $name in
	*-to-host) wait_until 2 saw host "$name" ;;
	*) saw prey "$name" || missing+=" $name" ;;
	esac
done
same "${missing-}" "" "did not arrive with the guard off"
contains "$(at prey ip -6 route show default)" "$(ll_of loose)" \
	"default route that the advertisement made"
# The host itself stays as it was even so.
host_unharmed
same "$(at old ip -6 addr show dev eth0)" "" "IPv6 on a network without it"
