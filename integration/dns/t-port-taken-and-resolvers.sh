#!/bin/bash
# Who holds port 53 is named, and looked for once; names are answered when it is free.  The
# host's resolvers are asked by IPv6 as well, with a zone or without; where resolv.conf is a
# link that leads nowhere names are still answered, and it is said.
# time: 120
. "${0%/*}/../lib/lib.sh"
need dig dnsmasq dnsnets setpriv strace

lan
for n in 1 2; do
	ip link add "br$n" type bridge
	ip link set "br$n" up
	ip addr add "10.9.$n.1/24" dev "br$n"
done
new_ns c1
ip link add v1 type veth peer name eth0 netns c1
ip link set v1 master br1 up
ns c1 ip addr add 10.9.1.2/24 dev eth0
ns c1 ip link set eth0 up

# An /etc of the test's own, for its links.
cp -a /etc "$DIR/etc"
rm -f "$DIR/etc/resolv.conf"
ln -s ../run/nowhere/resolv.conf "$DIR/etc/resolv.conf"
mount --bind "$DIR/etc" /etc
allow '^[-+] mount .*/etc' 'the box has its own'

# dig takes no resolv.conf with a zone in it: it has another.
mkdir "$DIR/etc-dig"
dig_() { # ARG... - in c1
	# shellcheck disable=SC2016 # the inner shell's
	unshare -m sh -c 'mount --bind "$1" /etc && shift && exec nsenter --net=/run/netns/c1 dig "$@"' \
		sh "$DIR/etc-dig" "$@"
}

# --- another server has the port --------------------------------------------
in_background holder.log dnsmasq -k -C /dev/null --no-hosts --no-resolv --pid-file= \
	--user=root --port=53 --log-facility=-
HOLDER=$PID
wait_until 5 dig +time=1 +tries=1 @127.0.0.1 version.bind TXT CH
mkfifo told
# Without the right to see whose it is (the unit gives none) it is said how to.
printf '%s\n' 'net n br1 - open 10.9.1.1 10.9.1.0/24' set problems |
	setpriv --bounding-set -sys_ptrace --inh-caps -sys_ptrace "$TOOLS/dnsnets" >unseen.log 2>&1
grep -q '^network n.*is taken by another program (ss -lnup shows which)' unseen.log ||
	fail "how to find who has the port: $(cat unseen.log)"
strace -D -f -qq -o opened -e trace=openat,open "$TOOLS/dnsnets" <told >served.log 2>&1 &
SERVER=$!
STARTED+=("$SERVER")
exec 7>told
printf '%s\n' 'net n br1 - open 10.9.1.1 10.9.1.0/24' 'name n web 10.9.1.2' >&7
for i in $(seq 2 60); do # they share a bridge, and its port
	echo "net n.$i br2 - open 10.9.2.$i 10.9.2.0/24" >&7
done
printf '%s\n' set tick tick tick tick problems >&7
wait_until 20 grep -q '^\.$' served.log
same "$(grep -c "^network n.*UDP port 53 of 10\.9\.[12]\.[0-9]* is taken by dnsmasq (pid $HOLDER)" served.log)" \
	60 "networks whose port is taken, and by whom"
at_most "$(grep -c '"/proc"' opened)" 2 "times all processes were looked through"
at_most 1 "$(grep -c '"/proc"' opened)" "which is how it is known, at least once"
grep -q '^/etc/resolv.conf: No such file.*only names of containers' served.log ||
	fail "a resolv.conf that leads nowhere is not said: $(cat served.log)"
end "$HOLDER"
short() { # ARG...
	dig_ +time=3 +tries=1 +short @10.9.1.1 "$@"
}
free() {
	echo tick >&7
	[ "$(short web)" = 10.9.1.2 ]
}
wait_until 10 free
status() { # ARG...
	dig_ +time=5 +tries=1 @10.9.1.1 "$@" | sed -n 's/.*status: \([A-Z]*\).*/\1/p'
}
same "$(status up.example)" SERVFAIL "without a resolver"

# --- resolvers by IPv6 ------------------------------------------------------
in_background up.log nsenter --net=/run/netns/lan -- dnsmasq -k -C /dev/null --no-hosts \
	--no-resolv --pid-file= --user=root --port=53 --address=/up.example/203.0.113.7 \
	--log-queries --log-facility=-
wait_until 5 dig +time=1 +tries=1 @192.0.2.2 up.example
mkdir -p /run/nowhere
allow '^[-+] .*/run/nowhere' 'the box has its own'
zone=$(ns lan ip -6 -o addr show dev eth0 scope link | sed 's/.*inet6 \([^/]*\).*/\1/')
for at in 2001:db8:2::2 "$zone%up1"; do
	echo "nameserver $at" >/run/nowhere/resolv.conf # the link leads there now
	answered() {
		[ "$(short "n$RANDOM.up.example")" = 203.0.113.7 ]
	}
	wait_until 8 answered
	same "$(short +tcp by-tcp.up.example)" 203.0.113.7 "by TCP, of $at"
	rm /run/nowhere/resolv.conf
	refused() {
		[ "$(status up.example)" = SERVFAIL ]
	}
	wait_until 8 refused
	same "$(short web)" 10.9.1.2 "a container's name meanwhile"
done
echo quit >&7
wait_until 5 gone "$SERVER"
exec 7>&-
rmdir /run/nowhere
ip link del br1
ip link del br2
umount /etc
