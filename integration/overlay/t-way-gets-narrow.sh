#!/bin/bash
# The way between hosts gets narrower than what containers have as their MTU, and wider again,
# and no ICMP of the hosts' network arrives: a MiB by TCP gets there all the same, by both
# families, by the short way and by the bridge, with and without segmentation offload; what says
# that it must not be cut is told its limit.
# time: 180
. "${0%/*}/../lib/lib.sh"
# shellcheck source=integration/lib/hosts
. "$IT/lib/hosts"
# shellcheck source=integration/lib/overlay
. "$IT/lib/overlay"
need curl jq ping nft etcd etcdctl python3

for h in a b; do
	host_new $h
	ns wire ip link set dev $h mtu 9000
done
hosts_etcd a
for h in a b; do
	host_daemon $h berth-overlay --underlay eth0 --store "$STORE" --node $h
	# of hosts: what is inside VXLAN is no ICMP here
	ns $h nft -f - <<-END
		table inet deaf {
			chain in {
				type filter hook input priority -300
				icmp type { destination-unreachable, time-exceeded } iifname eth0 drop
				icmpv6 type packet-too-big iifname eth0 drop
			}
		}
	END
done
ov_network net 9 '' a b
ov_network slow 8 '"berth.shortcut":"off"' a b
for n in net:9 slow:8; do
	for h in a:2 b:3; do
		ov_container ${n%:*} ${n#*:} ${h%:*} ${h#*:}
	done
	in_background serve-${n%:*}.log nsenter "--net=/run/netns/${n%:*}3" -- python3 -uc '
import socket, threading
s = socket.create_server(("::", 80), family=socket.AF_INET6, dualstack_ipv6=True)
print("ready", flush=True)
def serve(c):
    while c.recv(65536): pass
    c.sendall(b"x" * (1 << 20))
    c.close()
while True: threading.Thread(target=serve, args=(s.accept()[0],)).start()'
	wait_until 5 grep -q ready "$DIR/serve-${n%:*}.log"
done

# mib NETNS ADDRESS - there, and back.
mib() {
	ns "$1" timeout 20 python3 - "$2" <<'END'
import socket, sys
s = socket.create_connection((sys.argv[1], 80), 5)
s.settimeout(10)
s.sendall(b"y" * (1 << 20))
s.shutdown(socket.SHUT_WR)
n = 0
while True:
    part = s.recv(65536)
    if not part: break
    n += len(part)
sys.exit(n != 1 << 20)
END
}
mtu_is() { # MTU - of all wires
	local h
	for h in a b; do
		[ "$(ns $h ip -j link show type vxlan | jq -c '[.[].mtu]')" = "[$1,$1]" ] || return 1
	done
}
all_pass() { # WHAT
	local n
	for n in net:9 slow:8; do
		mib "${n%:*}2" "10.${n#*:}.0.3" || fail "$1: a MiB, network ${n%:*}"
		mib "${n%:*}2" "fd00:${n#*:}::3" || fail "$1: a MiB by IPv6, network ${n%:*}"
	done
}
segments() { # BYTES COUNT - of what containers hand over at once
	local c
	for c in net2 net3 slow2 slow3; do
		ns $c ip link set eth0 gso_max_size "$1" gso_max_segs "$2"
	done
}
same "$(ns net2 ip -j link show eth0 | jq '.[0].mtu')" 1450 "MTU of a container"
wait_until 10 mtu_is 1450
all_pass "1500 below"
for below in 1400 1340 9000 1500; do
	for h in a b; do
		ns $h ip link set eth0 mtu $below
	done
	wait_until 10 mtu_is $((below - 50))
	all_pass "$below below"
	segments 1400 1
	all_pass "$below below, segment by segment"
	segments 65536 65535
	for c in net2:10.9.0.3 slow2:10.8.0.3; do
		ns ${c%:*} ping -c2 -W2 -M "do" -s 1422 ${c#*:} >"$DIR/told" 2>&1 || :
		if [ $below -ge 1500 ]; then
			contains "$(cat "$DIR/told")" ' 0% packet loss' "1450 bytes"
		else
			grep -q "mtu *= *$((below - 50))" "$DIR/told" ||
				fail "$below below: not told: $(cat "$DIR/told")"
			ns ${c%:*} ip route flush cache
		fi
	done
	note "$below below: all passes"
done
for n in net slow; do
	for h in a:2 b:3; do
		ov_leave ${h%:*} $n $n${h#*:}
		ov_drop ${h%:*} $n
	done
done
