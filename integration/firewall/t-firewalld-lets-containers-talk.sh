#!/bin/bash
# firewalld, started before or after, reloaded or restarted, keeps containers
# neither from each other nor from the outside, and opens nothing.
# time: 240
. "${0%/*}/../lib/lib.sh"
need docker curl jq firewalld dbus-daemon

firewalld_state() {
	firewall-cmd --state
}
firewalld_start() {
	in_background firewalld.log firewalld --nofork --nopid
	FIREWALLD=$PID
	wait_until 30 firewalld_state
}
# A container of each kind on NETWORK-numbered networks.
raise() { # SUFFIX PORT
	docker network create -d berth-bridge "out$1" >/dev/null
	docker network create -d berth-bridge "other$1" >/dev/null
	docker network create -d berth-bridge --internal "shut$1" >/dev/null
	serve "web$1" "out$1" 80 -p "$2:80"
	serve "near$1" "out$1" 80
	serve "far$1" "other$1" 80
	serve "in$1" "shut$1" 80
	serve "in2$1" "shut$1" 80
}
page() { # CONTAINER URL
	from "$1" "$2"
}
leaves() {
	inns "$(pid_of "$1")" socat -T1 - TCP:192.0.2.2:80,connect-timeout=1 \
		</dev/null 2>/dev/null | grep -q .
}
check() { # SUFFIX PORT
	wait_until 3 leaves "web$1"
	same "$(page "near$1" "http://$(ip_of "web$1" "out$1")/")" "web$1" "one network"
	same "$(page "in2$1" "http://$(ip_of "in$1" "shut$1")/")" "in$1" "internal"
	same "$(page "web$1" "http://192.0.2.1:$2/")" "web$1" "itself"
	same "$(page "far$1" "http://192.0.2.1:$2/")" "web$1" "another network"
	same "$(ns lan curl -sS --max-time 3 "http://192.0.2.1:$2/")" "web$1" LAN
	same "$(fetch "http://127.0.0.1:$2/")" "web$1" "this host"
	fails page "far$1" "http://$(ip_of "web$1" "out$1")/"
	fails leaves "in$1"
	fails ns lan curl -s --max-time 2 "http://$(ip_of "near$1" "out$1")/"
}

berth_host
in_background lan.80 nsenter --net=/run/netns/lan "$IT/lib/server" tcp 80 who
ns lan ip route add 172.16.0.0/12 via 192.0.2.1
raise 1 8081
check 1 8081
mkdir -p /run/dbus
in_background dbus.log dbus-daemon --system --nofork --nopidfile
wait_until 10 test -S /run/dbus/system_bus_socket
firewalld_start
check 1 8081
raise 2 8082
check 2 8082
firewall-cmd --reload >/dev/null
check 1 8081
end "$FIREWALLD"
check 2 8082
firewalld_start
check 2 8082
docker rm -f web2 near2 far2 in2 in22 >/dev/null
docker network rm out2 other2 shut2 >/dev/null
same "$(nft list table inet firewalld | grep -c 'berth:berth-bridge')" 5 "rules of the three networks left"
end "$FIREWALLD"
