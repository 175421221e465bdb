#!/bin/bash
# netctl doctor finds each fault that is planted, says what to do, what it says mends
# it, and on a sound host it finds nothing.
. "${0%/*}/lib.sh"
need root curl jq nft iptables ip6tables

doctor() {
	"$NETCTL" doctor --json "$@" || [ $? = 3 ]
}
# finds LEVEL CHECK TEXT - sets FIX
finds() {
	local all
	all=$(doctor)
	FIX=$(jq -r --arg l "$1" --arg c "$2" --arg t "$3" '[.[] | select(.Level == $l and
		.Check == $c and (.What | contains($t)))][0].Fix // empty' <<<"$all")
	[ -n "$FIX" ] || fail "no $1 finding of $2 with '$3': $all"
	note "found: $2: $3"
}
LEGACY=  # a check that is not sound any more
unsound() {
	doctor | jq -c --arg l "$LEGACY" '[.[] | select(.Level != "ok" and .Check != $l)]'
}
sound() {
	same "$(unsound)" '[]' "findings: $1"
}
soon_sound() { # the daemon mends it itself, within seconds
	local end=$((EPOCHSECONDS + 6))
	until [ "$(unsound)" = '[]' ]; do
		[ $EPOCHSECONDS -lt $end ] || sound "$1"
		pause 0.2
	done
}
mend() { # what the doctor says, word for word, up to a remark in brackets
	eval "${FIX%% (*}" >/dev/null
	sound "after: $FIX"
}

lan
sound "without daemons"
"$NETCTL" up
net=$(hex a)
new_net "$net" 45 true
bridge=$("$NETCTL" network ls --json | jq -r '.[0].Bridge')
publish "$net" "$(hex e)" 10.45.0.2 8045 80
sound "with a network"
"$NETCTL" doctor --quiet >"$DIR/quiet"
same "$(cat "$DIR/quiet")" ''

sysctl -qw net.ipv4.ip_forward=0
finds bad drift 'ip_forward is 0'
finds bad forwarding 'IPv4 forwarding is off'
mend
sysctl -qw "net/ipv4/conf/$bridge/forwarding=0"
finds bad forwarding "IPv4 forwarding is off for $bridge"
mend
sysctl -qw net.ipv6.conf.all.forwarding=0
finds bad forwarding 'IPv6 forwarding is off'
mend
sysctl -qw "net/ipv4/conf/$bridge/rp_filter=1"
finds warn rp-filter "strict on $bridge"
mend
sysctl -qw "net/ipv4/conf/$bridge/rp_filter=0"
sysctl -qw "net/ipv4/conf/up1/route_localnet=1"
finds warn route-localnet up1
mend
sysctl -qw "net/ipv6/conf/up1/accept_ra=1"
finds warn accept-ra up1
mend

# a FORWARD chain that drops: Berth itself puts its rule there, if it is alive
kill -STOP "$(pid_named berth-bridge)"
iptables -P FORWARD DROP
finds bad forward-chain "no accept rule for $bridge"
contains "$FIX" "iptables -I FORWARD -i $bridge -j ACCEPT; iptables -I FORWARD -o $bridge -j ACCEPT"
finds bad daemons 'berth-bridge does not answer'
kill -CONT "$(pgrep -x berth-bridge)"
soon_sound "once the daemon is awake"
# what is kept for a network without a way out is one rule, within its bridge
same "$(api NetworkDriver.CreateNetwork "{\"NetworkID\":\"$(hex b)\",\"Options\":{
	\"com.docker.network.internal\":true,\"com.docker.network.generic\":{}},
	\"IPv4Data\":[{\"AddressSpace\":\"x\",\"Pool\":\"10.46.0.0/24\",
	\"Gateway\":\"10.46.0.1/24\",\"AuxAddresses\":{}}],\"IPv6Data\":[]}" berth-bridge)" '{}'
soon_sound "with an internal network"
del_net "$(hex b)"

# rules of DOCKER-USER that have no effect
iptables -N DOCKER-USER
iptables -I FORWARD -j DOCKER-USER
iptables -A DOCKER-USER -p tcp --dport 8045 -j DROP
finds warn docker-user 'with published port 8045'
contains "$FIX" '--ctorigdstport 8045'
iptables -F DOCKER-USER
iptables -A DOCKER-USER -p tcp --dport 8000:8100 -j DROP
finds warn docker-user 'with published port 8045'
iptables -F DOCKER-USER
iptables -A DOCKER-USER -p tcp -m multiport --dports 22,8045 -j DROP
finds warn docker-user 'with published port 8045'
iptables -F DOCKER-USER
iptables -A DOCKER-USER -p tcp -m conntrack --ctorigdstport 8045 -j DROP
iptables -A DOCKER-USER -p tcp --dport 22 -j DROP
iptables -A DOCKER-USER -j RETURN
soon_sound "with rules that do have an effect"
iptables -A DOCKER-USER -s 192.0.2.9 -j DROP
finds warn docker-user 'DOCKER-USER (iptables) ends with rule'
iptables -F DOCKER-USER
iptables -F FORWARD
iptables -X DOCKER-USER
iptables -P FORWARD ACCEPT
soon_sound "without Docker's chains"
nft delete table ip filter

iptables-legacy -P FORWARD DROP
finds warn legacy-iptables 'legacy iptables rules are loaded'
contains "$FIX" "iptables-legacy -I FORWARD -i $bridge -j ACCEPT"
iptables-legacy -P FORWARD ACCEPT
LEGACY=legacy-iptables

ip route add 10.45.0.128/25 via 192.0.2.2
finds bad routes 'route 10.45.0.128/25 dev up1 takes addresses'
mend
ip route add 10.0.0.0/8 via 192.0.2.2
finds warn routes 'lies within route 10.0.0.0/8 dev up1'
ip route del 10.0.0.0/8
ip link set up1 mtu 1400
finds bad mtu 'has MTU 1500, the uplink up1 only 1400'
ip link set up1 mtu 1500

# what refuses is passed by where eBPF carries; the other network's meets it
nft 'add table inet admin; add chain inet admin f { type filter hook forward priority 0; }'
nft 'add rule inet admin f ip saddr 192.0.2.9 reject; add rule inet admin f tcp dport 25 drop'
sound "with rules that are met"
same "$(api NetworkDriver.CreateNetwork "{\"NetworkID\":\"$(hex c)\",\"Options\":{
	\"com.docker.network.generic\":{\"berth.dataplane\":\"ebpf\"}},
	\"IPv4Data\":[{\"AddressSpace\":\"x\",\"Pool\":\"10.47.0.0/24\",
	\"Gateway\":\"10.47.0.1/24\",\"AuxAddresses\":{}}],\"IPv6Data\":[]}" berth-bridge)" '{}'
finds warn bypassed-rules '2 rule(s) that refuse packets, in inet admin f,'
contains "$FIX" 'berth.firewall=respect'
nft delete table inet admin
soon_sound "without such rules"
del_net "$(hex c)"

# dead daemons
"$NETCTL" down berth-bridge
finds bad daemons 'berth-bridge is not running but has records here'
mend
kill -9 "$(supervisor)"
wait_until 15 no_process berth-bridge
finds bad daemons 'berth-bridge is dead'
finds bad daemons 'berth-ipam is dead'
finds bad daemons 'berth-named is dead'
finds bad daemons 'berth-dns is dead'
contains "$(doctor | jq -r '.[] | select(.What | startswith("berth-dns is dead")).Why')" 'find no names'
"$NETCTL" up >/dev/null
sound "after up"

"$NETCTL" doctor --bpf-dir /tmp --json >"$DIR/bpf" && fail "should give 3"
contains "$(cat "$DIR/bpf")" 'mount -t bpf bpf /tmp'
unpublish "$net" "$(hex e)"
del_net "$net"
"$NETCTL" down
# Mended with a 1, forwarding is the administrator's and outlives our networks.
same "$(cat /proc/sys/net/ipv4/ip_forward)" 1 "forwarding"
sysctl -qw net.ipv4.ip_forward=0 net.ipv6.conf.all.forwarding=0 \
	net.ipv6.conf.default.accept_ra=1
