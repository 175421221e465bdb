#!/bin/bash
# On a network's gateway its names are answered to its own containers, by UDP and TCP,
# and the rest by the host's resolvers; of an internal network nothing leaves.
# time: 120
. "${0%/*}/../lib/lib.sh"
need dig busybox dnsmasq tcpdump dnsnets jq

# bridge NAME N - br<N> 10.9.<N>.1, and namespaces a<N>, b<N> of .2 and .3 on it.
bridge() {
	local n=$1 c i=2
	ip link add "br$n" type bridge
	sysctl -qw "net.ipv6.conf.br$n.accept_dad=0"
	ip link set "br$n" up
	ip addr add "10.9.$n.1/24" dev "br$n"
	ip addr add "fd00:$n::1/64" dev "br$n" nodad
	for c in "a$n" "b$n"; do
		new_ns "$c"
		ip link add "v$c" type veth peer name eth0 netns "$c"
		ip link set "v$c" master "br$n" up
		ns "$c" sysctl -qw net.ipv6.conf.eth0.accept_dad=0
		ns "$c" ip addr add "10.9.$n.$i/24" dev eth0
		ns "$c" ip addr add "fd00:$n::$i/64" dev eth0 nodad
		ns "$c" ip link set eth0 up
		ns "$c" ip route add default via "10.9.$n.1"
		ns "$c" ip -6 route add default via "fd00:$n::1"
		i=$((i + 1))
	done
}

# The world's names are behind the uplink.
lan
bridge 1
bridge 2
sysctl -qw net.ipv4.ip_forward=1
allow '^[-+] main: sysctl net\.?/?ipv4' 'the test turns forwarding on, in its own namespace'
for i in $(seq 60); do
	echo "host-record=many.example,198.51.100.$i"
	echo "txt-record=long.example,\"$(printf 'x%.0s' $(seq 200)) $i\""
done >lan.conf
resolver() { # ADDRESS [FLAG...]
	in_background "dnsmasq-$1.log" nsenter --net=/run/netns/lan -- \
		dnsmasq -k -C "$DIR/lan.conf" --no-hosts --no-resolv --pid-file= \
		--user=root --port=53 --edns-packet-max=4096 --bind-interfaces --listen-address="$1" \
		--address=/up.example/203.0.113.7 --log-queries --log-facility=- "${@:2}"
}
ns lan ip addr add 192.0.2.3/24 dev eth0
resolver 192.0.2.2
UPSTREAM=$PID
wait_until 5 dig +short +time=1 +tries=1 @192.0.2.2 up.example

echo 'nameserver 192.0.2.2' >resolv
mount --bind "$PWD/resolv" "$(realpath /etc/resolv.conf)"
allow '^[-+] mount .*resolv' 'the box has its own'

mkfifo told
lives=0
tell() { # LINE... - and wait until it is done
	local had
	had=$(grep -c '^set$' "$SAID" || :)
	printf '%s\n' "$@" set >&7
	wait_until 5 eval "[ \$(grep -c '^set$' '$SAID') -gt $had ]"
}
ONE=('net n.shop br1 shop open 10.9.1.1 10.9.1.0/24 fd00:1::1 fd00:1::/64'
	'name n.shop web 10.9.1.2' 'name n.shop web fd00:1::2'
	'name n.shop db 10.9.1.3')
TWO=('net n.back br2 - internal 10.9.2.1 10.9.2.0/24 fd00:2::1 fd00:2::/64'
	'name n.back web 10.9.2.2' 'name n.back only 10.9.2.3')
in_it() { # as in_background, but with the fifo as input
	"$TOOLS/dnsnets" <told >"$DIR/served-$1.log" 2>&1 &
	PID=$!
	STARTED+=("$PID")
}
serve_names() {
	lives=$((lives + 1))
	in_it $lives
	exec 7>told
	SERVER=$PID SAID=$DIR/served-$lives.log
	tell "${ONE[@]}" "${TWO[@]}"
}
serve_names

ask() { # NAMESPACE DIG-ARG...
	ns "$1" dig +time=5 +tries=1 "${@:2}"
}
short() {
	ask "$@" +short
}
status() {
	ask "$@" | sed -n 's/.*status: \([A-Z]*\),.*/\1/p'
}

# --- its own names ----------------------------------------------------------
same "$(short b1 @10.9.1.1 web)" 10.9.1.2 "A"
same "$(short b1 @10.9.1.1 WeB)" 10.9.1.2 "in another case"
same "$(short b1 @10.9.1.1 web.shop)" 10.9.1.2 "below the network's domain"
same "$(short b1 @10.9.1.1 web AAAA)" fd00:1::2 "AAAA"
same "$(short b1 @fd00:1::1 web)" 10.9.1.2 "asked by IPv6"
same "$(short b1 @10.9.1.1 -x 10.9.1.3)" db.shop. "reverse"
same "$(short b1 @10.9.1.1 -x fd00:1::2)" web.shop. "reverse, IPv6"
same "$(short b1 @10.9.1.1 +tcp web)" 10.9.1.2 "by TCP"
same "$(status b1 @10.9.1.1 db AAAA) $(short b1 @10.9.1.1 db AAAA)" 'NOERROR ' "no such address"
same "$(status b1 @10.9.1.1 web MX) $(short b1 @10.9.1.1 web MX)" 'NOERROR ' "no such type"
same "$(status b1 @10.9.1.1 -x 10.9.1.77)" NXDOMAIN "nobody's address"
same "$(short b1 @10.9.1.1 host.berth.internal)" 10.9.1.1 "the host"
same "$(short b1 @10.9.1.1 host.berth.internal AAAA)" fd00:1::1 "the host, AAAA"
ns b1 busybox nslookup web.shop 10.9.1.1 >looked
contains "$(cat looked)" 10.9.1.2 "busybox"
same "$(short b2 @10.9.2.1 web)" 10.9.2.2 "the same name of another network"

# --- the world's ------------------------------------------------------------
same "$(short b1 @10.9.1.1 up.example)" 203.0.113.7 "forwarded"
same "$(short b1 @10.9.1.1 +tcp up.example)" 203.0.113.7 "forwarded, by TCP"
same "$(short b1 @10.9.1.1 -x 198.51.100.7)" many.example. "others' addresses"
ask b1 @10.9.1.1 +ignore +noedns long.example TXT >long
contains "$(grep flags: long | head -1)" ' tc' "too long for UDP"
ask b1 @10.9.1.1 +ignore +bufsize=4096 long.example TXT >long
contains "$(grep flags: long | head -1)" ' tc' "4096 bytes are asked for"
at_most "$(sed -n 's/.*MSG SIZE  rcvd: //p' long)" 1232 "bytes by UDP"
same "$(short b1 @10.9.1.1 long.example TXT | wc -l)" 60 "then it comes by TCP"

# --- refused ----------------------------------------------------------------
for q in 'web ANY' 'version.bind TXT CH'; do
	# shellcheck disable=SC2086 # words
	same "$(status b1 @10.9.1.1 $q)" REFUSED "$q"
done
contains "$(ask b1 @10.9.1.1 web AXFR)" 'Transfer failed' "AXFR"
same "$(status b1 @10.9.1.1 +opcode=status web)" NOTIMP "an opcode"
same "$(status b1 @10.9.1.1 +edns=1 +noednsneg web)" BADVERS "EDNS of the future"

# --- an internal network ----------------------------------------------------
in_background capture.log ns lan tcpdump -Uni eth0 -w out.pcap port 53
wait_until 5 grep -q listening capture.log
same "$(short b2 @10.9.2.1 only)" 10.9.2.3 "its own"
same "$(status b2 @10.9.2.1 secret.up.example)" REFUSED "the world's, of an internal one"
same "$(status b2 @10.9.2.1 +tcp secret.up.example)" REFUSED "by TCP"
same "$(status b2 @10.9.2.1 -x 198.51.100.7)" REFUSED "reverse"
same "$(short b1 @10.9.1.1 marker.up.example)" 203.0.113.7 "the other goes on"
sees() { # NAME
	tcpdump -nr out.pcap 2>/dev/null | grep -q "$1"
}
wait_until 5 sees marker
fails sees secret

# --- strangers --------------------------------------------------------------
silent() { # NAMESPACE ARG...
	fails ask "$@" +time=1
}
ns lan ip route add 10.9.0.0/16 via 192.0.2.1
silent lan @10.9.1.1 web
silent lan @10.9.1.1 +tcp web
silent b2 @10.9.1.1 web # through the host, from another network
ns b1 ip addr add 10.66.0.2/24 dev eth0
ip route add 10.66.0.0/24 dev br1
silent b1 -b 10.66.0.2 @10.9.1.1 web # its bridge, an address that is none of its
silent b1 -b 10.66.0.2 @10.9.1.1 +tcp web
ip route del 10.66.0.0/24

# --- resolvers come, go and change ------------------------------------------
sed -i 's/.*/nameserver 192.0.2.3/' resolv
echo 'nameserver 192.0.2.3
nameserver 192.0.2.2' >resolv
answered() { # NAME
	[ "$(short b1 @10.9.1.1 "$1")" = 203.0.113.7 ]
}
wait_until 8 answered first-is-dead.up.example
t=$(now_ms)
same "$(short b1 @10.9.1.1 again.up.example)" 203.0.113.7 "past a dead resolver"
at_most $(($(now_ms) - t)) 1000 "ms, with who answered last asked first"
ns lan nft 'add table inet deaf; add chain inet deaf in { type filter hook input priority 0; }
	add rule inet deaf in udp dport 53 drop'
t=$(now_ms)
same "$(status b1 @10.9.1.1 silent.up.example)" SERVFAIL "nobody answers"
t=$(($(now_ms) - t))
at_most $t 4600 "ms until it is said"
at_most 3000 $t "ms that they had, at least 3000"
ns lan nft delete table inet deaf
end "$UPSTREAM"
same "$(status b1 @10.9.1.1 dead.up.example)" SERVFAIL "nobody is there"
echo 'nameserver 10.9.1.1' >resolv
says() { # NAME STATUS
	[ "$(status b1 @10.9.1.1 "$1")" = "$2" ]
}
quick() {
	t=$(now_ms)
	[ "$(status b1 @10.9.1.1 loop.up.example)" = SERVFAIL ]
	[ $(($(now_ms) - t)) -lt 1000 ]
}
wait_until 5 quick # itself is not asked
same "$(short b1 @10.9.1.1 web)" 10.9.1.2 "its own names meanwhile"
echo 'nameserver 192.0.2.2' >resolv
resolver 192.0.2.2
wait_until 10 answered back.up.example

# --- killed, and its bridge made anew ---------------------------------------
exec 7>&-
kill -9 "$SERVER"
wait "$SERVER" 2>/dev/null || :
serve_names
same "$(short b1 @10.9.1.1 web)" 10.9.1.2 "after a kill"
same "$(short b1 @10.9.1.1 +tcp web)" 10.9.1.2 "after a kill, TCP"
ns b2 ip link set eth0 down
ip link del br2
ip link add br2 type bridge
ip link set br2 up
ip addr add 10.9.2.1/24 dev br2
ip link set vb2 master br2
ns b2 ip link set eth0 up
ns b2 ip route replace default via 10.9.2.1
ticked() {
	echo tick >&7
	[ "$(short b2 @10.9.2.1 +time=1 web)" = 10.9.2.2 ]
}
wait_until 10 ticked
tell "${ONE[@]}"
silent b2 @10.9.2.1 web
same "$(short b1 @10.9.1.1 web)" 10.9.1.2 "what stays"
echo quit >&7
wait_until 5 gone "$SERVER"
exec 7>&-
ip link del br1
ip link del br2
umount "$(realpath /etc/resolv.conf)"
