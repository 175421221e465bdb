#!/bin/bash
# Every option of a bridge network does what Docker's does, or is refused with a
# reason; a misspelt one names the right one; nothing is left of what was refused.
. "${0%/*}/../lib/lib.sh"

berth_host
P=com.docker.network
create() {
	docker network create -d berth-bridge "$@" >/dev/null
}
links() {
	ip -br link | sed 's/[@ ].*//' | sort
}
before=$(links)

# --- refused ---
fails_with "did you mean \"$P.bridge.enable_icc\"" create -o $P.bridge.enable_ic=false x
fails_with 'did you mean "berth.firewall"' create -o berth.fierwall=open x
fails_with 'not true or false' create -o $P.bridge.enable_icc=maybe x
fails_with 'it is for macvlan networks' create -o macvlan_mode=bridge x
fails_with 'no parent interface' create -o parent=eth0 x
fails_with 'one of nft' create -o berth.dataplane=iptables x
fails_with 'a whole number in' create -o $P.driver.mtu=banana x
fails_with 'a whole number in' create -o $P.driver.mtu=12 x
fails_with 'IPv6 needs' create --ipv6 --subnet 10.1.0.0/24 --subnet fd00:1::/64 -o $P.driver.mtu=1200 x
fails_with 'only for an internal' create -o $P.bridge.gateway_mode_ipv4=isolated x
fails_with 'one of nat, nat-unprotected, routed, isolated' create -o $P.bridge.gateway_mode_ipv4=open x
fails_with 'is not a name for a link' create -o $P.bridge.name=much-too-long-a-name x
fails_with 'is not the beginning' create -o $P.container_iface_prefix=longer-than-it-may-be x
fails_with 'not an IP address' create -o $P.bridge.host_binding_ipv4=here x
fails_with 'needs a subnet' create --ipam-driver null x
fails_with 'exists and is not ours' create -o $P.bridge.name=up1 x
fails_with 'belongs to dockerd' create -o $P.bridge.name=docker0 x
same "$(links)" "$before" "links after refusals"
same "$(api Berth.Networks '{}' berth-bridge | jq '.Networks | length')" 0

# --- name, prefix, MTU, SNAT address ---
ip addr add 192.0.2.9/24 dev up1
create --subnet 10.76.0.0/24 -o $P.bridge.name=mine0 -o $P.container_iface_prefix=wan \
	-o $P.driver.mtu=1400 -o $P.host_ipv4=192.0.2.9 n1
contains "$(ip -br addr show mine0)" 10.76.0.1/24
same "$(cat /sys/class/net/mine0/mtu)" 1400
docker run -d --name box --network n1 --stop-signal KILL bb:1 sleep 999 >/dev/null
same "$(docker exec box cat /sys/class/net/wan0/mtu)" 1400
in_background who.log nsenter --net=/run/netns/lan -- "$IT/lib/server" tcp 7000 who
wait_until 5 grep -q ready "$DIR/who.log"
contains "$(inns "$(pid_of box)" python3 -c '
import socket
s = socket.create_connection(("192.0.2.2", 7000), 2)
s.sendall(b"?\n")
print(s.recv(100).decode())')" 192.0.2.9 "source address"
fails_with 'belongs to network' create --subnet 10.77.0.0/24 -o $P.bridge.name=mine0 n2
docker rm -f box >/dev/null
docker network rm n1 >/dev/null
ip addr del 192.0.2.9/24 dev up1
fails ip link show mine0

# --- the user's own bridge: used, never deleted ---
ip link add own0 type bridge
ip addr add 10.78.0.9/24 dev own0
ip link set own0 up
create --subnet 10.78.0.0/24 -o $P.bridge.name=own0 n1
serve web n1 80 -p 8080:80
same "$(fetch http://127.0.0.1:8080/)" web "on the user's bridge"
contains "$(ip -br addr show own0)" 10.78.0.1/24
docker rm -f web >/dev/null
# After a boot it may come later than we: it is waited for, never made.
stop_daemon berth-bridge
ip link del own0
start_daemon berth-bridge
fails ip link show own0
contains "$(api Berth.Info '{}' berth-bridge)" 'bridge own0, which is yours, does not exist'
fails_with 'does not exist' docker run --rm --network n1 bb:1 sleep 1
ip link add own0 type bridge
ip addr add 10.78.0.9/24 dev own0
ip link set own0 up
serve web n1 80 -p 8080:80
same "$(fetch http://127.0.0.1:8080/)" web "on the user's bridge again"
same "$(api Berth.Info '{}' berth-bridge | jq -c .Problems)" '[]'
docker rm -f web >/dev/null
docker network rm n1 >/dev/null
contains "$(ip -br addr show own0)" 10.78.0.9/24 "the user's address"
lacks "$(ip -br addr show own0)" 10.78.0.1/24 "our address"
ip link del own0

# --- no masquerade: the container's own address on the wire ---
create --subnet 10.79.0.0/24 -o $P.bridge.enable_ip_masquerade=false n1
docker run -d --name box --network n1 --stop-signal KILL bb:1 sleep 999 >/dev/null
fails docker exec box ping -c1 -W1 192.0.2.2
ns lan ip route add 10.79.0.0/24 via 192.0.2.1
docker exec box ping -c1 -W2 192.0.2.2 >/dev/null
docker rm -f box >/dev/null
docker network rm n1 >/dev/null
ns lan ip route del 10.79.0.0/24

# --- inhibit_ipv4: the administrator's address ---
create --subnet 10.80.0.0/24 -o $P.bridge.inhibit_ipv4=true -o $P.bridge.name=inh0 n1
lacks "$(ip -br addr show inh0)" 10.80.0.1
docker network rm n1 >/dev/null

# --- host_binding_ipv4 ---
create --subnet 10.81.0.0/24 -o $P.bridge.host_binding_ipv4=127.0.0.1 n1
serve web n1 80 -p 8080:80 -p 192.0.2.1:8081:80
same "$(fetch http://127.0.0.1:8080/)" web
fails ns lan curl -s --max-time 1 http://192.0.2.1:8080/
same "$(ns lan curl -s --max-time 5 http://192.0.2.1:8081/)" web "an address of its own"
docker rm -f web >/dev/null
docker network rm n1 >/dev/null

create --ipv6 --subnet 10.81.0.0/24 --subnet fd00:81::/64 -o $P.bridge.host_binding_ipv4=0.0.0.0 n1
serve web n1 80 -p 8080:80
same "$(fetch http://127.0.0.1:8080/) $(fetch 'http://[::1]:8080/')" 'web web' "any of IPv4 is any"
docker rm -f web >/dev/null
docker network rm n1 >/dev/null

# --- endpoint options ---
create --subnet 10.82.0.0/24 n1
docker run -d --name box --network none --stop-signal KILL bb:1 sleep 999 >/dev/null
docker network disconnect none box
fails_with 'dockerd ignores names' docker network connect \
	--driver-opt $P.endpoint.ifname=lan7 n1 box
fails_with 'unknown option' docker network connect --driver-opt x=y n1 box
docker rm -f box >/dev/null
docker network rm n1 >/dev/null
same "$(links)" "$before" "links at the end"
