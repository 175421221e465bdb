#!/bin/bash
# What each gateway mode and each bridge option lets through, and nothing more:
# routed, nat-unprotected, isolated, trusted_host_interfaces, host_binding_ipv4,
# host_ipv4, enable_ip_masquerade, inhibit_ipv4.
. "${0%/*}/../lib/lib.sh"
. "$IT/lib/iso.sh"

lan
lan lan2 2
berth_host
ip addr add 192.0.2.9/24 dev up1
# deprecated: not chosen when nobody asks for it
ip addr add 2001:db8:2::9/64 dev up1 nodad preferred_lft 0
o=com.docker.network
net() { # NAME N [FLAG...]
	local name=$1 n=$2
	shift 2
	docker network create -d berth-bridge --ipv6 --subnet "10.$n.0.0/24" \
		--subnet "fd00:$n::/64" "$@" "$name" >/dev/null
	for l in lan:2 lan2:3; do
		ns "${l%:*}" ip route add "10.$n.0.0/24" via "192.0.${l#*:}.1"
		ns "${l%:*}" ip -6 route add "fd00:$n::/64" \
			via "2001:db8:${l#*:}::1"
	done
}
net routed 61 -o $o.bridge.gateway_mode_ipv4=routed \
	-o $o.bridge.gateway_mode_ipv6=routed
net bare 62 -o $o.bridge.gateway_mode_ipv4=nat-unprotected \
	-o $o.bridge.gateway_mode_ipv6=nat-unprotected
net alone 63 --internal -o $o.bridge.gateway_mode_ipv4=isolated \
	-o $o.bridge.gateway_mode_ipv6=isolated
net trusted 64 -o $o.bridge.trusted_host_interfaces=up1
net bound 65 -o $o.bridge.host_binding_ipv4=192.0.2.9
net snat 66 -o $o.host_ipv4=192.0.2.9 -o $o.host_ipv6=2001:db8:2::9
net plain 67 -o $o.bridge.enable_ip_masquerade=false
net inhibit 68 -o $o.bridge.inhibit_ipv4=true
net mixed 69 -o $o.bridge.gateway_mode_ipv6=routed
port=9000
for n in routed bare trusted bound snat plain mixed; do
	port=$((port + 1))
	container $n $n -p $port:80 -p $port:80/udp
done
container alone alone
container alone2 alone
container inhibit inhibit
listening
for l in lan lan2; do
	in_background listen-$l.log nsenter --net=/run/netns/$l -- \
		"$IT/lib/probe" listen $l 7000
	wait_until 5 grep -q ready "$DIR/listen-$l.log"
done

asks lan <<'END'
	# routed: published container ports directly, and ping; no address of ours
	tcp/10.61.0.2/80                routed 192.0.2.2
	udp/10.61.0.2/80                routed 192.0.2.2
	tcp/10.61.0.2/81                no
	udp/10.61.0.2/81                no
	icmp/10.61.0.2                  pong
	tcp/fd00:61::2/80               routed 2001:db8:2::2
	udp/fd00:61::2/80               routed 2001:db8:2::2
	tcp/fd00:61::2/81               no
	icmp/fd00:61::2                 pong
	tcp/192.0.2.1/9001              no
	tcp/2001:db8:2::1/9001          no
	# nat-unprotected: everything, and publishing
	tcp/10.62.0.2/80                bare
	tcp/10.62.0.2/81                bare
	udp/10.62.0.2/81                bare
	icmp/10.62.0.2                  pong
	tcp/fd00:62::2/81               bare
	icmp/fd00:62::2                 pong
	tcp/192.0.2.1/9002              bare 192.0.2.2
	# isolated
	tcp/10.63.0.2/80                no
	icmp/10.63.0.2                  no
	tcp/fd00:63::2/80               no
	# trusted interface: published container ports only
	tcp/10.64.0.2/80                trusted
	udp/10.64.0.2/80                trusted
	tcp/10.64.0.2/81                no
	icmp/10.64.0.2                  no
	tcp/fd00:64::2/80               trusted
	tcp/fd00:64::2/81               no
	tcp/192.0.2.1/9003              trusted
	# bound to one address
	tcp/192.0.2.9/9004              bound
	udp/192.0.2.9/9004              bound
	tcp/192.0.2.1/9004              no
	udp/192.0.2.1/9004              no
	tcp/10.65.0.2/80                no
	# the others are in mode nat
	tcp/10.66.0.2/80                no
	tcp/10.67.0.2/80                no
	icmp/10.67.0.2                  no
	tcp/10.68.0.2/80                no
	tcp/192.0.2.1/9005              snat
	tcp/192.0.2.1/9006              plain
	# nat for one family, routed for the other
	tcp/10.69.0.2/80                no
	icmp/10.69.0.2                  no
	tcp/192.0.2.1/9007              mixed
	tcp/fd00:69::2/80               mixed 2001:db8:2::2
	tcp/fd00:69::2/81               no
	icmp/fd00:69::2                 pong
	tcp/2001:db8:2::1/9007          no
END
asks lan2 <<'END'
	tcp/10.64.0.2/80                no      # not the trusted one
	tcp/fd00:64::2/80               no
	tcp/192.0.3.1/9003              trusted
	tcp/192.0.3.1/9004              no
	tcp/192.0.3.1/9007              mixed 192.0.3.2
	tcp/10.61.0.2/80                routed 192.0.3.2
END
# Who they are, outside.
for c in routed bare trusted bound snat plain mixed inhibit; do
	at $c "$IT/lib/probe" ask -t 1 tcp/192.0.2.2/7000 udp/192.0.2.2/7000 \
		tcp/2001:db8:2::2/7000 tcp/192.0.3.2/7000 |
		sed "s/^/$c /; s/:7000//"
done >"$DIR/sources"
same "$(grep -v ^inhibit "$DIR/sources")" "$(cat <<'END'
routed tcp/192.0.2.2/7000 lan 10.61.0.2
routed udp/192.0.2.2/7000 lan 10.61.0.2
routed tcp/2001:db8:2::2/7000 lan fd00:61::2
routed tcp/192.0.3.2/7000 lan2 10.61.0.2
bare tcp/192.0.2.2/7000 lan 192.0.2.1
bare udp/192.0.2.2/7000 lan 192.0.2.1
bare tcp/2001:db8:2::2/7000 lan 2001:db8:2::1
bare tcp/192.0.3.2/7000 lan2 192.0.3.1
trusted tcp/192.0.2.2/7000 lan 192.0.2.1
trusted udp/192.0.2.2/7000 lan 192.0.2.1
trusted tcp/2001:db8:2::2/7000 lan 2001:db8:2::1
trusted tcp/192.0.3.2/7000 lan2 192.0.3.1
bound tcp/192.0.2.2/7000 lan 192.0.2.1
bound udp/192.0.2.2/7000 lan 192.0.2.1
bound tcp/2001:db8:2::2/7000 lan 2001:db8:2::1
bound tcp/192.0.3.2/7000 lan2 192.0.3.1
snat tcp/192.0.2.2/7000 lan 192.0.2.9
snat udp/192.0.2.2/7000 lan 192.0.2.9
snat tcp/2001:db8:2::2/7000 lan 2001:db8:2::9
snat tcp/192.0.3.2/7000 -
plain tcp/192.0.2.2/7000 lan 10.67.0.2
plain udp/192.0.2.2/7000 lan 10.67.0.2
plain tcp/2001:db8:2::2/7000 lan fd00:67::2
plain tcp/192.0.3.2/7000 lan2 10.67.0.2
mixed tcp/192.0.2.2/7000 lan 192.0.2.1
mixed udp/192.0.2.2/7000 lan 192.0.2.1
mixed tcp/2001:db8:2::2/7000 lan fd00:69::2
mixed tcp/192.0.3.2/7000 lan2 192.0.3.1
END
)" "source addresses outside"

# Networks stay apart in every mode, but for what each mode opens to all.
asks plain <<'END'
	tcp/10.61.0.2/80                routed
	tcp/10.61.0.2/81                no
	tcp/10.63.0.2/80                no
	tcp/10.64.0.2/80                no
	tcp/10.65.0.2/80                no
	tcp/10.66.0.2/80                no
	tcp/fd00:66::2/80               no
END
# isolated: the containers have each other and nobody else, not even the host.
same "$(ip -j addr show "$(bridge_of alone)" | jq '[.[0].addr_info[]
	| select(.scope == "global")] | length')" 0 "addresses of the host"
at alone ip route add default via 10.63.0.254
asks alone <<'END'
	tcp/10.63.0.3/80                alone2
	icmp/10.63.0.3                  pong
	tcp/fd00:63::3/80               alone2
	icmp/10.63.0.1                  no
	icmp/fd00:63::1                 no
	tcp/192.0.2.1/9002              no
END
# Over the host's own MAC, with a route that a container might make.
at alone ip neigh replace 10.63.0.254 dev eth0 lladdr \
	"$(cat "/sys/class/net/$(bridge_of alone)/address")"
asks_host() {
	asks alone <<-'END'
	tcp/192.0.2.1/9002              no
	icmp/192.0.2.1                  no
	udp/192.0.2.2/7000              no
	tcp/10.61.0.2/80                no
	END
}
dropped_by inet isolated 2 asks_host
# So it does not reach what other networks publish: on any address of the host's or
# on one, on other networks' gateways, IPv6.
at alone ip -6 route add default via fd00:63::fe
at alone ip -6 neigh replace fd00:63::fe dev eth0 lladdr \
	"$(cat "/sys/class/net/$(bridge_of alone)/address")"
asks lan <<'END'
	tcp/2001:db8:2::1/9002          bare
	udp/192.0.2.1/9006              plain
END
asks_published() {
	asks alone <<-'END'
	udp/192.0.2.1/9002              no
	tcp/192.0.2.1/9003              no
	tcp/192.0.2.9/9004              no
	udp/192.0.2.9/9004              no
	tcp/192.0.2.1/9005              no
	udp/192.0.2.1/9006              no
	tcp/192.0.3.1/9007              no
	tcp/10.65.0.1/9002              no
	tcp/10.67.0.1/9006              no
	tcp/2001:db8:2::1/9002          no
	udp/2001:db8:2::1/9002          no
	tcp/2001:db8:2::9/9005          no
	tcp/2001:db8:2::1/9006          no
	tcp/fd00:67::1/9006             no
	END
}
# (No address of the host lives on its bridge, so no source does.)
dropped_by inet "forged source" 6 asks_published
# inhibit_ipv4: the address is left to the administrator; IPv6 is ours.
same "$(ip -j addr show "$(bridge_of inhibit)" | jq -r '[.[0].addr_info[]
	| select(.scope == "global") | .local] | join(" ")')" fd00:68::1 \
	"addresses of the bridge"
asks inhibit <<'END'
	icmp/10.68.0.1                  no
	icmp/fd00:68::1                 pong
END
ip addr add 10.68.0.1/24 dev "$(bridge_of inhibit)"
asks inhibit <<'END'
	icmp/10.68.0.1                  pong
	tcp/192.0.2.2/7000              lan 192.0.2.1
	icmp/10.67.0.1                  no
END
# A mode that does not fit is refused.
fails_with isolated docker network create -d berth-bridge \
	-o $o.bridge.gateway_mode_ipv4=isolated wrong
