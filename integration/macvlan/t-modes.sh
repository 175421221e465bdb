#!/bin/bash
# macvlan networks on this host's interface: in each mode the LAN and a container reach
# each other, IPv4 and IPv6; containers do so in mode bridge and in no other; the parent
# is as before afterwards.
. "${0%/*}/../lib/lib.sh"
need docker curl jq

lan
start_daemon berth-macvlan
start_dockerd
before=$(ip -d -j link show up1 | jq -c '.[0] | {promiscuity, address, mtu, flags}')

net() { # NAME OPTION...
	local name=$1
	shift
	docker network create -d berth-macvlan --subnet 192.0.2.0/24 --gateway 192.0.2.2 \
		--ip-range 192.0.2.64/26 --ipv6 --subnet 2001:db8:2::/64 \
		--gateway 2001:db8:2::2 -o parent=up1 "$@" "$name" >/dev/null
}
mac() { # PID
	inns "$1" ip -j link show eth0 | jq -r '.[0].address'
}
reach() { # CONTAINER ADDRESS
	inns "$(pid_of "$1")" ping -q -c 1 -W 1 "$2" >/dev/null
}

for mode in bridge private vepa passthru; do
	net n1 -o macvlan_mode=$mode
	serve web n1 80 --ip 192.0.2.70 --ip6 2001:db8:2::70
	pid=$(pid_of web)
	same "$(inns "$pid" ip -d -j link show eth0 | jq -r '.[0].linkinfo.info_data.mode')" \
		$mode "the link's mode"
	same "$(docker exec web ip r | awk '/default/ { print $3, $5 }')" '192.0.2.2 eth0'
	same "$(docker exec web ip -6 r | awk '/default/ { print $3, $5 }')" \
		'2001:db8:2::2 eth0'
	same "$(ns lan curl -s --max-time 5 http://192.0.2.70/)" web "LAN, IPv4, $mode"
	same "$(ns lan curl -gs --max-time 5 'http://[2001:db8:2::70]/')" web "LAN, IPv6, $mode"
	reach web 192.0.2.2
	reach web 2001:db8:2::2
	if [ $mode = passthru ]; then
		# It has the parent's MAC, and nobody else gets in.
		same "$(mac "$pid")" \
			"$(cat /sys/class/net/up1/address)"
		fails_with 'goes through to one container' \
			docker run --rm --network n1 bb:1 true
		fails_with "is that of network $(net_id n1 | cut -c1-12)" \
			docker network create -d berth-macvlan --subnet 10.9.0.0/24 -o parent=up1 n2
	else
		same "$(mac "$pid")" 02:42:c0:00:02:46
		serve other n1 80 --ip 192.0.2.71 --ip6 2001:db8:2::71
		if [ $mode = bridge ]; then
			same "$(from web http://192.0.2.71/)" other
			same "$(from web 'http://[2001:db8:2::71]/')" other
		else
			fails reach web 192.0.2.71
			fails reach web 2001:db8:2::71
		fi
		docker rm -f other >/dev/null
		# Without host_access the host stays apart, as with Docker's own.
		fails ping -q -c 1 -W 1 192.0.2.70
	fi
	docker rm -f web >/dev/null
	docker network rm n1 >/dev/null
	same "$(ip -d -j link show up1 | jq -c '.[0] | {promiscuity, address, mtu, flags}')" \
		"$before" "the parent after $mode"
done

# Many networks share a parent, and the passthru one gets it from none.
net n1
docker network create -d berth-macvlan --subnet 10.9.0.0/24 -o parent=up1 n2 >/dev/null
fails_with 'shares it with none' docker network create -d berth-macvlan \
	--subnet 10.10.0.0/24 -o parent=up1 -o macvlan_mode=passthru n3
# The same MAC twice on one parent is an error that names the holder.
serve web n1 80 --mac-address 02:aa:00:00:00:01
fails_with "is that of endpoint" \
	docker run --rm --network n2 --mac-address 02:aa:00:00:00:01 bb:1 true
# -p is not done, as with Docker's own: the container has an address of the LAN.
docker run -d --name pp --network n2 -p 8080:80 --stop-signal KILL bb:1 sleep 1000 >/dev/null
same "$(api Berth.Ports '{}' berth-macvlan | jq -c .Ports)" '[]'
docker rm -f web pp >/dev/null
docker network rm n1 n2 >/dev/null

# No parent, or --internal: its own, which leads nowhere; one container still finds
# another, and there is no gateway.
for how in '' '--internal -o parent=up1'; do
	# shellcheck disable=SC2086 # words
	docker network create -d berth-macvlan --subnet 10.11.0.0/24 $how in >/dev/null
	ip link show "dm-$(net_id in | cut -c1-12)" >/dev/null
	serve web in 80
	serve other in 80
	same "$(from other "http://$(ip_of web in)/")" web
	lacks "$(docker exec web ip r)" default
	docker rm -f web other >/dev/null
	docker network rm in >/dev/null
	fails sh -c 'ip -br link | grep -q "^dm-"'
done
fails_with 'does not exist' docker network create -d berth-macvlan --subnet 10.9.0.0/24 \
	-o parent=up9 n9
fails_with 'did you mean' docker network create -d berth-macvlan --subnet 10.9.0.0/24 \
	-o macvlan_mod=vepa n9
