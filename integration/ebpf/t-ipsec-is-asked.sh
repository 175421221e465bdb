#!/bin/bash
# With the eBPF dataplane nothing leaves in clear that an IPsec policy of this host
# says must be encrypted, nothing comes in that must have come encrypted, and what is
# blocked is: flows that are there, new ones, masqueraded and published, with a policy
# that the daemon sees come and one that it finds.  Log and doctor say who carries the
# networks then; when the last policy goes the programs do again.
export DATAPLANE=ebpf
. "${0%/*}/../lib/lib.sh"
. "$IT/lib/iso.sh"

ip xfrm policy >/dev/null 2>&1 || skip "this kernel has no IPsec policies"
berth_host
docker network create -d berth-bridge --subnet 10.65.0.0/24 n1 >/dev/null
docker network create -d berth-bridge --subnet 10.66.0.0/24 \
	-o berth.dataplane=ebpf -o berth.limit=50/s:50 n2 >/dev/null
container web n1 -p 8080:80 -p 8080:80/udp -p 9000:9000
container some n2 -p 8082:80
listening
server web tcp 9000 echo
in_background listen-lan.log nsenter --net=/run/netns/lan -- \
	"$IT/lib/probe" listen lan 7000
wait_until 5 grep -q ready "$DIR/listen-lan.log"
in_background lan-echo.log nsenter --net=/run/netns/lan -- "$IT/lib/server" tcp 9000 echo
wait_until 5 grep -q ready "$DIR/lan-echo.log"
# What reaches the LAN in clear, as the LAN's own kernel counts it.
ns lan nft -f - <<'END'
table ip clear {
	counter in { }
	chain c {
		type filter hook prerouting priority raw; policy accept;
		ip saddr 192.0.2.1 meta l4proto { tcp, udp } counter name in
		ip saddr 10.64.0.0/14 counter name in
	}
}
END
clear_packets() {
	ns lan nft -j list counters table ip clear |
		jq '[.nftables[].counter? | select(. != null).packets] | add'
}
flows() {
	api Berth.Counters '{}' berth-bridge | jq .Counters.flows
}
carried_by() {
	[ "$(api Berth.Networks '{}' berth-bridge |
		jq -r '[.Networks[].Dataplane] | unique[]')" = "$1" ]
}
open_to_all() {
	asks web <<-'END'
	tcp/192.0.2.2/7000 lan 192.0.2.1
	udp/192.0.2.2/7000 lan 192.0.2.1
	END
	asks lan <<-'END'
	tcp/192.0.2.1/8080 web
	udp/192.0.2.1/8080 web
	tcp/192.0.2.1/8082 some
	END
}
# Nothing gets through, and nothing of it is on the wire.
closed_to_all() {
	local before
	wait_until 5 carried_by nft
	before=$(clear_packets)
	asks web <<-'END'
	tcp/192.0.2.2/7000 no
	udp/192.0.2.2/7000 no
	END
	asks lan <<-'END'
	tcp/192.0.2.1/8080 no
	udp/192.0.2.1/8080 no
	tcp/192.0.2.1/8082 no
	END
	same "$(clear_packets)" "$before" "packets in clear on the LAN ($1)"
}
# An echo every 20 ms until the connection ends.
beat() { # PLACE LOG ADDRESS
	in_background "$2" nsenter "--net=$1" -- python3 -u -c '
import socket, sys, time
s = socket.create_connection((sys.argv[1], 9000), 5)
for n in range(3000):
    s.sendall(b"x")
    if not s.recv(1):
        break
    print(n)
    time.sleep(0.02)' "$3"
	wait_until 10 grep -q 9 "$DIR/$2"
}
open_to_all
differ "$(clear_packets)" 0 "packets in clear, as the counter sees them"
carried_by ebpf || fail "not carried by eBPF to begin with"
same "$(api Berth.Check '{}' berth-bridge | jq -c .Problems)" '[]'

# Flows in use while the policy comes.
beat "/proc/${BOX[web]}/ns/net" beat-out.log 192.0.2.2
beat /run/netns/lan beat-in.log 192.0.2.1
from=$(flows)
ip xfrm policy add dir out src 192.0.2.1/32 dst 192.0.2.2/32 action block
closed_to_all "blocked"
same "$(flows)" "$from" "flows that the programs began"
grep -q 'event=dataplane-stands-aside closed_networks=1' "$DIR/berth-bridge.log" ||
	fail "the log does not say it"
contains "$(netctl doctor 2>&1 || :)" "IPsec policies" "what the doctor says"
contains "$(api Berth.Check '{}' berth-bridge | jq -r '.Problems[]')" \
	"published ports are closed" "what is said of n2"
ip xfrm policy flush
wait_until 5 carried_by ebpf
open_to_all

# To be encrypted, and there is no state to do it with.
ip xfrm policy add dir out src 192.0.2.1/32 dst 192.0.2.2/32 \
	tmpl src 192.0.2.1 dst 192.0.2.2 proto esp mode tunnel
closed_to_all "no state"
ip xfrm policy flush
wait_until 5 carried_by ebpf

# From the LAN it must come encrypted: it does not, so it does not come.  (The kernel
# looks for a policy with the address before the translation.)
ip xfrm policy add dir fwd src 192.0.2.2/32 dst 192.0.2.1/32 \
	tmpl src 192.0.2.2 dst 192.0.2.1 proto esp mode tunnel
wait_until 5 carried_by nft
asks lan <<'END'
	tcp/192.0.2.1/8080 no
	udp/192.0.2.1/8080 no
END
ip xfrm policy flush
wait_until 5 carried_by ebpf

# It comes while there is no daemon.
kill9_daemon berth-bridge
ip xfrm policy add dir out src 192.0.2.1/32 dst 192.0.2.2/32 action block
restart_daemon berth-bridge
closed_to_all "found at start"

# What no policy concerns goes on by nftables, but for ports with a list.
ip xfrm policy flush
wait_until 5 carried_by ebpf
beat "/proc/${BOX[web]}/ns/net" beat-ends.log 192.0.2.2
ends=$PID
beat /run/netns/lan beat-goes-on.log 192.0.2.1
ip xfrm policy add dir out src 192.0.2.1/32 dst 192.0.9.9/32 action block
wait_until 5 carried_by nft
# A published TCP flow is taken up in its middle, a masqueraded one meets a RST.
beats=$(wc -l <"$DIR/beat-goes-on.log")
more_beats() {
	[ "$(wc -l <"$DIR/beat-goes-on.log")" -gt $((beats + 20)) ]
}
wait_until 10 more_beats
wait_until 10 gone "$ends"
grep -q ConnectionReset "$DIR/beat-ends.log" || fail "how did it end?"
asks web <<'END'
	tcp/192.0.2.2/7000 lan 192.0.2.1
END
asks lan <<'END'
	tcp/192.0.2.1/8080 web
	udp/192.0.2.1/8080 web
	tcp/192.0.2.1/8082 no
END
ip xfrm policy flush
wait_until 5 carried_by ebpf
open_to_all
same "$(api Berth.Check '{}' berth-bridge | jq -c .Problems)" '[]'
