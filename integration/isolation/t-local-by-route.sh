#!/bin/bash
# Addresses that are this host's by a route alone (AnyIP: ip route add local) are the
# host's to containers as well: what they send there is not masqueraded out, a server
# of the host has it, with the container's own address; published ports answer there.
. "${0%/*}/../lib/lib.sh"
. "$IT/lib/iso.sh"

berth_host
ip route add local 198.18.0.0/24 dev lo
ip -6 route add local fd18::/64 dev lo
ns lan ip route add 198.18.0.0/24 via 192.0.2.1
ns lan ip -6 route add fd18::/64 via 2001:db8:2::1
docker network create -d berth-bridge --ipv6 --subnet 10.65.0.0/24 \
	--subnet fd00:65::/64 n1 >/dev/null
docker network create -d berth-bridge --ipv6 --subnet 10.66.0.0/24 \
	--subnet fd00:66::/64 n2 >/dev/null
container web n1 -p 8080:80 -p 8080:80/udp
container far n2
listening
in_background listen-host.log "$IT/lib/probe" listen host 7000
wait_until 5 grep -q ready "$DIR/listen-host.log"
# What leaves for there, as the LAN's kernel counts it.
ns lan nft -f - <<'END'
table inet out {
	counter in { }
	chain c {
		type filter hook prerouting priority raw; policy accept;
		ip daddr 198.18.0.0/24 counter name in
		ip6 daddr fd18::/64 counter name in
	}
}
END
asks far <<'END'
	tcp/198.18.0.7/7000 host 10.66.0.2
	tcp/fd18::7/7000 host fd00:66::2
	tcp/198.18.0.7/8080 web
	udp/198.18.0.7/8080 web
	tcp/fd18::7/8080 web
END
# (That server answers UDP with another of the host's addresses.)
at far "$IT/lib/probe" ask -t 1 udp/198.18.0.7/7000 udp/fd18::7/7000 >/dev/null
for client in 10.66.0.2 fd00:66::2; do
	grep -qx "udp $client 7000" "$DIR/listen-host.log" ||
		fail "udp from $client: $(cat "$DIR/listen-host.log")"
done
asks lan <<'END'
	tcp/198.18.0.7/8080 web 192.0.2.2
	udp/198.18.0.7/8080 web 192.0.2.2
	tcp/fd18::7/8080 web 2001:db8:2::2
END
asks web <<'END'
	tcp/198.18.0.7/8080 web
END
asks host <<'END'
	tcp/198.18.0.7/8080 web
END
same "$(ns lan nft -j list counters table inet out |
	jq '[.nftables[].counter? | select(. != null).packets] | add')" 0 \
	"packets for the host's own addresses that left"
ip route del local 198.18.0.0/24 dev lo
ip -6 route del local fd18::/64 dev lo
