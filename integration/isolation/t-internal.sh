#!/bin/bash
# Nothing leaves an internal network and nothing comes in, though the container
# makes itself a default route; its containers reach each other and the gateway
# address; no port is published.
. "${0%/*}/../lib/lib.sh"
. "$IT/lib/iso.sh"

berth_host
docker network create -d berth-bridge --internal --ipv6 --subnet 10.65.0.0/24 \
	--subnet fd00:65::/64 in >/dev/null
docker network create -d berth-bridge --ipv6 --subnet 10.66.0.0/24 \
	--subnet fd00:66::/64 out >/dev/null
container one in -p 8080:80 -p 8080:80/udp
container two in
container ext out -p 8081:80 -p 8081:80/udp
listening
# On the host and the LAN somebody would answer.
in_background listen-host.log "$IT/lib/probe" listen host 7000
in_background listen-lan.log nsenter --net=/run/netns/lan -- \
	"$IT/lib/probe" listen lan 7000
for n in host lan; do wait_until 5 grep -q ready "$DIR/listen-$n.log"; done

same "$(at one ip route show default)" "" "default route"
same "$(api Berth.Ports '{}' berth-bridge | jq -c '[.Ports[].HostFirst]')" \
	"[8081,8081]" "published ports"
asks one <<'END'
	tcp/10.65.0.3/80        two 10.65.0.2
	udp/10.65.0.3/80        two 10.65.0.2
	icmp/10.65.0.3          pong
	tcp/fd00:65::3/80       two
	udp/fd00:65::3/80       two
	icmp/fd00:65::3         pong
	icmp/10.65.0.1          pong
	icmp/fd00:65::1         pong
END
watch lan eth0
in_background lan.pcap nsenter --net=/run/netns/lan -- tcpdump -Uni eth0 \
	-w "$DIR/lan.cap" 'net 10.65.0.0/24 or net fd00:65::/64'
# A way out is made; a neighbour of the LAN knows the way back.
at one ip route add default via 10.65.0.1
at one ip -6 route add default via fd00:65::1
ns lan ip route add 10.65.0.0/24 via 192.0.2.1
ns lan ip -6 route add fd00:65::/64 via 2001:db8:2::1
leaves() {
	asks one <<-'END'
	tcp/192.0.2.2/7000              no
	udp/192.0.2.2/7000              no
	icmp/192.0.2.2                  no
	tcp/2001:db8:2::2/7000          no
	udp/2001:db8:2::2/7000          no
	icmp/2001:db8:2::2              no
	tcp/192.0.2.1/7000              no      # the host, by its LAN address
	udp/192.0.2.1/7000              no
	icmp/192.0.2.1                  no
	tcp/2001:db8:2::1/7000          no
	icmp/2001:db8:2::1              no
	tcp/192.0.2.1/8081              no      # a published port elsewhere
	udp/192.0.2.1/8081              no
	tcp/192.0.2.1/8080              no
	tcp/10.66.0.2/80                no      # another network
	udp/10.66.0.2/80                no
	icmp/10.66.0.2                  no
	icmp/10.66.0.1                  no
	tcp/10.66.0.1/8081              no
	tcp/fd00:66::2/80               no
	icmp/fd00:66::2                 no
	icmp/fd00:66::1                 no
	END
}
dropped_by inet internal 14 leaves
# Into it, neither.
for place in lan ext; do
	asks $place <<-'END'
	tcp/10.65.0.2/80                no
	udp/10.65.0.2/80                no
	icmp/10.65.0.2                  no
	tcp/fd00:65::2/80               no
	udp/fd00:65::2/80               no
	icmp/fd00:65::2                 no
	tcp/192.0.2.1/8080              refused
	END
done
asks host <<'END'
	tcp/127.0.0.1/8080      refused
	tcp/192.0.2.1/8080      refused
	tcp/10.65.0.1/8080      refused
	tcp/10.65.0.2/80        one     # the host itself may
END
# Forged: to the gateway's MAC, and with the source of the other network.
for source in 10.65.0.2 10.66.0.2; do
	at one "$IT/lib/frames" send eth0 "mac=$(mac_of one)" ip=$source \
		ip6=fd00:65::2 vip=192.0.2.2 vip6=2001:db8:2::2 \
		"gmac=$(cat "/sys/class/net/$(bridge_of in)/address")" -- \
		gateway-mac-tcp gateway-mac-udp gateway-mac-ping \
		gateway-mac-tcp6 gateway-mac-udp6 gateway-mac-ping6
done
same "$(sed 1d "$DIR/watch-lan.log")" "" "forged frames at the LAN"

# The other network does reach them: the probes are not to blame.
asks ext <<'END'
	tcp/192.0.2.2/7000      lan 192.0.2.1
	udp/192.0.2.2/7000      lan 192.0.2.1
	tcp/2001:db8:2::2/7000  lan 2001:db8:2::1
	tcp/192.0.2.1/7000      host
END
# Nothing with an internal address was ever on the wire, but what the LAN sent.
end "$PID"
same "$(tcpdump -nr "$DIR/lan.cap" '(src net 10.65.0.0/24 or src net fd00:65::/64)' \
	2>/dev/null)" "" "packets on the LAN"
