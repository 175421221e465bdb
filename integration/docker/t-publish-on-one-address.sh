#!/bin/bash
# A port published on one host address answers there and not elsewhere, and two
# containers can have the same port on different addresses.
. "${0%/*}/../lib/lib.sh"

berth_host
ip addr add 192.0.2.3/24 dev up1
docker network create -d berth-bridge --ipv6 --subnet 10.65.0.0/24 \
	--subnet fd00:65::/64 n1 >/dev/null
serve one n1 80 -p 192.0.2.1:8081:80 -p '[2001:db8:2::1]:8082:80'
serve three n1 80 -p 192.0.2.3:8081:80
serve local n1 80 -p 127.0.0.1:8081:80 -p '[::1]:8083:80'

same "$(ns lan curl -s --max-time 5 http://192.0.2.1:8081/)" one
same "$(ns lan curl -s --max-time 5 http://192.0.2.3:8081/)" three
same "$(ns lan curl -gs --max-time 5 'http://[2001:db8:2::1]:8082/')" one
same "$(fetch http://192.0.2.1:8081/)" one
same "$(fetch http://192.0.2.3:8081/)" three
same "$(fetch http://127.0.0.1:8081/)" local
same "$(fetch 'http://[::1]:8083/')" local
fails fetch 'http://[::1]:8081/'
fails ns lan curl -gs --max-time 2 'http://[2001:db8:2::1]:8083/'
fails ns lan curl -s --max-time 2 http://192.0.2.1:8082/

# One goes, the others stay.
docker rm -f one >/dev/null
fails ns lan curl -s --max-time 2 http://192.0.2.1:8081/
same "$(ns lan curl -s --max-time 5 http://192.0.2.3:8081/)" three
same "$(fetch http://127.0.0.1:8081/)" local
