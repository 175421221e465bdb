#!/bin/bash
# The server sees the client's own address, IPv4 and IPv6, TCP and UDP, from the
# LAN, from another container and after masquerading is at work beside it.
. "${0%/*}/../lib/lib.sh"

berth_host
need socat
docker network create -d berth-bridge --ipv6 --subnet 10.65.0.0/24 \
	--subnet fd00:65::/64 n1 >/dev/null
docker network create -d berth-bridge --ipv6 --subnet 10.66.0.0/24 \
	--subnet fd00:66::/64 n2 >/dev/null
docker run -d --name who --network n1 -p 7000:7 -p 7000:7/udp --stop-signal KILL bb:1 sleep 999 >/dev/null
docker run -d --name far --network n2 --stop-signal KILL bb:1 sleep 999 >/dev/null
server who tcp 7 who
server who udp 7 who

v4=tcp:192.0.2.1:7000
v6='tcp6:[2001:db8:2::1]:7000'
same "$(ns lan socat -u -T2 "$v4" - | cut -d' ' -f1)" 192.0.2.2 "LAN, IPv4"
same "$(ns lan socat -u -T2 "$v6" - | cut -d' ' -f1)" 2001:db8:2::2 "LAN, IPv6"
same "$(ns lan socat -T2 - udp:192.0.2.1:7000 <<<x | cut -d' ' -f1)" 192.0.2.2 "LAN, UDP"
same "$(ns lan socat -T2 - 'udp6:[2001:db8:2::1]:7000' <<<x | cut -d' ' -f1)" 2001:db8:2::2 "LAN, UDP, IPv6"
far=$(pid_of far)
same "$(inns "$far" socat -u -T2 "$v4" - | cut -d' ' -f1)" "$(ip_of far n2)" "container of another network"
same "$(inns "$far" socat -u -T2 "$v6" - | cut -d' ' -f1)" "$(ip6_of far n2)" "the same, IPv6"
# What containers send out is masqueraded, IPv4 and IPv6.
in_background lan-server.log nsenter --net=/run/netns/lan -- "$IT/lib/server" tcp 9000 who
wait_until 5 grep -q ready "$DIR/lan-server.log"
same "$(inns "$far" socat -u -T2 tcp:192.0.2.2:9000 - | cut -d' ' -f1)" 192.0.2.1 "masquerade"
same "$(inns "$far" socat -u -T2 'tcp6:[2001:db8:2::2]:9000' - | cut -d' ' -f1)" 2001:db8:2::1 "masquerade, IPv6"
