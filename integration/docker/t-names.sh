#!/bin/bash
# Docker's names work on our network: names, aliases, rename; what is disconnected
# vanishes.
. "${0%/*}/../lib/lib.sh"

berth_host
docker network create -d berth-bridge n1 >/dev/null
docker network create -d berth-bridge n2 >/dev/null
serve srv n1 80 --network-alias web
docker run -d --name client --network n1 --dns 127.0.0.1 --stop-signal KILL bb:1 sleep 999 >/dev/null
in_client() {
	docker exec client "$@"
}
contains "$(in_client nslookup web. 127.0.0.11)" "$(ip_of srv n1)"
in_client ping -c1 -W2 srv >/dev/null
same "$(by_name client http://web/)" srv
docker rename srv other
in_client ping -c1 -W2 other >/dev/null
fails in_client ping -c1 -W1 srv
docker network connect n2 other
docker network disconnect n1 other
fails in_client ping -c1 -W1 other
docker network connect --alias web n1 other
same "$(by_name client http://web/)" srv
