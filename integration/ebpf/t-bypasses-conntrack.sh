#!/bin/bash
# With the eBPF dataplane no flow to a published port, between containers by one, or
# masqueraded is in the host's connection table, with Docker's rules loaded: from the
# LAN, from a container, to the LAN; TCP, UDP and ping; IPv4 and IPv6.
export DATAPLANE=ebpf
. "${0%/*}/../lib/lib.sh"
. "$IT/lib/iso.sh"
need conntrack socat ping

berth_host
net() { # NAME N
	docker network create -d berth-bridge --ipv6 --subnet "10.$2.0.0/24" \
		--subnet "fd00:$2::/64" "$1" >/dev/null
}
net n1 65
net n2 66
# One of Docker's own, so that its rules are there and conntrack counts for it.
docker network create theirs >/dev/null
serve docker theirs 80
container web n1 -p 8080:80 -p 8080:80/udp
container own n1
container far n2
listening
for who in lan own far web; do
	asks $who <<-'END'
	tcp/192.0.2.1/8080 web
	udp/192.0.2.1/8080 web
	tcp/2001:db8:2::1/8080 web
	udp/2001:db8:2::1/8080 web
	END
done
# This host's own clients: by the socket hooks, to the container itself.
asks host <<-'END'
	tcp/192.0.2.1/8080 web
	udp/192.0.2.1/8080 web
	tcp/127.0.0.1/8080 web
	tcp/2001:db8:2::1/8080 web
END
in_background lan-tcp.log nsenter --net=/run/netns/lan -- "$IT/lib/server" tcp 9000 who
in_background lan-udp.log nsenter --net=/run/netns/lan -- "$IT/lib/server" udp 9000 who
wait_until 5 grep -q ready "$DIR/lan-tcp.log"
wait_until 5 grep -q ready "$DIR/lan-udp.log"
same "$(at far socat -u -T2 tcp:192.0.2.2:9000 - | cut -d' ' -f1)" 192.0.2.1
same "$(at far socat -u -T2 'tcp6:[2001:db8:2::2]:9000' - | cut -d' ' -f1)" 2001:db8:2::1
same "$(at far socat -T2 - udp:192.0.2.2:9000 <<<x | cut -d' ' -f1)" 192.0.2.1
at far ping -c 2 -i 0.2 -W 2 192.0.2.2 >/dev/null
at far ping -c 2 -i 0.2 -W 2 2001:db8:2::2 >/dev/null

flows() { # those that are not the host's own, by loopback, or Docker's
	{ conntrack -L; conntrack -f ipv6 -L; } 2>/dev/null |
		grep -E '(port=(8080|9000) |icmp)' || :
}
same "$(flows | grep -E 'src=(192\.0\.2\.2|10\.6[56]\.|2001:db8:2::2|fd00:6[56]::)' || :)" "" "tracked flows"
count=$(api Berth.Counters '{}' berth-bridge | jq .Counters.flows)
[ "$count" -ge 18 ] || fail "only $count flows were the programs'"
note "$count flows past conntrack"
same "$(api Berth.Networks '{}' berth-bridge | jq -rc '[.Networks[].Dataplane]')" \
	'["ebpf","ebpf"]'
same "$(api Berth.Check '{}' berth-bridge | jq -c .Problems)" '[]'
