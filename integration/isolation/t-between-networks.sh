#!/bin/bash
# Networks do not reach each other - not by container address, not by the other's
# gateway, not over the gateway's MAC - except through published ports; with ICC
# off the same holds within one network.
. "${0%/*}/../lib/lib.sh"
. "$IT/lib/iso.sh"

berth_host
docker network create -d berth-bridge --ipv6 --subnet 10.65.0.0/24 \
	--subnet fd00:65::/64 n1 >/dev/null
docker network create -d berth-bridge --ipv6 --subnet 10.66.0.0/24 \
	--subnet fd00:66::/64 n2 >/dev/null
docker network create -d berth-bridge --ipv6 --subnet 10.67.0.0/24 \
	--subnet fd00:67::/64 -o com.docker.network.bridge.enable_icc=false \
	apart >/dev/null
container aa n1 -p 8081:81 -p 8081:81/udp
container bb n2 -p 8080:80 -p 8080:80/udp
container xx apart
container yy apart -p 8082:80 -p 8082:80/udp -p 127.0.0.1:8083:81
listening
watch aa eth0
watch bb eth0
watch yy eth0

# Both directions, every protocol.
between() { # NET GATEWAY-NET OTHERS-NAME OTHERS-NET OTHERS-PORT OTHERS-CPORT
	local own=$1 other=$2 name=$3 port=$4 cport=$5
	asks "$6" <<-END
	tcp/10.$other.0.2/80                no
	tcp/10.$other.0.2/81                no
	udp/10.$other.0.2/80                no
	udp/10.$other.0.2/81                no
	icmp/10.$other.0.2                  no
	tcp/fd00:$other::2/80               no
	tcp/fd00:$other::2/81               no
	udp/fd00:$other::2/80               no
	icmp/fd00:$other::2                 no
	icmp/10.$other.0.1                  no
	tcp/10.$other.0.1/22                no
	tcp/10.$other.0.1/$port             no
	udp/10.$other.0.1/$port             no
	icmp/fd00:$other::1                 no
	tcp/fd00:$other::1/$port            no
	udp/fd00:$other::1/$port            no
	icmp/10.$own.0.1                    pong
	icmp/fd00:$own::1                   pong
	tcp/10.$own.0.1/$port               $name 10.$own.0.2
	udp/10.$own.0.1/$port               $name 10.$own.0.2
	tcp/192.0.2.1/$port                 $name 10.$own.0.2
	udp/192.0.2.1/$port                 $name 10.$own.0.2
	tcp/2001:db8:2::1/$port             $name fd00:$own::2
	udp/2001:db8:2::1/$port             $name fd00:$own::2
	tcp/192.0.2.1/$cport                refused
	END
}
dropped_by inet "not published" 9 between 65 66 bb 8080 80 aa
dropped_by inet "not published" 9 between 66 65 aa 8081 81 bb
dropped_by inet "gateway of another network" 8 \
	between 65 66 bb 8080 80 aa
# What a route in the container says is not believed either.
at aa ip route add 10.66.0.1/32 via 10.65.0.1
at aa ip route add 127.9.0.0/16 via 10.65.0.1 dev eth0
asks aa <<'END'
	icmp/10.66.0.1          no
	udp/10.66.0.1/8080      no
END

# raw FROM NET TO NET MARK... - to a container's address, over the gateway's MAC.
raw() {
	local from=$1 n1=$2 to=$3 n2=$4
	shift 4
	at "$from" "$IT/lib/frames" send eth0 "mac=$(mac_of "$from")" \
		"ip=$(ip_of "$from" "$n1")" "ip6=$(ip6_of "$from" "$n1")" \
		"vip=$(ip_of "$to" "$n2")" "vip6=$(ip6_of "$to" "$n2")" \
		"gmac=$(cat "/sys/class/net/$(bridge_of "$n1")/address")" -- "$@"
}
trick=(gateway-mac-tcp gateway-mac-udp gateway-mac-ping gateway-mac-tcp6
	gateway-mac-udp6 gateway-mac-ping6)
dropped_by inet "not published" 6 raw aa n1 bb n2 "${trick[@]}"
dropped_by inet "not published" 6 raw bb n2 aa n1 "${trick[@]}"
dropped_by inet "not published" 6 raw xx apart bb n2 "${trick[@]}"

# ICC off: neither on the wire nor over the gateway; published ports are.
dropped_by bridge "icc is off" 2 asks xx <<'END'
	tcp/10.67.0.3/80        no
	tcp/10.67.0.3/81        no
	udp/10.67.0.3/80        no
	icmp/10.67.0.3          no
	tcp/fd00:67::3/80       no
	udp/fd00:67::3/80       no
	icmp/fd00:67::3         no
	icmp/10.67.0.1          pong
	icmp/fd00:67::1         pong
	icmp/192.0.2.2          pong
	tcp/192.0.2.1/8082      yy
	udp/192.0.2.1/8082      yy
	tcp/2001:db8:2::1/8082  yy
	udp/2001:db8:2::1/8082  yy
	tcp/192.0.2.1/8083      no
	tcp/10.67.0.1/8083      no
	tcp/10.65.0.2/80        no
	udp/10.66.0.2/80        no
	tcp/192.0.2.1/8080      bb
END
dropped_by inet "icc is off" 6 raw xx apart yy apart "${trick[@]}"
# The same by a route and a fixed neighbour entry, as a container may set them.
at xx ip route replace 10.67.0.3/32 via 10.67.0.1
at xx ip -6 route replace fd00:67::3/128 via fd00:67::1
dropped_by inet "icc is off" 3 asks xx <<'END'
	tcp/10.67.0.3/80        no
	udp/10.67.0.3/80        no
	icmp/10.67.0.3          no
	tcp/fd00:67::3/80       no
	udp/fd00:67::3/80       no
END
asks yy <<'END'
	tcp/192.0.2.1/8082      yy      # its own
	udp/2001:db8:2::1/8082  yy
END
# A frame right to the peer's MAC.
dropped_by bridge "icc is off" 4 \
	at xx "$IT/lib/frames" send eth0 "mac=$(mac_of xx)" ip=10.67.0.2 ip6=fd00:67::2 \
	vip=10.67.0.3 vip6=fd00:67::3 "vmac=$(mac_of yy)" -- honest honest6 \
	honest-arp honest-multicast

# The peers saw nothing of all this.
for c in aa bb yy; do
	same "$(sed 1d "$DIR/watch-$c.log")" "" "frames at $c"
done
# And the last word: they do see what is let through.
at host "$IT/lib/frames" send "$(bridge_of n2)" mac=02:00:00:00:00:01 \
	ip=10.66.0.1 vip=10.66.0.2 "vmac=$(mac_of bb)" -- honest
wait_until 5 saw bb honest
