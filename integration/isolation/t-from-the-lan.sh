#!/bin/bash
# From the LAN only published ports are reached, and only where they are
# published: not a container's address, not what is published on 127.0.0.1, ::1
# or another address - whatever routes and frames the neighbour makes, and
# whatever sysctls the administrator sets.  (moby#14041, #41872, #45610.)
. "${0%/*}/../lib/lib.sh"
. "$IT/lib/iso.sh"

berth_host
ip addr add 192.0.2.3/24 dev up1
docker network create -d berth-bridge --ipv6 --subnet 10.65.0.0/24 \
	--subnet fd00:65::/64 n1 >/dev/null
docker network create -d berth-bridge --ipv6 --subnet 10.66.0.0/24 \
	--subnet fd00:66::/64 n2 >/dev/null
container web n1 -p 8080:80 -p 8080:80/udp -p 127.0.0.1:8081:81 \
	-p 127.0.0.1:8081:81/udp -p '[::1]:8082:81' -p '[::1]:8082:81/udp' \
	-p 192.0.2.3:8083:80 -p 192.0.2.3:8083:80/udp
container near n1
container far n2
listening
watch web eth0

# The neighbour's routes.
ns lan ip route add 10.65.0.0/24 via 192.0.2.1
ns lan ip -6 route add fd00:65::/64 via 2001:db8:2::1
ns lan ip addr del 127.0.0.1/8 dev lo
ns lan ip route add 127.0.0.1/32 via 192.0.2.1 dev eth0
ns lan ip route flush table local 127.0.0.0/8 2>/dev/null || :
ns lan sysctl -qw net.ipv4.conf.all.route_localnet=1 \
	net.ipv4.conf.eth0.route_localnet=1
ns lan ip -6 addr del ::1/128 dev lo
ns lan ip -6 route add ::1/128 via 2001:db8:2::1 dev eth0

from_lan() {
	asks lan <<-'END'
	tcp/192.0.2.1/8080              web 192.0.2.2
	udp/192.0.2.1/8080              web 192.0.2.2
	tcp/2001:db8:2::1/8080          web 2001:db8:2::2
	udp/2001:db8:2::1/8080          web 2001:db8:2::2
	tcp/192.0.2.3/8080              web 192.0.2.2
	tcp/192.0.2.3/8083              web 192.0.2.2
	udp/192.0.2.3/8083              web 192.0.2.2
	tcp/192.0.2.1/8083              no      # published on the other address
	udp/192.0.2.1/8083              no
	tcp/2001:db8:2::1/8083          no
	tcp/192.0.2.1/80                refused # the container's port
	udp/192.0.2.1/80                refused
	tcp/192.0.2.1/8081              no      # published on 127.0.0.1
	udp/192.0.2.1/8081              no
	tcp/192.0.2.3/8081              no
	tcp/2001:db8:2::1/8081          no
	tcp/2001:db8:2::1/8082          no      # published on ::1
	udp/2001:db8:2::1/8082          no
	tcp/10.65.0.2/80                no      # published, its own side
	udp/10.65.0.2/80                no
	tcp/10.65.0.2/81                no
	tcp/10.65.0.2/8080              no
	tcp/10.65.0.3/80                no      # not published
	udp/10.65.0.3/80                no
	icmp/10.65.0.2                  no
	tcp/fd00:65::2/80               no
	udp/fd00:65::2/80               no
	tcp/fd00:65::3/80               no
	icmp/fd00:65::2                 no
	END
}
# A new host's first IPv6 packets may be lost to address and neighbour discovery.
wait_until 10 ns lan ping -c1 -W1 2001:db8:2::1
wait_until 10 ping -c1 -W1 fd00:65::2
dropped_by inet "not published" 11 from_lan
loopback() {
	ASK_TIME=0.6 asks lan <<-'END'
	tcp/127.0.0.1/8081              no
	udp/127.0.0.1/8081              no
	tcp/127.0.0.1/8080              no
	udp/127.0.0.1/8080              no
	tcp/::1/8082                    no
	udp/::1/8082                    no
	tcp/::1/8080                    no
	END
}
dropped_by inet "loopback from a wire" 5 loopback

# The same as frames, which no route of the neighbour's has to allow.  ::1 on a
# wire is refused by the kernel's IPv6 before any rule is asked.
lo=(lo-tcp lo-udp lo-udp-from-lo from-lo lo-tcp6 lo-udp6 from-lo6 lo-mapped
	from-lo-mapped)
forge_lo() { # PORT
	ns lan "$IT/lib/frames" send eth0 "mac=$(ns lan ip -j link show eth0 |
		jq -r '.[0].address')" ip=192.0.2.2 ip6=2001:db8:2::2 \
		gip=192.0.2.1 gip6=2001:db8:2::1 "port=$1" \
		"gmac=$(cat /sys/class/net/up1/address)" -- "${lo[@]}"
}
for port in 8080 8081 8082; do
	dropped_by inet "loopback from a wire" 6 forge_lo $port
done

# By the host's link-local address.
ll=$(ip -6 -j addr show dev up1 scope link | jq -er '[.[].addr_info[]?.local // empty][0]')
asks lan <<END
	tcp/$ll%eth0/8082               refused
	udp/$ll%eth0/8082               refused
	tcp/$ll%eth0/8081               refused
END

# Raw frames to containers, with forged sources of the LAN and of the network.
direct() {
	ns lan "$IT/lib/frames" send eth0 "mac=$(ns lan ip -j link show eth0 |
		jq -r '.[0].address')" "ip=$1" "ip6=$2" vip=10.65.0.2 \
		vip6=fd00:65::2 "gmac=$(cat /sys/class/net/up1/address)" -- \
		gateway-mac-tcp gateway-mac-udp gateway-mac-ping \
		gateway-mac-tcp6 gateway-mac-udp6 gateway-mac-ping6
}
dropped_by inet "not published" 6 direct 192.0.2.2 2001:db8:2::2
sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.up1.rp_filter=0
dropped_by inet "forged source" 6 direct 10.65.0.3 fd00:65::3
dropped_by inet "forged source" 6 direct 10.66.0.2 fd00:66::2

# The administrator opens what he can.
sysctl -qw net.ipv4.conf.all.route_localnet=1 \
	net.ipv4.conf.up1.route_localnet=1 net.ipv4.conf.up1.accept_local=1
dropped_by inet "loopback from a wire" 5 loopback
dropped_by inet "loopback from a wire" 6 forge_lo 8081
sysctl -qw net.ipv4.conf.all.route_localnet=0 net.ipv4.ip_forward=0
sysctl -qw net.ipv4.ip_forward=1
dropped_by inet "not published" 11 from_lan

# From containers and from the host by another address: refused.
for c in web near far; do
	asks $c <<-'END'
	tcp/192.0.2.1/8081              refused
	udp/192.0.2.1/8081              refused
	tcp/192.0.2.1/8083              refused
	tcp/2001:db8:2::1/8082          refused
	udp/2001:db8:2::1/8082          refused
	tcp/192.0.2.3/8083              web
	tcp/127.0.0.1/8081              refused
	tcp/::1/8082                    refused
	END
done
for c in near far; do
	at $c ip addr flush dev lo
	at $c ip route add 127.0.0.1/32 via "$(at $c ip -j route show default |
		jq -r '.[0].gateway')" dev eth0
	at $c ip -6 route add ::1/128 via "$(at $c ip -6 -j route show default |
		jq -r '.[0].gateway')" dev eth0
	at $c sysctl -qw net.ipv4.conf.all.route_localnet=1 \
		net.ipv4.conf.eth0.route_localnet=1
	dropped_by inet "loopback from a wire" 2 asks $c <<-'END'
	tcp/127.0.0.1/8081              no
	udp/127.0.0.1/8081              no
	tcp/::1/8082                    no
	udp/::1/8082                    no
	END
done
asks host <<'END'
	tcp/127.0.0.1/8081              web
	udp/127.0.0.1/8081              web
	tcp/::1/8082                    web
	udp/::1/8082                    web
	tcp/192.0.2.1/8081              refused
	udp/192.0.2.1/8081              refused
	tcp/2001:db8:2::1/8082          refused
	tcp/10.65.0.1/8081              refused
	tcp/192.0.2.1/8083              refused
	tcp/127.0.0.1/8083              refused
	tcp/192.0.2.3/8083              web
	tcp/10.65.0.2/80                web     # the host itself may
	tcp/10.65.0.2/81                web
END
same "$(sed 1d "$DIR/watch-web.log")" "" "forged frames at the container"
