#!/bin/bash
# adhoc
. "${0%/*}/../lib/lib.sh"
. "$IT/lib/iso.sh"
berth_host
docker network create -d berth-bridge --internal --ipv6 --subnet 10.65.0.0/24 \
	--subnet fd00:65::/64 n1 >/dev/null
docker network create -d berth-bridge --ipv6 --subnet 10.66.0.0/24 \
	--subnet fd00:66::/64 n2 >/dev/null
container mallory n1
container victim n2
listening
in_background lh.log "$IT/lib/probe" listen host 7000
wait_until 5 grep -q ready "$DIR/lh.log"
watch lan eth0
watch host "$(bridge_of n1)" "$(port_of mallory n1)"
p=$(port_of mallory n1)
ip -d addr show "$p"
cat /proc/sys/net/ipv6/conf/$p/{disable_ipv6,accept_ra,forwarding} /proc/sys/net/ipv4/conf/$p/{rp_filter,forwarding} /proc/sys/net/ipv4/conf/all/rp_filter
for gip in 10.65.0.1 10.66.0.1 192.0.2.1; do
at mallory "$IT/lib/frames" send eth0 mac=$(mac_of mallory) ip=10.65.0.2 ip6=fd00:65::2 ll=$(ll_of mallory) \
	gip=$gip gip6=fd00:66::1 vip=10.65.0.3 port=7000 gmac=$(cat /sys/class/net/$(bridge_of n1)/address) -- group-udp group-forged group-udp6 group-ra group-arp group-out
done
sleep 1
echo host got; cat $DIR/lh.log
echo lan; cat $DIR/watch-lan.log; echo watch-host; cat $DIR/watch-host.log
ip -6 route show dev $p; ip -6 addr show dev $p; ip neigh
ip -6 route show default
false
