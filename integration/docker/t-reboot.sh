#!/bin/bash
# After a reboot (every link, rule, mount and /run gone, records in /var/lib kept)
# daemons and dockerd start and every network and volume is usable again.
. "${0%/*}/../lib/lib.sh"

berth_host
# Overlays, VPNs, clouds: the uplink has not 1500.
ip link set up1 mtu 1400
docker network create -d berth-bridge --ipv6 --subnet 10.65.0.0/24 \
	--subnet fd00:65::/64 n1 >/dev/null
docker volume create -d berth-named v1 >/dev/null
docker volume create -d berth-named -o size=16m v2 >/dev/null
serve web n1 80 -p 8080:80 -v v1:/d -v v2:/image --restart always
docker exec web sh -c 'echo kept >/d/file; echo kept >/image/file; sync'
bridge_mtu() {
	ip -j link show "$bridge" | jq '.[0].mtu'
}
bridge=$(api Berth.Networks '{}' berth-bridge | jq -r '.Networks[0].Bridge')

same "$(bridge_mtu)" 1400

# Power off.
pid=$(pid_of web)
kill9_dockerd
kill -9 "$pid"
kill9_daemon berth-bridge
kill9_daemon berth-named
kill_shims
wait_until 10 no_process containerd-shim
# Nothing of the kernel's survives.
nft flush ruleset
ip -o link show | sed -n 's/^[0-9]*: \([^:@]*\).*/\1/p' | while read -r l; do
	case $l in lo | up1) ;; *) ip link del "$l" 2>/dev/null || : ;; esac
done
sysctl -qw net.ipv4.ip_forward=0 net.ipv6.conf.all.forwarding=0 \
	net.ipv4.ip_local_reserved_ports=
for l in all default up1; do
	sysctl -qw "net.ipv6.conf.$l.accept_ra=1"
done
find /sys/fs/bpf -mindepth 1 -delete 2>/dev/null || :
awk '$5 ~ "^/(run/|var/lib/berth/|var/lib/docker/)" && $5 !~ "^/run/netns" { print $5 }' \
	/proc/self/mountinfo | tac | while read -r m; do
	umount -l "$m"
done
find /run -mindepth 1 -not -path '/run/netns*' -delete 2>/dev/null || :
fails ip link show "$bridge"
# Each boot has an id of its own.
cat /proc/sys/kernel/random/uuid >"$DIR/boot_id"
mount --bind "$DIR/boot_id" /proc/sys/kernel/random/boot_id

# The network of the host comes up after the daemons.
ip link set up1 down

# Power on: no container of before is known to the daemons.
start_daemon berth-bridge
start_daemon berth-named
same "$(bridge_mtu)" 1400 "MTU without a default route"
ip link set up1 up
ip -6 addr replace 2001:db8:2::1/64 dev up1 nodad
ip route replace default via 192.0.2.2
ip -6 route replace default via 2001:db8:2::2
run_dockerd
wait_until 20 ns lan curl -sf --max-time 1 http://192.0.2.1:8080/
same "$(docker exec web cat /d/file)" kept
same "$(docker exec web cat /image/file)" kept
same "$(findmnt -n -o FSTYPE /var/lib/berth/berth-named/volumes/v2/_data)" ext4
same "$(fetch 'http://[::1]:8080/')" web
same "$(docker run --rm --network n1 bb:1 timeout 10 wget -qO- http://web/)" web
same "$(api Berth.Network "{\"NetworkID\":\"$(net_id n1)\"}" berth-bridge | jq .EndpointCount)" 1
same "$(api Berth.Volumes '{}' berth-named | jq -r '.Volumes[] | "\(.Name) \(.Users)"')" $'v1 1\nv2 1'
docker rm -f web >/dev/null
docker network rm n1 >/dev/null
docker volume rm v1 v2 >/dev/null
umount /proc/sys/kernel/random/boot_id
