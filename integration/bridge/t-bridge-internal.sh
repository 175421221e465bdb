#!/bin/bash
# An internal network: no route out, no published port, nothing from the host's LAN,
# and its containers talk to each other.  So with --config-from, where Docker says
# internal=false.
. "${0%/*}/../lib/lib.sh"

berth_host
docker network create -d berth-bridge --internal --ipv6 --subnet 10.74.0.0/24 \
	--subnet fd00:74::/64 in >/dev/null
serve web in 80 -p 8080:80
docker run -d --name near --network in --stop-signal KILL bb:1 sleep 999 >/dev/null
lacks "$(docker exec web ip r)" default
lacks "$(docker exec web ip -6 r)" default
same "$(from near "http://$(ip_of web in)/")" web "within"
same "$(from near "http://[$(ip6_of web in)]/")" web "within, IPv6"
same "$(by_name near http://web/)" web "by name"
same "$(api Berth.Ports '{}' berth-bridge | jq '.Ports | length')" 0
fails fetch http://127.0.0.1:8080/
fails ns lan curl -s --max-time 2 http://192.0.2.1:8080/
# Not with a route of one's own either, in both directions.
ns lan ip route add 10.74.0.0/24 via 192.0.2.1
fails ns lan ping -c1 -W1 "$(ip_of web in)"
inns "$(pid_of web)" ip route add default via 10.74.0.1
fails docker exec web ping -c1 -W1 192.0.2.2
docker rm -f web near >/dev/null
docker network rm in >/dev/null

docker network create --config-only --subnet 10.75.0.0/24 \
	-o com.docker.network.driver.mtu=1410 base >/dev/null
docker network create -d berth-bridge --config-from base derived >/dev/null
serve web derived 80 -p 8080:80
contains "$(docker exec web ip r)" 'default via 10.75.0.1'
same "$(docker exec web cat /sys/class/net/eth0/mtu)" 1410 "option of the config-only network"
same "$(fetch http://127.0.0.1:8080/)" web
docker rm -f web >/dev/null
docker network rm derived base >/dev/null
