#!/bin/bash
# What others do to the host's rules is mended within two seconds: nft flush
# ruleset under traffic, tables deleted, iptables -F, FORWARD DROP.  Meanwhile what
# is published on 127.0.0.1 is never reached from a wire.
. "${0%/*}/../lib/lib.sh"
. "$IT/lib/iso.sh"

berth_host
docker network create -d berth-bridge --ipv6 --subnet 10.65.0.0/24 \
	--subnet fd00:65::/64 n1 >/dev/null
docker network create -d berth-bridge --subnet 10.66.0.0/24 n2 >/dev/null
container web n1 -p 8080:80 -p 8080:80/udp -p 127.0.0.1:8081:81 \
	-p 127.0.0.1:8081:81/udp
container near n1
container far n2
listening
ns lan ip route add 10.65.0.0/24 via 192.0.2.1
ns lan sysctl -qw net.ipv4.conf.all.route_localnet=1
# As open as the administrator can make it.
sysctl -qw net.ipv4.conf.all.route_localnet=1
# The container itself has no port 8080: what else would see these packets?
in_background seen.log nsenter "--net=/proc/${BOX[web]}/ns/net" -- \
	tcpdump -Uni eth0 -w "$DIR/web.cap" 'dst port 81 or dst port 8081'
capture=$PID
wait_until 5 test -s "$DIR/web.cap"

everything() {
	local want
	for want in "tcp/192.0.2.1/8080 web" "udp/192.0.2.1/8080 web" \
		"tcp/2001:db8:2::1/8080 web"; do
		[[ "$(at lan "$IT/lib/probe" ask -t 0.2 "${want% *}")" == "$want"* ]] ||
			return 1
	done
	nft list table bridge berth-bridge >/dev/null || return 1
	# After "nft flush ruleset" nobody's FORWARD is in the way.
	! nft list chain ip filter FORWARD >/dev/null 2>&1 ||
		iptables -S | grep -q 'berth:berth-bridge'
}
closed() {
	asks lan <<-'END'
	tcp/10.65.0.2/80                no
	udp/10.65.0.2/81                no
	tcp/127.0.0.1/8081              no
	udp/127.0.0.1/8081              no
	END
	asks far <<-'END'
	tcp/10.65.0.2/80                no
	icmp/10.65.0.2                  no
	tcp/192.0.2.1/8080              web
	END
	ASK_TIME=0.5 asks host <<-'END'
	tcp/127.0.0.1/8081              web
	udp/127.0.0.1/8081              web
	END
	dropped_by bridge "guard: mac" 1 at near "$IT/lib/frames" send eth0 \
		"mac=$(mac_of near)" ip=10.65.0.3 vip=10.65.0.2 \
		"vmac=$(mac_of web)" -- mac-odd
}
wait_until 5 everything
closed

# Frames to 127.0.0.1 without a pause, from before a flush until after it.
flood() {
	while :; do
		"$IT/lib/frames" send eth0 "$@" -- lo-udp:3000 lo-tcp:3000
	done
}
export -f flood
in_background flood.log nsenter --net=/run/netns/lan -- bash -c \
	"IT=$IT; flood mac=$(ns lan ip -j link show eth0 | jq -r '.[0].address') \
	ip=192.0.2.2 gmac=$(cat /sys/class/net/up1/address) port=8081"
flood=$PID
flushes=(
	"nft flush ruleset"
	"nft delete table inet berth-bridge"
	"nft flush ruleset"
	"nft flush table inet berth-bridge"
	"nft delete table bridge berth-bridge"
	"nft flush ruleset; iptables -P FORWARD DROP; ip6tables -P FORWARD DROP"
	"iptables -F"
	"iptables -F FORWARD; iptables -F DOCKER-USER"
	"ip6tables -F; iptables -P FORWARD DROP"
)
longest=0
for f in "${flushes[@]}"; do
	start=$(now_ms)
	eval "$f" || :
	wait_until 5 everything
	took=$(($(now_ms) - start))
	note "$f: whole after $took ms"
	[ $took -le $longest ] || longest=$took
done
at_most "$longest" 2000 "longest, ms"
end "$flood" KILL
closed
end "$capture"
same "$(tcpdump -nr "$DIR/web.cap" 'not src host 10.65.0.1' 2>/dev/null)" "" \
	"packets to the port published on 127.0.0.1"

# A rule of ours that is taken away, or put twice, is mended.
rule=$(iptables -S | grep -m 1 'berth:berth-bridge' | sed 's/^-A//')
eval "iptables -D $rule"
back() {
	[ "$(iptables -S | grep -c 'berth:berth-bridge')" = 4 ]
}
wait_until 3 back
eval "iptables -A $rule"
eval "iptables -I $rule"
wait_until 3 back

# Bridge netfilter on and off: the same picture.
for value in 0 1; do
	sysctl -qw net.bridge.bridge-nf-call-iptables=$value \
		net.bridge.bridge-nf-call-ip6tables=$value
	closed
	asks near <<-'END'
	tcp/10.65.0.2/81        web
	udp/10.65.0.2/81        web
	tcp/192.0.2.1/8080      web
	udp/192.0.2.1/8080      web
	tcp/2001:db8:2::1/8080  web
	END
	asks web <<-'END'
	tcp/192.0.2.1/8080      web     # its own
	tcp/10.65.0.1/8080      web
	END
	asks lan <<<'tcp/192.0.2.1/8080 web 192.0.2.2'
done

# Either daemon in any order.
iptables -P FORWARD DROP
restart_daemon berth-bridge
wait_until 5 everything
sysctl -qw net.ipv4.conf.all.route_localnet=0
stop_dockerd
nft flush ruleset
wait_until 5 nft list table inet berth-bridge
run_dockerd
docker start web near far >/dev/null
serve again n1 80 -p 8090:80
same "$(ns lan curl -s --max-time 5 http://192.0.2.1:8090/)" again
same "$(from again http://192.0.2.1:8090/)" again "its own"
