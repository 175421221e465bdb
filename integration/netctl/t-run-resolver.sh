#!/bin/bash
# in turn
# time: 240
# 127.0.0.11 in a container of netctl run: names of all its networks by UDP and TCP, beside a
# server of its own on port 53; the rest by the host's resolvers or --dns, of internal networks
# by nobody; through berth-dns's death; nothing of it is left by a container or its monitor.
. "${0%/*}/lib.sh"
. "${0%/*}/box.sh"
need root busybox jq nft dig dnsmasq tcpdump ss curl

rootfs
lan
sysctl -qw net.ipv4.ip_forward=1
allow '^[-+] main: sysctl net\.?/?ipv4' 'the test turns forwarding on, in its own namespace'
ns lan ip addr add 192.0.2.3/24 dev eth0
upstream() { # ADDRESS ANSWER
	in_background "up-$1.log" nsenter --net=/run/netns/lan -- dnsmasq -k -C /dev/null \
		--no-hosts --no-resolv --pid-file= --user=root --port=53 --bind-interfaces \
		--listen-address="$1" --address=/up.example/"$2" --log-queries --log-facility=-
	wait_until 5 dig +short +time=1 +tries=1 @"$1" up.example
}
upstream 192.0.2.2 203.0.113.7
upstream 192.0.2.3 203.0.113.8
printf '%s\n' 'nameserver 192.0.2.2' 'search lab.example' >resolv
mount --bind "$PWD/resolv" "$(realpath /etc/resolv.conf)"
allow '^[-+] mount .*resolv' 'the box has its own'
start_daemon berth-ipam
start_daemon berth-bridge
start_daemon berth-dns
"$NETCTL" network create --subnet 10.80.0.0/24 shop >/dev/null
"$NETCTL" network create --subnet 10.81.0.0/24 --internal back >/dev/null
in_ns() { # CONTAINER COMMAND... - the host's program in its network
	nsenter -t "$(field "$1" Pid)" -n "${@:2}"
}
asks() { # CONTAINER ARG... - of dig
	in_ns "$1" dig +time=3 +tries=1 +short @127.0.0.11 "${@:2}"
}
status() { # CONTAINER ARG...
	in_ns "$1" dig +time=5 +tries=1 @127.0.0.11 "${@:2}" | sed -n 's/.*status: \([A-Z]*\).*/\1/p'
}
sockets() { # - how many berth-dns has
	find "/proc/${DAEMON_PID[berth-dns]}/fd" -lname 'socket:*' | wc -l
}
served() { [ "$(grep -c msg=answered berth-dns.log)" = 2 ]; }
wait_until 10 served
before=$(sockets)

note 'names of both networks, with their domain and back, by UDP and TCP'
run -d --name web --network shop --network back "$ROOTFS" sleep 1000 >/dev/null
run -d --name db --network back --network-alias store --network-alias DB2 "$ROOTFS" sleep 1000 >/dev/null
run -d --name front --network shop "$ROOTFS" sleep 1000 >/dev/null
same "$("$NETCTL" exec web cat /etc/resolv.conf)" 'nameserver 127.0.0.11
search lab.example
options ndots:0'
contains "$("$NETCTL" exec web nslookup db. 2>&1)" 10.81.0.3
for how in +notcp +tcp; do
	same "$(asks web $how front)" 10.80.0.3
	same "$(asks web $how db)" 10.81.0.3
	same "$(asks web $how db.back)" 10.81.0.3
	same "$(asks web $how store) $(asks web $how db2.back)" '10.81.0.3 10.81.0.3'
	same "$(asks web $how web)" 10.80.0.2 "the first network's"
	same "$(asks web $how -x 10.81.0.3)" db.back.
	same "$(status web $how -x 10.80.0.77)" NXDOMAIN
	same "$(asks web $how up.example)" 203.0.113.7
done
same "$(asks web host.berth.internal) $(asks db HOST.berth.internal)" '10.80.0.1 10.81.0.1' 'the host'
same "$(status web host.berth.internal AAAA) $(asks web host.berth.internal AAAA)" 'NOERROR '
mkdir www
echo host >www/hello
in_background host-www.log busybox httpd -f -p 10.80.0.1:8099 -h www
wait_until 10 in_ns web curl -sf -m 3 http://10.80.0.1:8099/hello
same "$("$NETCTL" exec web wget -q -O - http://host.berth.internal:8099/hello)" host 'reached by its name'
same "$(status front db)" REFUSED 'no network of its: asked on, where nobody knows it'
same "$(in_ns web nft list ruleset | grep -c 'dnat to 127.0.0.11')" 2

note 'a server of its own has port 53, and 127.0.0.1 is its'
in_background own.log nsenter -t "$(field web Pid)" -n dnsmasq -k -C /dev/null --no-hosts \
	--no-resolv --pid-file= --user=root --port=53 --address=/own.example/198.51.100.9 \
	--log-facility=-
OWN=$PID
own() { [ "$(in_ns web dig +time=1 +tries=1 +short @127.0.0.1 own.example)" = 198.51.100.9 ]; }
wait_until 5 own
contains "$(in_ns web ss -lnu)" '0.0.0.0:53 '
same "$(asks web db)" 10.81.0.3
same "$(asks web +tcp db)" 10.81.0.3
end "$OWN"

note 'of an internal network nothing is asked on, and nobody but the container is answered'
in_background leak.log tcpdump -i up1 -n -l -Q out port 53
CAPTURE=$PID
wait_until 5 grep -q listening leak.log
same "$(asks db web)" 10.81.0.2
same "$(status db up.example)" REFUSED
same "$(status db +tcp up.example)" REFUSED
same "$(asks web up.example)" 203.0.113.7 'the capture sees what leaves'
wait_until 5 grep -q 'A? up.example' leak.log
end "$CAPTURE"
same "$(grep -c 'A? up.example' leak.log)" 1
same "$(in_ns db ss -lntuH | grep -c '127.0.0.11%lo:')" 2 "bound to lo: a neighbour's packets reach neither"
"$NETCTL" rm -f web >/dev/null

note '--dns and its siblings'
run -d --name said --network shop --dns 192.0.2.3 --dns-search a.example --dns-search b.example \
	--dns-option ndots:2 "$ROOTFS" sleep 1000 >/dev/null
same "$("$NETCTL" exec said cat /etc/resolv.conf)" 'nameserver 127.0.0.11
search a.example b.example
options ndots:2'
same "$(asks said up.example)" 203.0.113.8
same "$(asks said +tcp up.example)" 203.0.113.8
same "$(asks said front)" 10.80.0.3
same "$(run --rm --network shop --dns-option timeout:1 "$ROOTFS" tail -n 1 /etc/resolv.conf)" \
	'options timeout:1 ndots:0'
same "$(run --rm --dns 192.0.2.3 --dns-search . "$ROOTFS" cat /etc/resolv.conf)" 'nameserver 192.0.2.3'
fails_with 'would ask the host' run --rm --dns 127.0.0.1 "$ROOTFS" true
fails_with 'is no word' run --rm --dns-search 'a b' "$ROOTFS" true
"$NETCTL" rm -f said >/dev/null

note 'berth-dns dies: a question waits for the next one, and so does a restarted container'
at_most 6 "$(($(sockets) - before))" "sockets of two containers, three each"
kill9_daemon berth-dns
in_background late.log nsenter -t "$(field front Pid)" -n dig +time=20 +tries=1 +short \
	@127.0.0.11 front
start_daemon berth-dns
said_late() { [ "$(cat late.log)" = 10.80.0.3 ]; }
wait_until 10 said_late
stop_daemon berth-dns
start_daemon berth-dns
tcp() { [ "$(asks front +tcp front)" = 10.80.0.3 ]; }
wait_until 10 tcp

note 'a container that closes its own sockets harms nobody else'
in_ns db ss -K -lntuH src 127.0.0.11 >/dev/null 2>&1 || : # CONFIG_INET_DIAG_DESTROY
note "left to it: $(in_ns db ss -lntuH src 127.0.0.11 | wc -l) of 2"
ticks() { awk '{ print $14 + $15 }' "/proc/${DAEMON_PID[berth-dns]}/stat"; }
was=$(ticks)
for _ in $(seq 20); do same "$(asks front front)" 10.80.0.3; done
at_most "$(($(ticks) - was))" 20 'ticks of a processor for 20 questions'

note 'nothing is left: of one that ends, whose monitor is killed, or that restarts'
"$NETCTL" rm -f db >/dev/null
kill -9 "$(monitor_of front)"
"$NETCTL" ps >/dev/null
"$NETCTL" rm front >/dev/null
gone() { [ "$(sockets)" -le "$before" ]; }
wait_until 5 gone
run -d --name again --restart always --network shop "$ROOTFS" sleep 1000 >/dev/null
kill -9 "$(field again Pid)"
restarted() { [ "$(field again RestartCount)" = 1 ] && is again running; }
wait_until 10 restarted
same "$(asks again again)" "$(field again 'Endpoints[0].Address' | cut -d/ -f1)"
one() { [ "$(sockets)" -le "$((before + 3))" ]; }
wait_until 5 one
"$NETCTL" rm -f again >/dev/null

note 'names that could not be taken back are, before the next life has its own'
BERTH_FP=boxname.untelling:err=EIO:nth=1,life.created:sleep=4000:nth=2 \
	run -d --name moves --restart always --network shop "$ROOTFS" sleep 1000 >/dev/null
address() { field "$1" 'Endpoints[0].Address' | cut -d/ -f1; }
old=$(address moves)
kill -9 "$(field moves Pid)"
wait_until 5 eval '[ "$(field moves "Endpoints | length")" = 0 ]'
run -d --name taker --network shop --ip "$old" "$ROOTFS" sleep 1000 >/dev/null
moved() { [ "$(field moves RestartCount)" = 1 ] && is moves running; }
wait_until 15 moved
differ "$(address moves)" "$old" 'the address was taken'
same "$(asks taker moves)" "$(address moves)"
"$NETCTL" rm -f moves taker >/dev/null

note 'a berth-dns that is away just when it is told is told again'
BERTH_FP=boxname.handed:err=ECONNREFUSED:nth=1 run -d --name late --network shop "$ROOTFS" sleep 1000 >/dev/null
contains "$("$NETCTL" exec late cat /etc/resolv.conf)" 'nameserver 127.0.0.11'
same "$(asks late late)" "$(address late)"
"$NETCTL" rm -f late >/dev/null

note 'where the rules cannot be made it asks as without names'
BERTH_FP=boxname.led:err=EIO run -d --name plain --network shop "$ROOTFS" sleep 1000 >/dev/null
same "$("$NETCTL" exec plain cat /etc/resolv.conf)" "$(cat resolv)"
"$NETCTL" rm -f plain >/dev/null
wait_until 5 gone
"$NETCTL" network rm shop >/dev/null
"$NETCTL" network rm back >/dev/null
nothing_left
