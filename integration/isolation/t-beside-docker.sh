#!/bin/bash
# Docker's own networks, whatever their bridges are called, and ours do not reach
# each other except through published ports; the administrator's rules in
# DOCKER-USER come before ours and are obeyed.
. "${0%/*}/../lib/lib.sh"
. "$IT/lib/iso.sh"

berth_host
docker network create -d berth-bridge --subnet 10.65.0.0/24 n1 >/dev/null
docker network create -d bridge --subnet 10.66.0.0/24 dn >/dev/null
docker network create -d bridge --subnet 10.70.0.0/24 \
	-o com.docker.network.bridge.name=br-web named >/dev/null
container web n1 -p 8080:80 -p 8080:80/udp
container theirs dn -p 8090:80 -p 8090:80/udp
container classic bridge
container custom named -p 8070:80
listening
classic=$(ip_of classic bridge)

ours_to_theirs() {
	asks web <<-END
	tcp/10.66.0.2/80                no
	udp/10.66.0.2/81                no
	icmp/10.66.0.2                  no
	tcp/$classic/80                 no
	icmp/$classic                   no
	tcp/10.70.0.2/80                no
	udp/10.70.0.2/81                no
	icmp/10.70.0.2                  no
	tcp/192.0.2.1/8070              custom
	tcp/192.0.2.1/8090              theirs
	udp/192.0.2.1/8090              theirs
	icmp/192.0.2.2                  pong
	END
}
dropped_by inet "network of others" 8 ours_to_theirs
for c in theirs classic custom; do
	asks $c <<-'END'
	tcp/10.65.0.2/80                no
	udp/10.65.0.2/81                no
	icmp/10.65.0.2                  no
	tcp/192.0.2.1/8080              web
	udp/192.0.2.1/8080              web
	icmp/192.0.2.2                  pong
	END
done
# One made later is known at once.
docker network create -d bridge --subnet 10.67.0.0/24 later >/dev/null
container late later
listening
asks web <<'END'
	tcp/10.67.0.2/80                no
	icmp/10.67.0.2                  no
END

# The administrator's rules.  (The eBPF dataplane comes before all of them:
# docs/dataplane.md.)
dropped=- rejected=refused
[ "${DATAPLANE-}" != ebpf ] || dropped=web rejected=web
user() {
	iptables -S DOCKER-USER
}
lan_sees() {
	ASK_TIME=0.5 asks lan <<<"tcp/192.0.2.1/8080 $1
	udp/192.0.2.1/8080 $1"
}
lan_sees web
position() { # PATTERN -> line in the chain
	user | grep -n -m 1 -e "$1" | cut -d: -f1
}
[ "$(position berth:)" -lt "$(position '-j RETURN$')" ] ||
	fail "our rules stand behind RETURN: $(user)"
same "$(user | grep -c berth:)" 2 "rules of ours"
# shellcheck disable=SC2016
drop=(-i up1 -p tcp -m conntrack --ctorigdstport 8080 --ctdir ORIGINAL -j DROP)
iptables -I DOCKER-USER "${drop[@]}"
ASK_TIME=0.5 asks lan <<END
	tcp/192.0.2.1/8080      $dropped
	udp/192.0.2.1/8080      web
END
asks theirs <<<'tcp/192.0.2.1/8080 web'
[ "$(position 'j DROP')" -lt "$(position berth:)" ] ||
	fail "our rules stand before the administrator's: $(user)"
# It stays in front when ours are made again.
docker network create -d berth-bridge --subnet 10.68.0.0/24 n2 >/dev/null
restart_daemon berth-bridge
[ "$(position 'j DROP')" -lt "$(position berth:)" ] ||
	fail "our rules stand before the administrator's: $(user)"
ASK_TIME=0.5 asks lan <<<"tcp/192.0.2.1/8080 $dropped"
iptables -D DOCKER-USER "${drop[@]}"
lan_sees web
# By the container's address, as it is after DNAT.
iptables -I DOCKER-USER -d 10.65.0.2 -i up1 -j DROP
lan_sees $dropped
iptables -D DOCKER-USER -d 10.65.0.2 -i up1 -j DROP
lan_sees web
# A reject says so.
iptables -I DOCKER-USER -i up1 -p tcp --dport 80 -j REJECT --reject-with tcp-reset
ASK_TIME=0.5 asks lan <<<"tcp/192.0.2.1/8080 $rejected"
iptables -D DOCKER-USER -i up1 -p tcp --dport 80 -j REJECT --reject-with tcp-reset

# Gone with the network.
docker rm -f web >/dev/null
docker network rm n1 n2 >/dev/null
same "$(iptables-save | grep -c berth: || :)" 0 "rules left"
same "$(nft list tables | grep -c berth || :)" 0 "tables left"
asks classic <<<'icmp/192.0.2.2 pong'
