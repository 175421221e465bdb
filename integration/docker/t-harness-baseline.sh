#!/bin/bash
# Docker's own bridge works on a test's host: run, name, publish, fetch.
. "${0%/*}/../lib/lib.sh"
need docker curl jq

lan
start_dockerd
docker network create n1 >/dev/null
serve web n1 80 -p 8080:80
same "$(ns lan curl -s --max-time 5 http://192.0.2.1:8080/)" web
same "$(fetch http://127.0.0.1:8080/)" web
same "$(docker run --rm --network n1 bb:1 wget -qO- http://web/)" web
restart_dockerd
same "$(docker ps -aq | wc -l)" 1
kill9_dockerd
run_dockerd
same "$(docker network ls -q --filter name=n1 | wc -l)" 1
