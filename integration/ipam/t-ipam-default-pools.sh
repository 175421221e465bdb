#!/bin/bash
# Networks without --subnet: each has a pool of its own, which overlaps no route,
# address or name server of this host, from Docker's list or from --default-pool;
# IPv6 ones are of one /48 that is this host's for ever.
# time: 300
. "${0%/*}/../lib/lib.sh"

export IPAM=berth-ipam
berth_host
subnet() {
	docker network inspect -f '{{(index .IPAM.Config 0).Subnet}}' "$1"
}

# In use by others: docker0, a VPN's route, an address alone, a resolver.  The halves that a
# VPN makes of the default route take nothing from anybody.
ip route add 0.0.0.0/1 via 192.0.2.2
ip route add 128.0.0.0/1 via 192.0.2.2
ip route add 172.18.0.0/17 via 192.0.2.2
ip addr add 172.19.3.4/32 dev lo
echo 'nameserver 172.20.1.1' >resolv.conf
mount --bind resolv.conf /etc/resolv.conf
docker network create -d bridge n1 >/dev/null
docker network create -d berth-bridge n2 >/dev/null
docker network create -d berth-bridge n3 >/dev/null
same "$(subnet n1) $(subnet n2) $(subnet n3)" "172.21.0.0/16 172.22.0.0/16 172.23.0.0/16"
umount /etc/resolv.conf
serve web n2 80
same "$(from web http://127.0.0.1/)" web
docker exec web ping -c1 -W2 192.0.2.2 >/dev/null

# Given back, it is the first again; and what Docker's own manager took is passed.
docker network rm n1 >/dev/null
/usr/bin/docker network create -d bridge --subnet 172.20.0.0/16 foreign >/dev/null
docker network create -d bridge n1 >/dev/null
same "$(subnet n1)" 172.21.0.0/16
docker rm -f web >/dev/null
docker network rm n1 n2 n3 foreign >/dev/null

# A list of one's own; when it is empty the error says so.
stop_daemon berth-ipam
start_daemon berth-ipam --default-pool 10.200.0.0/23:24,10.201.0.0/16:28
docker network create -d bridge n1 >/dev/null
docker network create -d bridge n2 >/dev/null
docker network create -d bridge n3 >/dev/null
same "$(subnet n1) $(subnet n2) $(subnet n3)" "10.200.0.0/24 10.200.1.0/24 10.201.0.0/28"
docker network rm n1 n2 n3 >/dev/null
stop_daemon berth-ipam
start_daemon berth-ipam --default-pool 192.0.2.0/24:28
fails_with 'all default pools are in use' docker network create -d bridge x
stop_daemon berth-ipam
fails_with "can't be cut" "$BIN/berth-ipam" --default-pool 10.0.0.0/8:4

# IPv6: dockerd 20.10 asks for none; asked as a later one does.
start_daemon berth-ipam
six() {
	api IpamDriver.RequestPool '{"AddressSpace":"berth-local","V6":true}' berth-ipam |
		jq -r .Pool
}
a=$(six) b=$(six)
contains "$a" fd
same "$(cut -d: -f1-3 <<<"$a")" "$(cut -d: -f1-3 <<<"$b")" "the /48 of two pools"
differ "$a" "$b"
for p in "$a" "$b"; do
	same "$(api IpamDriver.ReleasePool "{\"PoolID\":\"berth-local/$p\"}" berth-ipam)" '{}'
done
restart_daemon berth-ipam
same "$(six)" "$a" "the first pool after a restart"
api IpamDriver.ReleasePool "{\"PoolID\":\"berth-local/$a\"}" berth-ipam
ip addr del 172.19.3.4/32 dev lo
ip route del 172.18.0.0/17
