#!/bin/bash
# berth-overlay and berth-bridge on one host: their networks are apart, a port is one's or
# the other's, each has its tables; who goes first takes nothing from the other, and after
# both the host is as it was.
. "${0%/*}/../lib/lib.sh"
need docker curl jq

berth_host
start_daemon berth-overlay
sysctl -qw net.ipv6.conf.up1.accept_ra=1
forward=$(sysctl -n net.ipv4.ip_forward net.ipv6.conf.all.forwarding)
bridge() {
	docker network create -d berth-bridge --ipv6 --subnet 10.7.0.0/24 \
		--subnet fd00:7::/64 br >/dev/null
	serve cbr br 80 -p 8081:80
}
overlay() {
	docker network create -d berth-overlay --ipv6 --subnet 10.8.0.0/24 \
		--subnet fd00:8::/64 -o berth.peers=192.0.2.2 ov >/dev/null
	serve cov ov 80 -p 8082:80
}
works() { # CONTAINER PORT
	same "$(ns lan curl -s --max-time 5 "http://192.0.2.1:$2/")" "$1" "$1 from the LAN"
	same "$(ns lan curl -gs --max-time 5 "http://[2001:db8:2::1]:$2/")" "$1" "$1 by IPv6"
	same "$(fetch "http://127.0.0.1:$2/")" "$1" "$1 from the host"
	inns "$(pid_of "$1")" ping -qc1 -W2 192.0.2.2 >/dev/null || fail "$1 gets not out"
}

bridge
overlay
works cbr 8081
works cov 8082
for t in berth-bridge berth-overlay; do
	nft list table inet $t >/dev/null
done
# apart, and one port is not two's
fails inns "$(pid_of cbr)" curl -s --max-time 1 "http://$(ip_of cov ov)/"
fails inns "$(pid_of cov)" curl -s --max-time 1 "http://$(ip_of cbr br)/"
fails_with '8081' docker run --rm --network ov -p 8081:80 bb:1 true
fails_with 'overlaps' docker network create -d berth-overlay --subnet 10.7.0.0/25 \
	-o berth.peers=192.0.2.2 clash

# Each in turn goes first: the other's network works on, and is guarded.  (IPv4
# forwarding is dockerd's as well; IPv6 is ours alone.)
drop() { # CONTAINER NETWORK
	docker rm -f "$1" >/dev/null
	wait_until 60 docker network rm "$2"
}
drop cbr br
same "$(sysctl -n net.ipv6.conf.all.forwarding)" 2 "forwarding without the bridge"
works cov 8082
contains "$(nft list set inet berth-overlay stop)" ipv6 "who guards forwarding"
bridge
works cbr 8081
drop cov ov
same "$(sysctl -n net.ipv6.conf.all.forwarding)" 2 "forwarding without the overlay"
works cbr 8081
contains "$(nft list set inet berth-bridge stop)" ipv6 "who guards forwarding"
drop cbr br
back() {
	[ "$(sysctl -n net.ipv6.conf.all.forwarding)" = "${forward#*$'\n'}" ] &&
		[ "$(sysctl -n net.ipv6.conf.up1.accept_ra)" = 1 ]
}
wait_until 4 back
for d in berth-bridge berth-overlay; do
	same "$(api Berth.Check '{}' $d | jq -c .Problems)" '[]' "problems of $d"
done

# What stands in the way is said.
ip link add vx7 type vxlan id 77 dstport 4789 local 192.0.2.1
fails_with 'VNI 77 on UDP port 4789 is that of link vx7' docker network create \
	-d berth-overlay --subnet 10.8.0.0/24 -o berth.peers=192.0.2.2 \
	-o com.docker.network.driver.overlay.vxlanid_list=77 taken
ip link del vx7
in_background udp.log socat -u UDP4-RECV:4789 -
wait_until 5 sh -c 'ss -Hlun "sport = :4789" | grep -q .'
fails_with 'UDP port 4789 is in use' docker network create \
	-d berth-overlay --subnet 10.8.0.0/24 -o berth.peers=192.0.2.2 taken
end "$PID"
