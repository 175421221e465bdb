#!/bin/bash
# A host takes another WireGuard key in mid-traffic, and one more before it has it: at most one
# packet in a thousand is lost, none is sent in clear, and the old key is known to nobody in the
# end.  A host that hears of it late loses nothing that it sends, and is well when it has; nor does
# it where the change fails half way.  While nobody can be told the link keeps its key.  What was
# recorded on the way and is sent again is heard by nobody.
# vm
# time: 460
. "${0%/*}/../lib/lib.sh"
# shellcheck source=integration/lib/hosts
. "$IT/lib/hosts"
# shellcheck source=integration/lib/overlay
. "$IT/lib/overlay"
need curl jq ping nft wg etcd etcdctl python3

for h in a b; do
	host_new $h
done
ns wire nft -f - <<END
table bridge w {
	counter clear { }
	chain c { type filter hook prerouting priority 0; udp dport 4789 counter name clear; }
}
END
hosts_etcd a
overlay() { host_daemon "$1" berth-overlay --underlay eth0 --store "$STORE" --node "$1"; }
for h in a b; do
	overlay $h
	ov_network net 9 '"berth.encrypt":"on"' $h
done
ov_container net 9 a 2
ov_container net 9 b 3
wait_until 20 ns net2 ping -qc1 -W2 10.9.0.3
key() { ns "$1" wg show berth-wg public-key; }
peers() { ns "$1" wg show berth-wg peers; }

# 50 packets a second each way; when they end: "sent N", and "got N twice M" of the other's.
talk() { # NETNS TO - its pid is TALK[NETNS]
	rm -f "$DIR/talk-$1"
	in_background "talk-$1" nsenter "--net=/run/netns/$1" -- python3 -uc '
import signal, socket, sys, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("", 9999))
s.setblocking(False)
go, stop, sent, got, twice, last = [], [], 0, set(), 0, -1
signal.signal(signal.SIGUSR1, lambda *_: go.append(1))
signal.signal(signal.SIGTERM, lambda *_: stop.append(1))
print("talks", flush=True)
end = None
while end is None or time.monotonic() < end:
    if stop and end is None: end = time.monotonic() + 3
    try:
        while True:
            n = int(s.recv(100))
            twice += n in got
            got.add(n)
            if n > last + 1:
                print("missed", last + 1, "to", n - 1, "before", time.strftime("%T"), flush=True)
            last = max(last, n)
    except BlockingIOError: pass
    if go and not stop:
        s.sendto(b"%d" % sent, (sys.argv[1], 9999))
        sent += 1
    time.sleep(0.02)
print("sent", sent, "got", len(got), "twice", twice, flush=True)' "$2"
	TALK[$1]=$PID
	wait_until 20 grep -q talks "$DIR/talk-$1"
}
declare -A TALK=() SAID=()
begin() {
	talk net2 10.9.0.3
	talk net3 10.9.0.2
	kill -USR1 "${TALK[net2]}" "${TALK[net3]}"
}
finish() { # - sets SENT, LOST, TWICE of both ways together, and LOST_A of what a sent
	local c
	kill "${TALK[net2]}" "${TALK[net3]}"
	for c in net2 net3; do
		wait_until 20 grep -q sent "$DIR/talk-$c"
		grep missed "$DIR/talk-$c" | sed "s/^/# $c: /" || :
		SAID[$c]=$(grep sent "$DIR/talk-$c")
		note "$c: ${SAID[$c]}"
	done
	read -r SENT LOST TWICE LOST_A < <(echo "${SAID[net2]} ${SAID[net3]}" |
		awk '{ print $2 + $8, $2 - $10 + $8 - $4, $6 + $12, $2 - $10 }')
}
seconds() { # N - of whatever goes on
	local then=$((EPOCHSECONDS + $1))
	past() { [ $EPOCHSECONDS -ge $then ]; }
	wait_until $(($1 + 5)) past
}
new_key() { # HOST - sets NEW
	local file=$DIR/hosts/$1/berth/berth-overlay/wg.key
	(umask 077 && wg genkey >"$file.new")
	mv "$file.new" "$file"
	NEW=$(wg pubkey <"$file")
}
rotate() { # HOST
	new_key "$1"
	host_stop "$1" berth-overlay
	overlay "$1"
}
knows_new() { [ "$(peers a)" = "$NEW" ] && [ "$(key b)" = "$NEW" ]; }

note "b takes another key, and then another"
old=$(key b)
begin
seconds 5
rotate b
seconds 3
new_key b # and changes its mind
differ "$NEW" "$old" "keys of b"
wait_until 60 knows_new
seconds 25
finish
at_most "$LOST" $((SENT / 1000)) "lost of $SENT"
lacks "$(etcdctl get --prefix /)" "$old" "what etcd has"

note "a hears of the next one late"
begin
lease=$(etcdctl get -w json /berth/berth/node/a/host | grep -o '"lease":[0-9]*' | cut -d: -f2)
# it is late, not dead
in_background keep nsenter --net=/run/netns/a -- env ETCDCTL_API=3 /usr/bin/etcdctl \
	--endpoints "${STORE#etcd://}" lease keep-alive "$(printf %x "$lease")"
keep=$PID
wait_until 20 grep -q keepalived "$DIR/keep"
kill -STOP "${HOST_DAEMON[a/berth-overlay]}"
BERTH_FP=rekey.wires:err=EIO:nth=1 rotate b # fails half way, and is done the second time
b_has() { [ "$(key b)" = "$NEW" ]; }
wait_until 40 b_has
seconds 5
kill -CONT "${HOST_DAEMON[a/berth-overlay]}"
end "$keep"
wait_until 30 knows_new
wait_until 20 ns net3 ping -qc1 -W1 10.9.0.2
finish
at_most "$LOST_A" $((SENT / 1000)) "lost of a's, of $SENT both ways"
wait_until 5 ns net2 ping -qc3 -W1 10.9.0.3

note "nobody can be told"
old=$(key b)
new_key b
host_stop b berth-overlay
kill -STOP "${ETCD[a]}"
begins() { grep -c 'op=rekey event="another key' "$DIR/b-berth-overlay.log" || :; }
begun=$(begins)
overlay b
another() { [ "$(begins)" -gt "$begun" ]; }
wait_until 20 another
seconds 12
same "$(key b)" "$old" "key of b, which nobody could be told of"
kill -CONT "${ETCD[a]}"
wait_until 40 knows_new
wait_until 20 ns net2 ping -qc1 -W1 10.9.0.3

note "what was sent is sent again"
begin
in_background again nsenter --net=/run/netns/wire -- python3 -uc '
import socket, struct, time
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
s.bind(("a", 3))
had = []
while len(had) < 100:
    data, at = s.recvfrom(2000)
    if at[2] != socket.PACKET_OUTGOING and data[12:14] == b"\x08\0" and data[23] == 17 and \
            data[36:38] == struct.pack("!H", 51821):
        had.append(data)
to = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
to.bind(("b", 0))
for data in had:
    to.send(data)
print("sent again", flush=True)'
wait_until 40 grep -q 'sent again' "$DIR/again"
seconds 2
finish
same "$TWICE" 0 "packets that were heard twice"
at_most "$LOST" $((SENT / 1000)) "lost of $SENT"

same "$(ns wire nft -j list counter bridge w clear | jq '.nftables[1].counter.packets')" 0 \
	"VXLAN packets on the wire"
for h in a:net2 b:net3; do
	ov_leave ${h%:*} net ${h#*:}
	ov_drop ${h%:*} net
done

# One that was killed while it asked the kernel which public key it is.
host_stop b berth-overlay
ns b ip link add berth-wk type wireguard
ns b ip link set berth-wk alias berth:berth-overlay:wireguard
ns b ip addr add fd62:7274::1/128 dev lo
overlay b
scratch_is_gone() { ! ns b ip link show berth-wk 2>/dev/null; }
wait_until 5 scratch_is_gone
same "$(ns b ip -6 -o addr show to fd62:7274::1)" "" "an address that was to go at once"
