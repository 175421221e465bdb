#!/bin/bash
# Gateway modes: routed lets published container ports and ping through and no
# other, without NAT; nat-unprotected any port directly; a trusted interface the
# published ones; isolated gives the host no address.
. "${0%/*}/../lib/lib.sh"

berth_host
P=com.docker.network.bridge
direct() { # ADDRESS PORT
	case $1 in *:*) set -- "[$1]" "$2" ;; esac
	ns lan curl -gs --max-time 2 "http://$1:$2/"
}
two_servers() { # NETWORK
	serve web "$1" 80 -p 8080:80
	docker exec -d web httpd -f -p 81 -h /www
	wait_until 5 from web http://127.0.0.1:81/
}

docker network create -d berth-bridge --ipv6 --subnet 10.83.0.0/24 --subnet fd00:83::/64 \
	-o $P.gateway_mode_ipv4=routed -o $P.gateway_mode_ipv6=routed r >/dev/null
ns lan ip route add 10.83.0.0/24 via 192.0.2.1
ns lan ip -6 route add fd00:83::/64 via 2001:db8:2::1
two_servers r
for a in "$(ip_of web r)" "$(ip6_of web r)"; do
	same "$(direct "$a" 80)" web "routed, published: $a"
	fails direct "$a" 81
	ns lan ping -c1 -W2 "$a" >/dev/null || fail "routed: ping $a"
done
# Not through the host's port, and the source is the container's own.
fails ns lan curl -s --max-time 1 http://192.0.2.1:8080/
docker exec web ping -c1 -W2 192.0.2.2 >/dev/null
docker rm -f web >/dev/null
docker network rm r >/dev/null
ns lan ip route del 10.83.0.0/24
docker network create -d berth-bridge --subnet 10.84.0.0/24 \
	-o $P.gateway_mode_ipv4=nat-unprotected u >/dev/null
ns lan ip route add 10.84.0.0/24 via 192.0.2.1
two_servers u
same "$(direct "$(ip_of web u)" 80)" web "unprotected, published"
same "$(direct "$(ip_of web u)" 81)" web "unprotected, any other"
same "$(ns lan curl -s --max-time 5 http://192.0.2.1:8080/)" web "and by the host"
docker rm -f web >/dev/null
docker network rm u >/dev/null
docker network create -d berth-bridge --subnet 10.85.0.0/24 \
	-o $P.trusted_host_interfaces=up1:nosuch0 t >/dev/null
ns lan ip route add 10.85.0.0/24 via 192.0.2.1
lan other 2
ns other ip route add 10.85.0.0/24 via 192.0.3.1
two_servers t
same "$(direct "$(ip_of web t)" 80)" web "trusted, published"
fails direct "$(ip_of web t)" 81
fails ns other curl -s --max-time 1 "http://$(ip_of web t)/"
docker rm -f web >/dev/null
docker network rm t >/dev/null
docker network create -d berth-bridge --internal --subnet 10.86.0.0/24 \
	-o $P.gateway_mode_ipv4=isolated i >/dev/null
same "$(ip -br -4 addr show "bb-$(net_id i | cut -c1-12)" | awk '{ print $3 }')" "" "isolated: the host's address"
serve web i 80
docker run -d --name near --network i --stop-signal KILL bb:1 sleep 999 >/dev/null
same "$(from near "http://$(ip_of web i)/")" web "isolated: within"
docker rm -f web near >/dev/null
docker network rm i >/dev/null
