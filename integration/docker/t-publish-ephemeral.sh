#!/bin/bash
# -P publishes every exposed port on a free ephemeral port, listed by netctl ports;
# a restart of the daemon does not change them.
. "${0%/*}/../lib/lib.sh"

berth_host
docker network create -d berth-bridge n1 >/dev/null
serve web n1 80 -P --expose 80 --expose 81/udp
ports() {
	api Berth.Ports '{}' berth-bridge |
		jq -r '.Ports[] | "\(.Proto) \(.HostFirst) \(.ContainerFirst)"' | sort -u
}
before=$(ports)
contains "$before" "tcp"
contains "$before" "udp"
port=$(awk '$1 == "tcp" && $3 == 80 { print $2 }' <<<"$before" | head -1)
read -r low high <<<"$(sysctl -n net.ipv4.ip_local_port_range)"
if [ "$port" -lt "$low" ] || [ "$port" -gt "$high" ]; then
	fail "$port is not ephemeral"
fi
same "$(ns lan curl -s --max-time 5 "http://192.0.2.1:$port/")" web
contains "$("$NETCTL" ports)" ":$port " "netctl ports"
kill9_daemon berth-bridge
start_daemon berth-bridge
same "$(ports)" "$before" "ports after a restart of the daemon"
same "$(ns lan curl -s --max-time 5 "http://192.0.2.1:$port/")" web
docker restart web >/dev/null
wait_until 10 listens "$(pid_of web)" 80
port=$(ports | awk '$1 == "tcp" && $3 == 80 { print $2 }' | head -1)
same "$(ns lan curl -s --max-time 5 "http://192.0.2.1:$port/")" web
