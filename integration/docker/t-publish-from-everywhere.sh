#!/bin/bash
# A published port answers from the LAN, from this host by every address it has,
# from another container and from its own container; an unpublished one nowhere.
# asan
. "${0%/*}/../lib/lib.sh"

berth_host
docker network create -d berth-bridge --ipv6 --subnet 10.65.0.0/24 \
	--subnet fd00:65::/64 n1 >/dev/null
docker network create -d berth-bridge --subnet 10.66.0.0/24 n2 >/dev/null
serve web n1 80 -p 8080:80
docker run -d --name near --network n1 --stop-signal KILL bb:1 sleep 999 >/dev/null
docker run -d --name far --network n2 --stop-signal KILL bb:1 sleep 999 >/dev/null

for host in 192.0.2.1 '[2001:db8:2::1]'; do
	same "$(ns lan curl -gsS --max-time 5 "http://$host:8080/")" web "LAN, $host"
	same "$(fetch "http://$host:8080/")" web "host, $host"
done
for host in 127.0.0.1 '[::1]' 10.65.0.1 localhost; do
	same "$(fetch "http://$host:8080/")" web "host, $host"
done
for c in web near far; do
	same "$(from $c http://192.0.2.1:8080/)" web "$c by the host's address"
done
for c in web near; do
	same "$(from $c 'http://[2001:db8:2::1]:8080/')" web "$c, IPv6"
done
fails ns lan curl -s --max-time 2 http://192.0.2.1:80/
fails fetch http://127.0.0.1:80/

# Removed: nobody answers, nothing is left.
docker rm -f web >/dev/null
fails ns lan curl -s --max-time 2 http://192.0.2.1:8080/
fails fetch http://127.0.0.1:8080/
same "$(api Berth.Ports '{}' berth-bridge | jq '.Ports | length')" 0 "ports listed"
