#!/bin/bash
# debug
# time: 200
. "${0%/*}/../lib/lib.sh"
need docker curl jq
lan
start_daemon berth-bridge --gc-grace 4s
start_dockerd
docker network create -d berth-bridge --subnet 10.94.0.0/24 n1 >/dev/null
serve stays n1 80 -p 8081:80
serve goes n1 80 -p 8080:80
kill9_daemon berth-bridge
docker rm -f goes >/dev/null
ls -la /run/dockerd/netns
grep netns /proc/self/mountinfo
ip -d link | grep -A3 "bv\|bc"
fail x
