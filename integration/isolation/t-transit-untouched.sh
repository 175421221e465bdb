#!/bin/bash
# A host that the administrator made a router goes on routing: packets to other
# hosts are not led to published ports, nor dropped, nor masqueraded.  A host that
# forwards only because of us does not become one.
. "${0%/*}/../lib/lib.sh"
. "$IT/lib/iso.sh"

lan
lan lan2 2
sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
for l in "lan 192.0.3.0/24 192.0.2.1 2001:db8:3::/64 2001:db8:2::1" \
	"lan2 192.0.2.0/24 192.0.3.1 2001:db8:2::/64 2001:db8:3::1"; do
	read -r name n4 g4 n6 g6 <<<"$l"
	ns "$name" ip route add "$n4" via "$g4"
	ns "$name" ip -6 route add "$n6" via "$g6"
	in_background "listen-$name.log" nsenter "--net=/run/netns/$name" -- \
		"$IT/lib/probe" listen "$name" 8080 8081
	wait_until 5 grep -q ready "$DIR/listen-$name.log"
done
berth_host
iptables -P FORWARD ACCEPT # dockerd 20.10 sets DROP only where it turns it on
docker network create -d berth-bridge --ipv6 --subnet 10.65.0.0/24 \
	--subnet fd00:65::/64 n1 >/dev/null
container web n1 -p 8080:80 -p 8080:80/udp -p 192.0.3.1:8081:80
container client n1
listening
transit() {
	asks lan <<-'END'
	tcp/192.0.3.2/8080              lan2 192.0.2.2
	udp/192.0.3.2/8080              lan2 192.0.2.2
	tcp/192.0.3.2/8081              lan2 192.0.2.2
	tcp/2001:db8:3::2/8080          lan2 2001:db8:2::2
	udp/2001:db8:3::2/8080          lan2 2001:db8:2::2
	icmp/192.0.3.2                  pong
	tcp/192.0.2.1/8080              web 192.0.2.2
	tcp/192.0.3.1/8080              web 192.0.2.2
	tcp/192.0.3.1/8081              web 192.0.2.2
	tcp/192.0.2.1/8081              refused
	END
	asks lan2 <<-'END'
	tcp/192.0.2.2/8080              lan 192.0.3.2
	udp/192.0.2.2/8080              lan 192.0.3.2
	tcp/2001:db8:2::2/8080          lan 2001:db8:3::2
	tcp/192.0.3.1/8081              web 192.0.3.2
	END
}
transit
# Containers and the host reach other hosts' port 8080 too.
asks client <<'END'
	tcp/192.0.2.2/8080      lan 192.0.2.1
	udp/192.0.3.2/8080      lan2 192.0.3.1
	tcp/2001:db8:2::2/8080  lan 2001:db8:2::1
END
asks host <<'END'
	tcp/192.0.2.2/8080      lan 192.0.2.1
	udp/192.0.3.2/8080      lan2 192.0.3.1
END
same "$(cat /proc/sys/net/ipv4/ip_forward)" 1 "forwarding"

# The administrator's forwarding is left on when our last network goes.
end "${LISTEN[web]}"
end "${LISTEN[client]}"
docker rm -f web client >/dev/null
docker network rm n1 >/dev/null
same "$(cat /proc/sys/net/ipv4/ip_forward) $(cat \
	/proc/sys/net/ipv6/conf/all/forwarding)" "1 1" "forwarding"
asks lan <<'END'
	tcp/192.0.3.2/8080              lan2 192.0.2.2
	udp/192.0.3.2/8080              lan2 192.0.2.2
	tcp/2001:db8:3::2/8080          lan2 2001:db8:2::2
END

# Turned on by us: not between others.  (dockerd turns IPv4 on by itself, and
# drops then: so it is out of the way here.)
stop_dockerd
ip link del docker0
sysctl -qw net.ipv4.ip_forward=0 net.ipv6.conf.all.forwarding=0
for t in ip ip6; do nft delete table $t filter 2>/dev/null || :; done
n=$(printf '%064d' 7)
api NetworkDriver.CreateNetwork "{\"NetworkID\":\"$n\",\"Options\":{},
	\"IPv4Data\":[{\"AddressSpace\":\"x\",\"Pool\":\"10.69.0.0/24\",
	\"Gateway\":\"10.69.0.1/24\",\"AuxAddresses\":{}}],
	\"IPv6Data\":[{\"AddressSpace\":\"x\",\"Pool\":\"fd00:69::/64\",
	\"Gateway\":\"fd00:69::1/64\",\"AuxAddresses\":{}}]}" berth-bridge
same "$(cat /proc/sys/net/ipv4/ip_forward)" 2 "forwarding"
not_between() {
	asks lan <<-'END'
	tcp/192.0.3.2/8080              no
	udp/192.0.3.2/8080              no
	tcp/2001:db8:3::2/8080          no
	icmp/192.0.3.2                  no
	END
}
dropped_by inet "forwarding between others" 4 not_between
api NetworkDriver.DeleteNetwork "{\"NetworkID\":\"$n\"}" berth-bridge
same "$(cat /proc/sys/net/ipv4/ip_forward) $(cat \
	/proc/sys/net/ipv6/conf/all/forwarding)" "0 0" "forwarding"
