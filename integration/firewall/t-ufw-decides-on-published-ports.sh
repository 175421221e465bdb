#!/bin/bash
# With berth.firewall=respect ufw decides who reaches a published port, by the
# host's port; with the default (open) it does not.
# time: 240
. "${0%/*}/../lib/lib.sh"
need docker curl jq ufw

ufw_up() {
	# ufw keeps its rules in /etc and wants an init system only to enable itself
	mount -t tmpfs tmpfs /run/ufw-etc
	cp -a /etc/ufw/. /run/ufw-etc/
	mount --bind /run/ufw-etc /etc/ufw
	cp -a /etc/default/ufw /run/ufw-etc/default
	mount --bind /run/ufw-etc/default /etc/default/ufw
	ufw --force enable >/dev/null
}
ufw_down() {
	ufw --force disable >/dev/null
	iptables -F && iptables -X && ip6tables -F && ip6tables -X || :
	nft delete table ip mangle
	nft delete table ip6 mangle
	umount /etc/default/ufw /etc/ufw /run/ufw-etc
}

mkdir -p /run/ufw-etc
berth_host
docker network create -d berth-bridge -o berth.firewall=respect --ipv6 \
	--subnet 10.66.0.0/24 --subnet fd00:66::/64 safe >/dev/null
docker network create -d berth-bridge open >/dev/null
serve safe1 safe 80 -p 8080:80 -p 5353:53/udp
serve open1 open 80 -p 8081:80
server safe1 udp 53
six="http://[2001:db8:2::1]:8080/"
ask_udp() { # from a new source port each time
	ns lan bash -c 'exec 3<>/dev/udp/192.0.2.1/5353; echo hi >&3
		read -rt 2 -N 1 <&3'
}
same "$(ns lan curl -sS --max-time 5 http://192.0.2.1:8080/)" safe1 "without ufw"
same "$(ns lan curl -gsS --max-time 5 "$six")" safe1 "without ufw, IPv6"
ask_udp

# Others set marks on the way in, as wg-quick does: nothing goes round for it.
again() {
	nft -j list ruleset | jq '[.nftables[].rule?
		| select(. != null and .comment == "accepted: in again")
		| .expr[].counter? | select(. != null).packets] | add'
}
for mark in "MARK --set-mark 1" "CONNMARK --restore-mark"; do
	for ipt in iptables ip6tables; do
		# shellcheck disable=SC2086 # words
		$ipt -t mangle -A PREROUTING -j $mark
	done
	was=$(again)
	same "$(ns lan curl -sS --max-time 5 http://192.0.2.1:8080/)" safe1 "$mark"
	same "$(ns lan curl -gsS --max-time 5 "$six")" safe1 "$mark, IPv6"
	ask_udp
	at_most $(($(again) - was)) 3 "packets that came in again with $mark"
done

ufw_up
same "$(ns lan curl -sS --max-time 5 http://192.0.2.1:8081/)" open1 "open, ufw on"
fails ns lan curl -sS --max-time 2 http://192.0.2.1:8080/
fails ns lan curl -gsS --max-time 2 "$six"
fails ask_udp
same "$(fetch http://127.0.0.1:8080/)" safe1 "this host itself"
# What looks like the accepted packet that comes in again is none.
ns lan ip neigh replace 192.0.2.1 lladdr ff:ff:ff:ff:ff:ff nud permanent dev eth0
fails ns lan curl -sS --max-time 2 http://192.0.2.1:8080/
fails ask_udp
ns lan ip neigh del 192.0.2.1 dev eth0

ufw allow from 192.0.2.2 to any port 8080 proto tcp >/dev/null
same "$(ns lan curl -sS --max-time 5 http://192.0.2.1:8080/)" safe1 "after ufw allow"
ns lan ip addr add 192.0.2.3/24 dev eth0
fails ns lan curl -sS --max-time 2 --interface 192.0.2.3 http://192.0.2.1:8080/

ufw delete allow from 192.0.2.2 to any port 8080 proto tcp >/dev/null
fails ns lan curl -sS --max-time 2 http://192.0.2.1:8080/
ufw allow 8080/tcp >/dev/null
ufw allow 5353/udp >/dev/null
same "$(ns lan curl -sS --max-time 5 --interface 192.0.2.3 http://192.0.2.1:8080/)" safe1
same "$(ns lan curl -gsS --max-time 5 "$six")" safe1 "after ufw allow, IPv6"
ask_udp

# The administrator's rule in DOCKER-USER counts as well, by the real interface.
iptables -I DOCKER-USER -i up1 -s 192.0.2.3 -m conntrack --ctstate NEW -j DROP
fails ns lan curl -sS --max-time 2 --interface 192.0.2.3 http://192.0.2.1:8080/
same "$(ns lan curl -sS --max-time 5 http://192.0.2.1:8080/)" safe1 "another client"
iptables -D DOCKER-USER 1
ufw_down
same "$(ns lan curl -sS --max-time 5 http://192.0.2.1:8080/)" safe1 "ufw off again"
