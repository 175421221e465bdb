#!/bin/bash
# How far does a cluster go?  HOSTS hosts (50) with ENDPOINTS each (20), in NETWORKS
# networks (5), against one real etcd: to converge, and what one change costs.
# alone
# time: 3600
. "${0%/*}/../integration/lib/lib.sh"
need etcd curl cluster-scale

HOSTS=${HOSTS:-50} ENDPOINTS=${ENDPOINTS:-20} NETWORKS=${NETWORKS:-5}
CHANGES=${CHANGES:-50} # times an endpoint goes and comes again
IDLE=${IDLE:-60}       # seconds in which nothing happens: 0: not looked at
TOLD=$BUILD/bench/cluster-scale.md
mkdir -p "$BUILD/bench"
{
	echo "$HOSTS hosts with $ENDPOINTS endpoints each in $NETWORKS networks."
	echo
} | tee "$TOLD"

# A wire of their own between the hosts' process and etcd: what passes is what
# they said to each other, and nothing of etcd's talk with itself.
new_ns store
new_ns agents
ip link add eth0 netns store type veth peer name eth0 netns agents
ns store ip addr add 192.0.2.1/24 dev eth0
ns agents ip addr add 192.0.2.2/24 dev eth0
ns store ip link set eth0 up
ns agents ip link set eth0 up
ulimit -n "$(ulimit -Hn)"
url=http://192.0.2.1:2379
data=${DATA:-/run/etcd} # in memory: this machine's disk is not what is asked about
in_background etcd.log nsenter --net=/run/netns/store -- etcd --data-dir "$data" \
	--listen-client-urls "$url" --advertise-client-urls "$url" \
	--listen-peer-urls http://127.0.0.1:2380 --logger zap
ETCD=$PID
wait_until 20 ns store curl -sf "$url/health"

mkfifo "$DIR/say" "$DIR/hear"
nsenter --net=/run/netns/agents -- "$TOOLS/cluster-scale" play etcd://192.0.2.1:2379 scale \
	"$HOSTS" "$ENDPOINTS" "$NETWORKS" <"$DIR/say" >"$DIR/hear" &
PLAY=$!
STARTED+=("$PLAY")
exec 7>"$DIR/say" 8<"$DIR/hear"

cpu_ms() { # PID - of its processor time
	awk -v hz="$(getconf CLK_TCK)" '{ sub(/^.*\) /, ""); printf "%.0f",
		($12 + $13) * 1000 / hz }' "/proc/$1/stat"
}

# What was until now: "MS TXN RANGE LEASE EVENTS RECEIVED SENT ETCD-MS AGENTS-MS".
# EVENTS: answers of watches; the bytes are those of the wire.
counted() {
	local got wire
	got=$(ns store curl -sS "$url/metrics" | awk '
		/^grpc_server_msg_received_total/ && /"Txn"/ { txn += $NF }
		/^grpc_server_msg_received_total/ && /"Range"/ { range += $NF }
		/^grpc_server_msg_received_total/ && /service="etcdserverpb.Lease"/ { lease += $NF }
		/^grpc_server_msg_sent_total/ && /"Watch"/ { events += $NF }
		END { printf "%.0f %.0f %.0f %.0f", txn, range, lease, events }')
	wire=$(ns agents awk '/eth0:/ { sub(/^.*:/, ""); print $9, $1 }' /proc/self/net/dev)
	echo "$(now_ms) $got $wire $(cpu_ms "$ETCD") $(cpu_ms "$PLAY")"
}

value() { # KEY LINE
	local v=" $2"
	case $v in *" $1="*) ;; *) fail "no $1 in: $2" ;; esac
	v=${v#* "$1"=}
	echo "${v%% *}"
}

# row NAME BEFORE AFTER [PER] - what is between two counts, divided by PER.
row() {
	awk -v name="$1" -v a="$2" -v b="$3" -v per="${4:-1}" 'BEGIN {
		split(a, x, " "); split(b, y, " ")
		for (i = 1; i <= 9; i++)
			d[i] = (y[i] - x[i]) / per
		f = per == 1 ? "%.0f" : "%.2f"
		printf "| %s | %.3f | " f " | " f " | " f " | " f " | %.1f | %.1f | %.2f | %.2f |\n",
			name, d[1] / 1000, d[2], d[3], d[4], d[5], d[6] / 1024, d[7] / 1024,
			d[8], d[9]
	}' | tee -a "$TOLD"
}

ANSWER="" BEFORE="" AFTER=""
ask() { # COMMAND
	BEFORE=$(counted)
	echo "$1" >&7
	read -r ANSWER <&8 || fail "cluster-scale ended at: $1"
	AFTER=$(counted)
	note "$ANSWER"
}

{
	echo "| | s | transactions | reads | leases | watch answers | KiB to etcd | KiB from etcd | etcd CPU ms | hosts' CPU ms |"
	echo "|---|---|---|---|---|---|---|---|---|---|"
} | tee -a "$TOLD"
ask join
row "all join" "$BEFORE" "$AFTER"
ask put
put=$ANSWER
row "all put" "$BEFORE" "$AFTER"
row "... of it, an endpoint" "$BEFORE" "$AFTER" "$((HOSTS * ENDPOINTS))"
if [ "$IDLE" != 0 ]; then
	BEFORE=$(counted)
	pause "$IDLE"
	row "nothing happens, a host and second" "$BEFORE" "$(counted)" "$((IDLE * HOSTS))"
fi
ask "change $CHANGES"
change=$ANSWER
row "one endpoint comes or goes" "$BEFORE" "$AFTER" "$((2 * CHANGES))"
follow=$(ns agents "$TOOLS/cluster-scale" follow etcd://192.0.2.1:2379 scale \
	$(((HOSTS + NETWORKS - 1) / NETWORKS * ENDPOINTS)))
note "$follow"
rss=$(awk '/^VmHWM/ { print $2 }' "/proc/$ETCD/status")
ask leave
row "all leave" "$BEFORE" "$AFTER"

{
	echo
	echo "All put: $(value seen "$put") s until each sees all of its network," \
		"$(value rate "$put") endpoints/s; a call $(value call_p50 "$put") µs (p50)," \
		"$(value call_p99 "$put") (p99). One change: the call" \
		"$(value call_p50 "$change") µs (p50), $(value call_p99 "$change") (p99); the last" \
		"host of the network is told after $(value told_p50 "$change") µs (p50)," \
		"$(value told_p99 "$change") (p99). One daemon that follows" \
		"$(value endpoints "$follow") endpoints: $(value before_kib "$follow") KiB before," \
		"$(value after_kib "$follow") KiB with them; read in" \
		"$(value seen "$follow") s, a view of them made in $(value view_us "$follow") µs. All hosts in one process: $(value rss_kib "$change")" \
		"KiB; etcd: $rss KiB."
	echo
	echo "Run of $(date -u +%F), ${BENCH_STATE:-state of the machine not known}."
} | tee -a "$TOLD"
exec 7>&-
wait "$PLAY" || fail "cluster-scale: exit status $?"
