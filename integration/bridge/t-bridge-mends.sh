#!/bin/bash
# A bridge deleted by somebody is made again with its containers on it, within 2 s;
# its address too; and links that no record owns are named by check and removed by
# gc, never a link without our mark.
. "${0%/*}/../lib/lib.sh"

berth_host
docker network create -d berth-bridge --subnet 10.93.0.0/24 n1 >/dev/null
bridge=bb-$(net_id n1 | cut -c1-12)
serve web n1 80 -p 8080:80
docker run -d --name near --network n1 --stop-signal KILL bb:1 sleep 999 >/dev/null
ip link del "$bridge"
wait_until 2 ns lan curl -sf --max-time 1 http://192.0.2.1:8080/
same "$(from near "http://$(ip_of web n1)/")" web "within, after"
ip addr del 10.93.0.1/24 dev "$bridge"
wait_until 2 ns lan curl -sf --max-time 1 http://192.0.2.1:8080/
contains "$(ip -br addr show "$bridge")" 10.93.0.1/24

# Foreign things with names like ours stay.
ip link add bv00000000000 type dummy 2>/dev/null ||
	ip link add bv00000000000 type veth peer name bc00000000000
ip link add bb-000000000000 type bridge
# Marked and unknown: a restored backup.
orphan=$(printf 'f%.0s' $(seq 64))
ip link add bb-ffffffffffff type bridge
ip link set bb-ffffffffffff alias "berth:berth-bridge:$orphan"
contains "$(api Berth.Check '{}' berth-bridge)" 'link bb-ffffffffffff'
contains "$(api Berth.Gc '{"DryRun":true}' berth-bridge)" 'link bb-ffffffffffff'
ip link show bb-ffffffffffff >/dev/null
contains "$(api Berth.Gc '{}' berth-bridge)" 'link bb-ffffffffffff'
fails ip link show bb-ffffffffffff
ip link show bv00000000000 >/dev/null
ip link show bb-000000000000 >/dev/null
same "$(fetch http://127.0.0.1:8080/)" web "after gc"
# State gone, objects left: nothing is touched until gc is asked.
docker rm -f near >/dev/null
kill9_daemon berth-bridge
mv /var/lib/berth/berth-bridge /var/lib/berth/away
mv /run/berth/berth-bridge /run/berth/away
start_daemon berth-bridge
ip link show "$bridge" >/dev/null
contains "$(api Berth.Check '{}' berth-bridge)" "link $bridge"
kill9_daemon berth-bridge
rm -rf /var/lib/berth/berth-bridge /run/berth/berth-bridge
mv /var/lib/berth/away /var/lib/berth/berth-bridge
mv /run/berth/away /run/berth/berth-bridge
start_daemon berth-bridge
same "$(ns lan curl -s --max-time 5 http://192.0.2.1:8080/)" web "state back"
docker rm -f web >/dev/null
docker network rm n1 >/dev/null
ip link del bv00000000000
ip link del bb-000000000000
