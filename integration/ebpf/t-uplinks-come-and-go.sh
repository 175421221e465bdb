#!/bin/bash
# The eBPF dataplane follows the host: an uplink that comes later, an address that
# comes and goes, a program that somebody detaches: back within 2 s, and the log
# says so.
export DATAPLANE=ebpf
. "${0%/*}/../lib/lib.sh"
need conntrack bpftool socat

berth_host
docker network create -d berth-bridge --subnet 10.65.0.0/24 n1 >/dev/null
serve web n1 80 -p 8080:80
# past FROM ADDRESS - the page comes, and conntrack knows nothing of it
past() {
	conntrack -F 2>/dev/null
	[ "$(ns "$1" curl -s --max-time 2 "http://$2:8080/")" = web ] &&
		[ -z "$(conntrack -L -p tcp --dport 8080 2>/dev/null)" ]
}
wait_until 2 past lan 192.0.2.1

# Another uplink.
lan lan2 2
wait_until 2 past lan2 192.0.3.1
past lan 192.0.2.1
in_background lan2.log nsenter --net=/run/netns/lan2 -- "$IT/lib/server" tcp 9000 who
wait_until 5 grep -q ready "$DIR/lan2.log"
same "$(inns "$(pid_of web)" socat -u -T2 tcp:192.0.3.2:9000 - | cut -d' ' -f1)" \
	192.0.3.1 "masquerade by the second uplink"

# Another address.
ip addr add 192.0.2.77/24 dev up1
wait_until 2 past lan 192.0.2.77
ip addr del 192.0.2.77/24 dev up1
silent() {
	! ns lan curl -s --max-time 1 http://192.0.2.77:8080/
}
wait_until 3 silent
past lan 192.0.2.1

# Detached by somebody: nftables serves meanwhile.
pin=/sys/fs/bpf/berth/v1/berth-bridge/publish_in_$(cat /sys/class/net/up1/ifindex)
bpftool link detach pinned "$pin" 2>/dev/null || tc filter del dev up1 ingress
same "$(ns lan curl -s --max-time 2 http://192.0.2.1:8080/)" web
wait_until 2 past lan 192.0.2.1
wait_until 2 grep -q 'event=attached-again' "$DIR/berth-bridge.log"

# An uplink goes, with its pin.
second=${pin%_*}_$(cat /sys/class/net/up2/ifindex)
test -e "$second"
ip link del up2
wait_until 2 test ! -e "$second"
past lan 192.0.2.1
no_problems() {
	[ "$(api Berth.Check '{}' berth-bridge | jq -c .Problems)" = '[]' ]
}
wait_until 3 no_problems
