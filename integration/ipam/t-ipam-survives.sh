#!/bin/bash
# No address is handed out twice and none is lost when berth-ipam is restarted or
# killed, when dockerd is killed (it releases at its next start), and when the host
# reboots (pools and gateways stay, leases are gone).
# time: 300
. "${0%/*}/../lib/lib.sh"

export IPAM=berth-ipam
berth_host
handed() {
	api Berth.IpamLeases '{}' berth-ipam |
		jq -r '.Leases[] | "\(.Use) \(.Address) \(.MacAddress)"'
}
up() {
	docker run -d --name "$1" --network "$2" --stop-signal KILL "${@:3}" bb:1 sleep 999 >/dev/null
}
docker network create -d berth-bridge --subnet 10.71.0.0/24 --ipv6 --subnet fd00:71::/64 \
	--aux-address r=10.71.0.4 n1 >/dev/null
docker network create -d bridge --subnet 10.72.0.0/24 n2 >/dev/null
up one n1
up two n1 --ip 10.71.0.77 --ip6 fd00:71::77
up three n2
docker rm -f one >/dev/null # .2 rests
before=$(handed)

# Restarted, and killed.
restart_daemon berth-ipam
same "$(handed)" "$before" "after a restart"
kill9_daemon berth-ipam
restart_daemon berth-ipam
same "$(handed)" "$before" "after kill -9"
same "$(api Berth.Check '{}' berth-ipam | jq -c .Problems)" '[]'
up four n1
same "$(ip_of four n1)" 10.71.0.3 "not the one released before"
fails_with 'Address already in use: 10.71.0.77' docker run --rm --network n1 --ip 10.71.0.77 bb:1 true

# Killed while it is asked: a client that retries has its container.
for i in 1 2 3; do
	(docker run --rm --network n1 bb:1 sleep 0.1 >"run.$i" 2>&1; echo $? >"rc.$i") &
done
for _ in 1 2 3 4; do
	kill9_daemon berth-ipam
	restart_daemon berth-ipam
	pause 0.3
done
wait_until 60 test -s rc.1 -a -s rc.2 -a -s rc.3
docker rm -f four >/dev/null
note "runs beside four kills: $(paste -sd' ' rc.1 rc.2 rc.3)"
# Answers of several that were cut off at once are refused, not guessed; nothing of
# them may stay after the time of retries.
wait_until 40 eval '[ "$(handed)" = "$before" ]'

# dockerd and all containers are killed.
pids="$(pid_of two) $(pid_of three)"
kill9_dockerd
# shellcheck disable=SC2086 # pids are words
kill -9 $pids
same "$(handed)" "$before" "while dockerd is away"
run_dockerd
wait_until 20 eval '! handed | grep -q endpoint'
docker start two three >/dev/null
same "$(ip_of two n1) $(ip6_of two n1)" "10.71.0.77 fd00:71::77" "the static ones"
same "$(handed | grep -c endpoint)" 3 "leases"
docker exec two ping -c1 -W2 10.71.0.1 >/dev/null

# A reboot: /run is empty.
pid=$(pid_of two)
kill9_dockerd
kill -9 "$pid"
kill_shims
wait_until 10 no_process containerd-shim
kill9_daemon berth-ipam
rm -rf /run/berth/berth-ipam
start_daemon berth-ipam
same "$(handed | cut -d' ' -f1,2 | sort | paste -sd,)" \
	"aux 10.71.0.4/24,gateway 10.71.0.1/24,gateway 10.72.0.1/24,gateway fd00:71::1/64" "after a reboot"
run_dockerd
docker start two >/dev/null
same "$(ip_of two n1)" 10.71.0.77
docker rm -f two three >/dev/null
docker network rm n1 n2 >/dev/null
