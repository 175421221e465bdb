#!/bin/bash
# Where Berth turned forwarding on, machines on somebody else's bridge go on talking
# to each other, and whoever wants forwarding later (libvirt, podman, LXD, a VPN) has
# it from then on, also after the last Berth network.
. "${0%/*}/../lib/lib.sh"
need ip nft jq

create() { # NUMBER
	same "$(api NetworkDriver.CreateNetwork '{"NetworkID":"'"$(id "$1")"'","Options":{},
		"IPv4Data":[{"AddressSpace":"x","Pool":"10.65.'"$1"'.0/24",
		"Gateway":"10.65.'"$1"'.1/24","AuxAddresses":{}}],
		"IPv6Data":[{"AddressSpace":"x","Pool":"fd00:65:'"$1"'::/64",
		"Gateway":"fd00:65:'"$1"'::1/64","AuxAddresses":{}}]}' berth-bridge)" '{}'
}
delete() {
	same "$(api NetworkDriver.DeleteNetwork "{\"NetworkID\":\"$(id "$1")\"}" \
		berth-bridge)" '{}'
}
id() {
	printf '%d%063d' "$1" 0
}
machine() { # NAME BRIDGE ADDRESS/LEN
	new_ns "$1"
	ip link add "t$1" type veth peer name eth0 netns "$1"
	ip link set "t$1" master "$2" up
	ns "$1" ip addr add "$3" dev eth0
	ns "$1" ip link set eth0 up
}
forwarding() {
	cat /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv6/conf/all/forwarding | xargs
}
pings() {
	ns "$1" ping -c1 -W1 "$2" >/dev/null
}

lan
# Machines on a bridge of the administrator's, and bridge netfilter, as where
# dockerd or Kubernetes is.
ip link add br0 type bridge
ip link set br0 up
machine vm1 br0 10.99.0.1/24
machine vm2 br0 10.99.0.2/24
sysctl -qw net.bridge.bridge-nf-call-iptables=1
wait_until 20 pings vm1 10.99.0.2
same "$(forwarding)" "0 0" "to begin with"

start_daemon berth-bridge
create 1
same "$(forwarding)" "2 2"
ns vm1 ping -c3 -i0.2 -W1 10.99.0.2 >/dev/null || fail "bridged frames are dropped"
# One that comes later.
ip link add br1 type bridge
ip link set br1 up
machine vm3 br1 10.98.9.1/24
machine vm4 br1 10.98.9.2/24
wait_until 20 pings vm3 10.98.9.2

# A network with NAT, as libvirt makes it.
ip link add virbr0 type bridge
ip addr add 10.98.0.1/24 dev virbr0
ip link set virbr0 up
machine guest virbr0 10.98.0.2/24
ns guest ip route add default via 10.98.0.1
nft -f - <<'END'
table ip virt {
	chain post {
		type nat hook postrouting priority srcnat
		ip saddr 10.98.0.0/24 oifname "up1" masquerade
	}
}
END
wait_until 20 pings guest 10.98.0.1
fails pings guest 192.0.2.2 # nobody has asked for it
sysctl -qw net.ipv4.ip_forward=1
wait_until 5 pings guest 192.0.2.2
same "$(nft -j list set inet berth-bridge stop |
	jq -c '[.nftables[].set? | select(. != null).elem[]?]')" '["ipv6"]' "guarded"
restart_daemon berth-bridge
create 2
pings guest 192.0.2.2
delete 2
delete 1
same "$(forwarding)" "1 0" "after the last network"
pings guest 192.0.2.2
pings vm1 10.99.0.2
# It is the administrator's now.
create 1
same "$(forwarding)" "1 2"
pings guest 192.0.2.2
delete 1
same "$(forwarding)" "1 0" "after the last network"

for l in br0 br1 virbr0; do ip link del "$l"; done
nft delete table ip virt
sysctl -qw net.ipv4.ip_forward=0
