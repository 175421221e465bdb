#!/bin/bash
# A compose file that names our drivers works with docker-compose 1.29: addresses,
# aliases, ports, volumes, scale, restart, down -v.
# asan
. "${0%/*}/../lib/lib.sh"
need compose

berth_host
mkdir -p "$DIR/app"
cat >"$DIR/app/docker-compose.yml" <<'END'
version: "2.4"
services:
  web:
    image: bb:1
    command: sh -c 'echo composed >/www/index.html; exec httpd -f -p 80 -h /www'
    stop_signal: SIGKILL
    ports: ["8080:80"]
    volumes: ["data:/www"]
    networks:
      front:
        ipv4_address: 10.70.0.9
        aliases: [site]
  peer:
    image: bb:1
    command: sleep 999
    stop_signal: SIGKILL
    networks: [front]
    volumes: ["data:/data:ro"]
networks:
  front:
    driver: berth-bridge
    driver_opts: {com.docker.network.driver.mtu: "1400"}
    ipam:
      config: [{subnet: 10.70.0.0/24, gateway: 10.70.0.254}]
volumes:
  data:
    driver: berth-named
END
compose() {
	(cd "$DIR/app" && docker-compose --no-ansi -p app "$@" 2>&1)
}
compose up -d
same "$(ns lan curl -s --max-time 5 http://192.0.2.1:8080/)" composed
same "$(ip_of app_web_1 app_front)" 10.70.0.9
same "$(by_name app_peer_1 http://site/)" composed
same "$(docker exec app_peer_1 cat /data/index.html)" composed
contains "$(docker exec app_peer_1 ip route)" "default via 10.70.0.254"
contains "$(docker exec app_peer_1 ip link show eth0)" "mtu 1400"
compose up -d --scale peer=3
same "$(docker ps -q --filter name=app_peer | wc -l)" 3
compose restart web
same "$(ns lan curl -s --max-time 5 http://192.0.2.1:8080/)" composed
compose down -v
same "$(docker ps -aq | wc -l)" 0
same "$(docker volume ls -q | wc -l)" 0
same "$(api Berth.Networks '{}' berth-bridge | jq '.Networks | length')" 0
same "$(api Berth.Volumes '{}' berth-named | jq '.Volumes | length')" 0
