#!/bin/bash
# IPv6: static address, default route, gateway answers, ports on ::1 and on global
# addresses, masquerade.
. "${0%/*}/../lib/lib.sh"

berth_host
docker network create -d berth-bridge --ipv6 --subnet 10.65.0.0/24 \
	--subnet fd00:65::/64 n1 >/dev/null
serve web n1 60 --ip6 fd00:65::77 -p '[::1]:6060:60' -p 8080:60
bridge=$(api Berth.Networks '{}' berth-bridge | jq -r '.Networks[0].Bridge')
same "$(ip -6 addr show dev "$bridge" tentative)" "" "what the host can't ask from yet"
same "$(ip6_of web n1)" fd00:65::77
pid=$(pid_of web)
contains "$(inns "$pid" ip -6 route show default)" "via fd00:65::1"
wait_until 5 inns "$pid" ping -6 -c1 -W1 fd00:65::1
same "$(fetch 'http://[::1]:6060/')" web
same "$(fetch 'http://[::1]:8080/')" web
same "$(fetch 'http://[2001:db8:2::1]:8080/')" web
same "$(ns lan curl -gs --max-time 5 'http://[2001:db8:2::1]:8080/')" web
fails ns lan curl -gs --max-time 2 'http://[2001:db8:2::1]:6060/'
fails fetch http://127.0.0.1:6060/
# Out, with the host's address.
wait_until 5 inns "$pid" ping -6 -c1 -W1 2001:db8:2::2
# A network without IPv6: ::1 still reaches the published port over TCP.
docker network create -d berth-bridge --subnet 10.66.0.0/24 n4 >/dev/null
serve four n4 80 -p 8444:80
same "$(fetch http://localhost:8444/)" four
same "$(fetch 'http://[::1]:8444/')" four
