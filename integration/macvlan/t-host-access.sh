#!/bin/bash
# berth.host_access: this host and its containers reach each other, IPv4 and IPv6, also
# after the daemon and the parent were away, and the host's addresses changed; the LAN
# sees one MAC of the host; with the last container all of it is gone.
. "${0%/*}/../lib/lib.sh"
need docker curl jq nft

lan
start_daemon berth-macvlan
start_dockerd
docker network create -d berth-macvlan --subnet 192.0.2.0/24 --gateway 192.0.2.2 \
	--ipv6 --subnet 2001:db8:2::/64 --gateway 2001:db8:2::2 -o parent=up1 \
	-o berth.host_access=on n1 >/dev/null
fails ip link show bh-up1
serve web n1 80 --ip 192.0.2.70 --ip6 2001:db8:2::70
serve other n1 80 --ip 192.0.2.71 --ip6 2001:db8:2::71
mkdir -p www && echo host >www/index.html
in_background httpd busybox httpd -f -p '[::]:8000' -h "$DIR/www"
wait_until 5 sh -c 'ss -Hltn "sport = :8000" | grep -q .'

both_ways() { # WHEN
	same "$(fetch http://192.0.2.70/)" web "host to container, $1"
	same "$(fetch 'http://[2001:db8:2::70]/')" web "host to container, IPv6, $1"
	same "$(from web http://192.0.2.1:8000/)" host "container to host, $1"
	same "$(from web 'http://[2001:db8:2::1]:8000/')" host "container to host, IPv6, $1"
	same "$(ns lan curl -s --max-time 5 http://192.0.2.70/)" web "the LAN, $1"
}
routes() {
	{ ip route show dev bh-up1 && ip -6 route show dev bh-up1 proto static; } |
		awk '{ print $1 }' | sort | paste -sd' '
}

both_ways 'at first'
same "$(routes)" '192.0.2.70 192.0.2.71 2001:db8:2::70 2001:db8:2::71'
same "$(ip route get 192.0.2.70 | awk '{ print $5; exit }')" 192.0.2.1 "source"
# What the LAN asks for is answered by the parent alone.
ns lan ip neigh flush all
ns lan ping -q -c 2 192.0.2.1 >/dev/null
ns lan ping -q -c 2 2001:db8:2::1 >/dev/null
for a in 192.0.2.1 2001:db8:2::1; do
	same "$(ns lan ip -j neigh show "$a" | jq -r '.[0].lladdr')" \
		"$(cat /sys/class/net/up1/address)" "the host's MAC on the LAN"
done
same "$(ns lan busybox arping -c 3 -w 5 -I eth0 192.0.2.1 |
	sed -n 's/.*reply.*\[\(.*\)\].*/\1/p' | tr A-F a-f | sort -u)" \
	"$(cat /sys/class/net/up1/address)" "who answers ARP on the LAN"
# The container knows the shim's.
same "$(inns "$(pid_of web)" ip -j neigh show 192.0.2.1 | jq -r '.[0].lladdr')" \
	"$(cat /sys/class/net/bh-up1/address)"

kill9_daemon berth-macvlan
both_ways 'daemon dead'
start_daemon berth-macvlan
both_ways 'daemon back'
docker rm -f other >/dev/null
same "$(routes)" '192.0.2.70 2001:db8:2::70'

# The host's addresses change.
ip addr del 192.0.2.1/24 dev up1
ip addr add 192.0.2.9/24 dev up1
ip addr add 2001:db8:2::9/64 dev up1 nodad
wait_until 5 sh -c 'ip route get 192.0.2.70 | grep -q "src 192.0.2.9"'
wait_until 5 sh -c 'ip -6 addr show dev bh-up1 | grep -q "2001:db8:2::9/128"'
same "$(from web 'http://[2001:db8:2::9]:8000/')" host
same "$(from web http://192.0.2.9:8000/)" host
ip addr del 2001:db8:2::9/64 dev up1
ip addr del 192.0.2.9/24 dev up1
ip addr add 192.0.2.1/24 dev up1
wait_until 5 sh -c 'ip route get 192.0.2.70 | grep -q "src 192.0.2.1"'
wait_until 5 sh -c '! ip -6 addr show dev bh-up1 | grep -q "2001:db8:2::9"'

# Somebody takes away what is ours.
ip link del bh-up1
wait_until 5 sh -c 'ip route show dev bh-up1 | grep -q 192.0.2.70'
nft delete table inet berth-macvlan
wait_until 5 nft list table inet berth-macvlan
both_ways 'mended'

# The parent goes down and up, away and back.
ip link set up1 down
contains "$(api Berth.Check '{}' berth-macvlan | jq -c .Problems)" 'up1 is down'
ip link set up1 up
ip addr add 2001:db8:2::1/64 dev up1 nodad
wait_until 5 sh -c 'ip -6 addr show dev bh-up1 | grep -q "2001:db8:2::1/128"'
both_ways 'the parent was down'
ip link del up1
ip netns del lan
wait_until 5 sh -c '! ip link show bh-up1'
# shellcheck disable=SC2034 # the library's
UPLINKS=()
lan
wait_until 10 sh -c 'ip -6 route show dev bh-up1 | grep -q 2001:db8:2::70'
wait_until 10 fetch http://192.0.2.70/
wait_until 10 ns lan ping -q -c 1 -W 1 192.0.2.70
both_ways 'the parent is another'

docker rm -f web >/dev/null
fails ip link show bh-up1
fails nft list table inet berth-macvlan
docker network rm n1 >/dev/null

# No address on the parent: the user gives one.
ip addr flush dev up1
docker network create -d berth-macvlan --subnet 192.0.2.0/24 --gateway 192.0.2.2 \
	--aux-address host=192.0.2.99 -o parent=up1 -o berth.host_access=on n1 >/dev/null
serve web n1 80
same "$(fetch "http://$(ip_of web n1)/")" web
same "$(from web http://192.0.2.99:8000/)" host
docker rm -f web >/dev/null
docker network rm n1 >/dev/null

for mode in private vepa passthru; do
	fails_with 'only with macvlan_mode=bridge' docker network create -d berth-macvlan \
		--subnet 192.0.2.0/24 -o parent=up1 -o macvlan_mode=$mode \
		-o berth.host_access=on n9
done
fails_with 'leave out --internal' docker network create -d berth-macvlan --internal \
	--subnet 192.0.2.0/24 -o parent=up1 -o berth.host_access=on n9
