#!/bin/bash
# Connect and disconnect live: the default route and the published port move to the
# network that is the gateway (by name order), an internal one never is.
. "${0%/*}/../lib/lib.sh"

berth_host
docker network create -d berth-bridge --subnet 10.71.0.0/24 aa >/dev/null
docker network create -d berth-bridge --subnet 10.72.0.0/24 zz >/dev/null
docker network create -d berth-bridge --subnet 10.73.0.0/24 --internal in >/dev/null
answers_web() {
	same "$(ns lan curl -s --max-time 5 http://192.0.2.1:9191/)" web "LAN: $1"
	same "$(fetch http://127.0.0.1:9191/)" web "loopback: $1"
}
ports() {
	api Berth.Ports '{}' berth-bridge | jq -r '.Ports[].ContainerIP' | sort | tr '\n' ' '
}

serve web zz 80 -p 9191:80
contains "$(docker exec web ip r)" 'default via 10.72.0.1'
answers_web 'one network'
docker network connect aa web
contains "$(docker exec web ip r)" 'default via 10.71.0.1' "name order"
same "$(ports)" "$(ip_of web aa) "
answers_web 'the better network'
docker network connect in web
contains "$(docker exec web ip r)" 'default via 10.71.0.1' "internal is never the gateway"
same "$(docker exec web ip r | grep -c default)" 1
answers_web 'internal added'
docker network disconnect aa web
contains "$(docker exec web ip r)" 'default via 10.72.0.1'
same "$(ports)" "$(ip_of web zz) "
answers_web 'back on the first'
docker network connect aa web
docker network disconnect -f zz web
answers_web 'the first gone by force'
lacks "$(docker exec web ip addr)" 10.72.0.
docker network disconnect aa web
# Only the internal network is left: no way out, no port.
lacks "$(docker exec web ip r)" default
same "$(ports)" ""
fails ns lan curl -s --max-time 2 http://192.0.2.1:9191/
docker rm -f web >/dev/null
# All ends of all pairs are gone.
wait_until 2 sh -c '! ip -br link | grep -q "^b[vc][0-9a-f]*@"'
docker network rm aa zz in >/dev/null
