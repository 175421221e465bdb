#!/bin/bash
# In a cluster no host speaks for another's endpoint: a host that was taken over sends what it
# likes in its VXLAN, and of that only arrives what is its own endpoints', MAC and address.
. "${0%/*}/../lib/lib.sh"
# shellcheck source=integration/lib/hosts
. "$IT/lib/hosts"
# shellcheck source=integration/lib/overlay
. "$IT/lib/overlay"
need curl jq ping nft etcd etcdctl python3

for h in a b evil; do
	host_new $h
done
hosts_etcd a
for h in a b evil; do
	host_daemon $h berth-overlay --underlay eth0 --store "$STORE" --node $h
done
ov_network net 9 '' a b evil
ov_network free 8 '"berth.guard":"off"' a b evil
n=1
for h in a b evil; do
	n=$((n + 1))
	ov_container net 9 $h $n net$h
	[ $h = b ] || ov_container free 8 $h $n free$h
done
# what is right passes, before and behind all that follows
reached() { # SECONDS - others' containers reach a's
	local from to
	for from in b evil; do
		for to in 10.9.0.2 fd00:9::2; do
			wait_until "$1" ns "net$from" ping -qc1 -W1 $to
		done
	done
	wait_until "$1" ns freeevil ping -qc1 -W1 10.8.0.2
	# a neighbour asked directly, as a kernel does from time to time
	ns neta ip neigh flush dev eth0
	ns neta ping -qc1 -W1 10.9.0.3 >/dev/null || fail "b asked for anew"
	ns neta ping -qc1 -W1 fd00:9::3 >/dev/null || fail "b asked for anew by IPv6"
}
reached 10

# forge [BYTE] - frames to a's container of that network, by evil's own wire: one of
# lib/forge a line, "KIND text=TEXT KEY=VALUE..."
forge() {
	local x=${1:-9} name=net
	[ "$x" = 9 ] || name=free
	ns evil python3 -c '
import importlib.machinery, sys
f = importlib.machinery.SourceFileLoader("forge", sys.argv[1]).load_module()
for line in sys.stdin:
    kind, *more = line.split()
    f.send(sys.argv[2], kind, sys.argv[3:] + more)
' "$IT/lib/forge" "bx-$(ov_id $name | cut -c1-12)" "smac=02:42:00:00:0$x:04" \
		"dmac=02:42:00:00:0$x:02" dport=9
}
for x in net free; do
	in_background $x.heard nsenter --net=/run/netns/${x}a -- "$IT/lib/forge" listen eth0
done
wait_until 5 grep -q ready "$DIR/net.heard"
wait_until 5 grep -q ready "$DIR/free.heard"
fe80=fe80::42:ff:fe00 # and BYTE:N
# b's container's, a's own, the gateway's, nobody's; what a neighbour is told
lies() { # WORD - that each text begins with
	forge <<END
udp text=$1-ip4 src=10.9.0.3 dst=10.9.0.2
udp text=$1-mine src=10.9.0.2 dst=10.9.0.2
udp text=$1-gateway src=10.9.0.1 dst=10.9.0.2
udp text=$1-nobody src=10.9.0.77 dst=10.9.0.2
udp text=$1-ip6 src=fd00:9::3 dst=fd00:9::2
icmp text=$1-ping6 src=fd00:9::3 dst=fd00:9::2
udp text=$1-local6 src=$fe80:903 dst=fd00:9::2
arp-reply text=$1-arp spa=10.9.0.3 tpa=10.9.0.2
arp-request text=$1-asks spa=10.9.0.3 tpa=10.9.0.2
na text=$1-na src=fd00:9::4 dst=fd00:9::2 target=fd00:9::3
na text=$1-na-ip6 src=fd00:9::3 dst=fd00:9::2 target=fd00:9::3
ns text=$1-dad src=:: dst=ff02::1:ff00:2 target=fd00:9::2
vlan text=$1-vlan src=10.9.0.4 dst=10.9.0.2
udp text=$1-mac src=10.9.0.3 dst=10.9.0.2 smac=02:42:00:00:09:03
END
}
truth() { # WORD
	forge <<END
udp text=$1-own4 src=10.9.0.4 dst=10.9.0.2
udp text=$1-own6 src=fd00:9::4 dst=fd00:9::2
icmp text=$1-own-local6 src=$fe80:904 dst=fd00:9::2
arp-reply text=$1-own-arp spa=10.9.0.4 tpa=10.9.0.2
na text=$1-own-na src=fd00:9::4 dst=fd00:9::2 target=fd00:9::4
ns text=$1-own-dad src=:: dst=ff02::1:ff00:4 target=fd00:9::4
ns text=$1-own-ns src=fd00:9::4 dst=fd00:9::2 target=fd00:9::2
udp text=$1-last src=10.9.0.4 dst=10.9.0.2
END
	wait_until 5 grep -qx "$1-last" "$DIR/net.heard"
}
heard() { # WORD - the texts heard on net so far that begin so
	sed -n "s/^$1-//p" "$DIR/net.heard" | sort | paste -sd' '
}
own="last own-arp own-dad own-local6 own-na own-ns own4 own6"
dropped() { # FAMILY COMMENT - packets on a
	ns a nft -j list table "$1" berth-overlay-vxlan | jq --arg c "$2" \
		'[.nftables[].rule? | select(.comment == $c) | .expr[].counter?.packets // empty] | add'
}
before=$(dropped bridge 'not its own address')
lies bound
truth bound
same "$(heard bound)" "$own" "heard by a's container"
same "$(($(dropped bridge 'not its own address') - before))" 12 "lies that were counted"
same "$(dropped inet 'no endpoint of that host')" 1 "another's MAC"

note "without the source guard containers send from where they like: MACs alone are looked at"
forge 8 <<END
udp text=free-ip4 src=10.8.0.3 dst=10.8.0.2
udp text=free-mac src=10.8.0.3 dst=10.8.0.2 smac=02:42:00:00:08:03
udp text=free-last src=10.77.0.3 dst=10.8.0.2
END
wait_until 5 grep -qx free-last "$DIR/free.heard"
same "$(grep free- "$DIR/free.heard" | paste -sd' ')" "free-ip4 free-last" "heard without the guard"

# nft reads back what is in the sets, too
ns a nft list ruleset >"$DIR/saved"
contains "$(grep -A9 'set own4' "$DIR/saved")" \
	"\"bx-$(ov_id net | cut -c1-12)\" . 02:42:00:00:09:04 . 10.9.0.4"
new_ns boot
ns boot nft -f "$DIR/saved" || fail "nft does not read what it listed"
ns boot nft list ruleset >"$DIR/again"
sed -i 's/ expires [0-9a-z]*//g' "$DIR/saved" "$DIR/again" # what goes by itself
diff -u0 "$DIR/saved" "$DIR/again" || fail "nft reads another ruleset than it listed"

# That it is those rules: without them, here until somebody mends them, all arrives.
host_stop a berth-overlay KILL
ns a nft "flush chain bridge berth-overlay-vxlan in-own; flush chain inet berth-overlay-vxlan known"
lies bare
truth bare
same "$(heard bare)" "arp asks dad gateway ip4 ip6 last local6 mac mine na na-ip6 nobody ${own#last } ping6 vlan" \
	"heard without the rules"
host_daemon a berth-overlay --underlay eth0 --store "$STORE" --node a
mended() {
	ns a nft list chain bridge berth-overlay-vxlan in-own | grep -q in-own4 &&
		ns a nft list chain inet berth-overlay-vxlan known | grep -q far4
}
wait_until 10 mended
wait_until 10 ns netevil ping -qc1 -W1 10.9.0.2
lies mended
truth mended
same "$(heard mended)" "$own" "heard when the daemon is back"

# An endpoint moves its address to another host: it is that one's from then on.
ov_leave b net netb
e="\"NetworkID\":\"$(ov_id net)\",\"EndpointID\":\"$(ov_id moved)\""
ov_api evil CreateEndpoint "{$e,\"Options\":{},\"Interface\":{\"Address\":\"10.9.0.3/24\",
	\"AddressIPv6\":\"fd00:9::3/64\",\"MacAddress\":\"02:42:00:00:09:03\"}}"
there() {
	ns a bridge fdb show | grep -q "02:42:00:00:09:03.* dst $(host_address evil) "
}
wait_until 5 there
forge <<<"udp text=moved-other src=10.9.0.3 dst=10.9.0.2"
forge <<<"udp text=moved-ip4 src=10.9.0.3 dst=10.9.0.2 smac=02:42:00:00:09:03"
truth moved
same "$(heard moved)" "ip4 $own" "heard after the move"

for h in a b evil; do
	for x in net free; do
		[ $h = b ] || ov_leave $h $x $x$h
		[ $x$h != netevil ] ||
			ov_api $h DeleteEndpoint "{\"NetworkID\":\"$(ov_id net)\",\"EndpointID\":\"$(ov_id moved)\"}"
		ov_drop $h $x
	done
done
