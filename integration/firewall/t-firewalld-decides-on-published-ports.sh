#!/bin/bash
# With berth.firewall=respect firewalld decides who reaches a published port; its
# reload and restart lose neither ports nor isolation.
# time: 300
. "${0%/*}/../lib/lib.sh"
need docker curl jq firewalld dbus-daemon

firewalld_state() {
	firewall-cmd --state
}
firewalld_up() {
	mkdir -p /run/dbus
	in_background dbus.log dbus-daemon --system --nofork --nopidfile
	wait_until 10 test -S /run/dbus/system_bus_socket
	firewalld_start
}
firewalld_start() {
	in_background firewalld.log firewalld --nofork --nopid
	FIREWALLD=$PID
	wait_until 30 firewalld_state
}

berth_host
docker network create -d berth-bridge -o berth.firewall=respect safe >/dev/null
docker network create -d berth-bridge open >/dev/null
docker network create -d berth-bridge other >/dev/null
serve safe1 safe 80 -p 8080:80
serve open1 open 80 -p 8081:80
serve other1 other 80
from_lan() {
	ns lan curl -gsS --max-time "${2:-5}" "$1"
}
same "$(from_lan http://192.0.2.1:8080/)" safe1 "without firewalld"

firewalld_up
wait_until 5 ns lan curl -sS --max-time 2 http://192.0.2.1:8081/
fails from_lan http://192.0.2.1:8080/ 2
firewall-cmd --add-port=8080/tcp >/dev/null
same "$(from_lan http://192.0.2.1:8080/)" safe1 "after --add-port"

# A reload drops what is not permanent: the port closes again, the rest stays.
firewall-cmd --reload >/dev/null
wait_until 3 ns lan curl -sS --max-time 2 http://192.0.2.1:8081/
fails from_lan http://192.0.2.1:8080/ 2
fails ns lan curl -sS --max-time 2 "http://$(ip_of other1 other)/"
ns lan ip route add "$(ip_of other1 other)" via 192.0.2.1
fails ns lan curl -sS --max-time 2 "http://$(ip_of other1 other)/"
fails from safe1 "http://$(ip_of other1 other)/"

end "$FIREWALLD"
firewalld_start
wait_until 3 ns lan curl -sS --max-time 2 http://192.0.2.1:8081/
fails from_lan http://192.0.2.1:8080/ 2
firewall-cmd --zone=public --add-rich-rule='rule family="ipv4" source address="192.0.2.2" port port="8080" protocol="tcp" accept' >/dev/null
same "$(from_lan http://192.0.2.1:8080/)" safe1 "after a rich rule"
end "$FIREWALLD"
same "$(from_lan http://192.0.2.1:8080/)" safe1 "firewalld gone again"
