#!/bin/bash
# Networks that waited for etcd since the boot are made again when it answers, however slowly,
# while the service manager goes on hearing that the daemon lives; each has its turn.
# time: 120
. "${0%/*}/../lib/lib.sh"
# shellcheck source=integration/lib/hosts
. "$IT/lib/hosts"
# shellcheck source=integration/lib/overlay
. "$IT/lib/overlay"
need curl jq nft etcd etcdctl python3

host_new a
host_new b
ETCDCTL_IN=b
hosts_etcd b
overlay() { host_daemon a berth-overlay --underlay eth0 --store "$STORE" --node a; }
overlay
for n in 1 2 3 4 5 6; do
	ov_network net$n $n '' a
done
host_stop a berth-overlay
for l in $(ns a ip -o link | grep -o 'b[xo]-[0-9a-f]*' | sort -u); do
	ns a ip link del "$l"
done
ns a nft flush ruleset

# The longest time between two words of the daemon, in tenths of a second.
in_background gap python3 -c '
import socket, sys, time
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
last, most = None, 0
while True:
    m, t = s.recv(1000), time.monotonic()
    if last and b"STOPPING" not in m:
        most = max(most, t - last)
    last = t
    print(int(most * 10), flush=True)
' "$DIR/notify"
wait_until 5 test -S "$DIR/notify"
kill -STOP "${ETCD[b]}"
export NOTIFY_SOCKET=$DIR/notify BERTH_FP=overlay.network.joined:sleep=4000
overlay
unset NOTIFY_SOCKET BERTH_FP
kill -CONT "${ETCD[b]}"
wires() { ns a ip -br link show type vxlan | grep -c 'bx-.*[<,]UP[,>]' || true; }
all_up() { [ "$(wires)" = 6 ]; }
wait_until 80 all_up
words=$(wc -l <"$DIR/gap")
one_more() { [ "$(wc -l <"$DIR/gap")" -gt "$words" ]; } # it tells how long it took
wait_until 60 one_more
echo "# longest silence: $(tail -1 "$DIR/gap") tenths of a second"
[ "$(tail -1 "$DIR/gap")" -lt 150 ] || fail "no word for $(tail -1 "$DIR/gap") tenths of a second"

for n in 1 2 3 4 5 6; do
	ov_drop a net$n
done
wait_until 5 host_is_clean a
