#!/bin/bash
# in turn
# time: 300
# netctl run in networks and with volumes of the plugins: addresses, published ports, names in
# /etc/hosts, another container's network, volumes that are kept; all is given back at the end.
. "${0%/*}/lib.sh"
. "${0%/*}/box.sh"
need root busybox curl jq nft

rootfs
lan
start_daemon berth-ipam
start_daemon berth-bridge
start_daemon berth-named
start_daemon berth-dns
"$NETCTL" network create --subnet 10.80.0.0/24 shop >/dev/null
"$NETCTL" network create --subnet 10.81.0.0/24 --ipv6 --subnet fd00:81::/64 back >/dev/null
links() {
	ip -j link | jq -c '[.[].ifname] | sort'
}
leases() {
	api Berth.IpamLeases '{}' berth-ipam | jq -c '[.Leases[].Address] | sort'
}
held() {
	api Berth.Volumes '{}' berth-named | jq -c '[.Volumes[] | [.Name, (.Users | length)]]'
}
links=$(links)
leases=$(leases)

note 'a web server: published port, two networks, a volume'
run -d --name web --network shop --network back --ip 10.80.0.20 \
	--mac-address 02:00:00:00:00:20 -p 8080:80 -v site:/www "$ROOTFS" \
	sh -c 'echo page >/www/index.html; exec httpd -f -p 80 -h /www' >/dev/null
same "$("$NETCTL" exec web sh -c 'ip -o -4 addr show | cut -d" " -f2,7')" 'lo 127.0.0.1/8
eth0 10.80.0.20/24
eth1 10.81.0.2/24'
same "$("$NETCTL" exec web cat /sys/class/net/eth0/address)" 02:00:00:00:00:20
same "$("$NETCTL" exec web ip route | grep default | cut -d' ' -f1-5)" 'default via 10.80.0.1 dev eth0'
contains "$("$NETCTL" exec web cat /etc/hosts)" "10.80.0.20	$(field web 'ID[:12]')"
contains "$("$NETCTL" exec web cat /etc/hosts)" "fd00:81::2	$(field web 'ID[:12]')"
from_lan() {
	[ "$(ns lan curl -sS --max-time 5 http://192.0.2.1:8080/)" = page ]
}
wait_until 10 from_lan
same "$(held)" '[["site",1]]'
same "$(field web 'Endpoints | map(.Network) | sort | join(" ")')" 'back shop'
contains "$("$NETCTL" ps)" '8080:80'
fails_with 'in use by' "$NETCTL" network rm shop

note 'a second one talks to it; one shares its network'
contains "$(run --rm --network shop "$ROOTFS" wget -qO- http://10.80.0.20/)" page
contains "$(run --rm --network container:web "$ROOTFS" wget -qO- http://127.0.0.1/)" page
same "$(run --rm --network container:web "$ROOTFS" hostname)" "$(field web 'ID[:12]')"
fails_with 'goes with no other' run --rm --network shop --network host "$ROOTFS" true
fails_with 'it does not run' eval 'run --name gone "$ROOTFS" true; run --rm --network container:gone "$ROOTFS" true'
"$NETCTL" rm gone >/dev/null

note 'names: of those in the same network, until their end'
asks() { # NETWORK NAME - the addresses that a container of it is told
	run --rm --network "$1" "$ROOTFS" nslookup "$2" 2>/dev/null |
		awk '/^Name:/ { n = 1 } n && /^Address/ { print $NF }' | sort | paste -sd' '
}
same "$("$NETCTL" exec web grep -c '^nameserver 127.0.0.11$' /etc/resolv.conf)" 1
same "$(asks shop web)" 10.80.0.20
same "$(asks shop "$(field web 'ID[:12]')")" 10.80.0.20
same "$(asks back web)" '10.81.0.2 fd00:81::2'
same "$("$NETCTL" network create --subnet 10.83.0.0/24 -o berth.names=off quiet >/dev/null
	run --rm --network quiet "$ROOTFS" cat /etc/resolv.conf)" "$(grep -v "nameserver  *127" /etc/resolv.conf)"
"$NETCTL" network rm quiet >/dev/null
same "$("$NETCTL" name ls --json | jq -r '[.[] | .Name] | unique | join(" ")')" \
	"$(printf '%s\n' web "$(field web 'ID[:12]')" | sort | paste -sd' ')"
kill9_daemon berth-dns
start_daemon berth-dns
again() { [ "$(asks shop web)" = 10.80.0.20 ]; }
wait_until 15 again

note 'what berth-dns refuses is no reason not to run; a firewall of the host is not in the way'
run --name 8080 --network shop "$ROOTFS" cat /etc/resolv.conf >said 2>&1
contains "$(cat said)" 'nameserver 127.0.0.11'
"$NETCTL" rm 8080 >/dev/null
nft 'add table inet host; add chain inet host in { type filter hook input priority 0; }
	add rule inet host in udp dport 53 drop'
same "$(asks shop web)" 10.80.0.20
nft delete table inet host
run -d --name gone --network shop "$ROOTFS" sleep 100 >/dev/null
stop_daemon berth-dns
"$NETCTL" stop -t 0 gone >/dev/null
same "$(field gone State)" exited
same "$(api Berth.IpamLeases '{}' berth-ipam | jq -c '[.Leases[] | select(.Address | startswith("10.80.0.2"))] | length')" 1
fails_with 'until berth-dns has forgotten its names' "$NETCTL" rm gone
same "$(field gone State)" removing
start_daemon berth-dns
run -d --rm --name short --network shop "$ROOTFS" sleep 100 >/dev/null
lacks "$("$NETCTL" ps -a)" gone 'the next netctl does the rest'
stop_daemon berth-dns
"$NETCTL" stop -t 0 short >/dev/null
same "$(field short State 2>>said)" removing
start_daemon berth-dns
"$NETCTL" ps >/dev/null
lacks "$("$NETCTL" ps -a)" short
same "$("$NETCTL" name ls --json | jq -r '[.[] | .Name] | unique | length')" 2 'those of web'

note 'what a driver refuses leaves nothing'
fails_with 'in no subnet' run --rm --network shop --ip 10.99.0.1 "$ROOTFS" true
fails_with '8080' run --rm --network shop -p 8080:80 "$ROOTFS" true
fails_with 'unknown option' eval '"$NETCTL" volume create -o no.such=1 bad'
fails_with 'berth-nobody' run --rm -v x1:/x --volume-driver berth-nobody "$ROOTFS" true
same "$("$NETCTL" ps -aq | wc -l)" 1

note 'a port that comes while it runs'
same "$("$NETCTL" port add web 8081:80)" '*:8081 -> 10.80.0.20:80/tcp'
same "$("$NETCTL" ports --json | jq -r '.[] | "\(.Container) \(.HostFirst) \(.Live)"' | sort)" \
	$'web 8080 false\nweb 8081 true'
same "$(ns lan curl -sS --max-time 5 http://192.0.2.1:8081/)" page
fails_with 'no container' "$NETCTL" port add nobody 8082:80
run --name idle "$ROOTFS" true
fails_with 'does not run' "$NETCTL" port add idle 8082:80
"$NETCTL" rm idle >/dev/null

note 'over a restart of the daemons'
kill9_daemon berth-bridge
kill9_daemon berth-ipam
kill9_daemon berth-named
start_daemon berth-ipam
start_daemon berth-bridge
start_daemon berth-named
from_lan
same "$(ns lan curl -sS --max-time 5 http://192.0.2.1:8081/)" page
"$NETCTL" port rm web 8081:80
fails ns lan curl -sS --max-time 2 http://192.0.2.1:8081/
same "$(held)" '[["site",1]]'

note 'its end: all is given back, the volume keeps what is in it'
"$NETCTL" stop -t 1 web >/dev/null
same "$("$NETCTL" name ls --json | jq -c .)" '[]' names
same "$(links)" "$links" links
same "$(leases)" "$leases" leases
same "$(held)" '[["site",0]]'
fails ns lan curl -sS --max-time 2 http://192.0.2.1:8080/
same "$(run --rm -v site:/mnt:ro "$ROOTFS" cat /mnt/index.html)" page
fails run --rm -v site:/mnt:ro "$ROOTFS" touch /mnt/x
"$NETCTL" rm web >/dev/null

note 'a restart has new endpoints; the port is there again'
run -d --name again --restart always --network shop -p 8080:80 -v site:/www "$ROOTFS" \
	httpd -f -p 80 -h /www >/dev/null
wait_until 10 from_lan
"$NETCTL" kill -s KILL again >/dev/null # by hand: not restarted
wait_until 10 is again exited
"$NETCTL" rm again >/dev/null
run -d --name again --restart always --network shop -p 8080:80 -v site:/www "$ROOTFS" \
	httpd -f -p 80 -h /www >/dev/null
wait_until 10 from_lan
kill -9 "$(field again Pid)"
restarted() {
	[ "$(field again RestartCount)" = 1 ] && is again running
}
wait_until 10 restarted
wait_until 10 from_lan
same "$(field again 'Endpoints | length')" 1
"$NETCTL" rm -f again >/dev/null
same "$(links)" "$links" links
same "$(leases)" "$leases" leases

note 'a daemon that is away between two lives: the next waits for it'
run -d --name again --restart always --network shop -p 8080:80 -v site:/www "$ROOTFS" \
	httpd -f -p 80 -h /www >/dev/null
wait_until 10 from_lan
stop_daemon berth-named
kill -9 "$(field again Pid)"
waits() {
	is again restarting && [[ $(field again Error) = *berth-named* ]]
}
wait_until 10 waits
start_daemon berth-named
wait_until 20 is again running
wait_until 10 from_lan
same "$(field again RestartCount) $(field again Error)" '1 '
same "$(held)" '[["site",1]]'
stop_daemon berth-named
kill -9 "$(field again Pid)"
wait_until 10 waits
"$NETCTL" stop again >/dev/null 2>&1
is again exited
start_daemon berth-named
"$NETCTL" rm again >/dev/null
same "$(held)" '[["site",0]]'
same "$(links)" "$links" links
same "$(leases)" "$leases" leases

note 'a daemon that is away at the end: its part is done by the next netctl'
run -d --name late --network shop -v site:/www "$ROOTFS" sleep 300 >/dev/null
stop_daemon berth-named
"$NETCTL" stop -t 0 late >/dev/null 2>&1
contains "$(field late Error)" berth-named
fails_with 'berth-named' "$NETCTL" rm late
start_daemon berth-named
"$NETCTL" ps >/dev/null
same "$(held)" '[["site",0]]'
"$NETCTL" ps -a >/dev/null
same "$("$NETCTL" ps -aq | wc -l)" 0
"$NETCTL" volume rm site >/dev/null
"$NETCTL" network rm shop >/dev/null
"$NETCTL" network rm back >/dev/null
nothing_left
