#!/bin/bash
# Connections a second through a published port, from the LAN: ours against Docker's
# own bridge (docker -p) and against routing straight to the container, in one run,
# each figure between two of Docker's.  Ratio to Docker: median, [least-most].
# alone
# time: 600
. "${0%/*}/../integration/lib/lib.sh"
need tcpbench conntrack

berth_host
docker network create -d bridge --subnet 10.90.0.0/24 dockers >/dev/null
docker network create -d berth-bridge --subnet 10.91.0.0/24 ours >/dev/null
# Each path has its own container port: the same 4-tuple twice would meet TIME_WAIT.
docker run -d --name dd --network dockers -p 8001:7001 --stop-signal KILL bb:1 sleep 9999 >/dev/null
docker run -d --name oo --network ours -p 8002:7002 --stop-signal KILL bb:1 sleep 9999 >/dev/null
for c in dd:7001 oo:7002; do
	in_background "tcpbench-${c%:*}.log" nsenter \
		"--net=/proc/$(pid_of "${c%:*}")/ns/net" -- "$TOOLS/tcpbench" server "${c#*:}"
	wait_until 5 grep -q ready "$DIR/tcpbench-${c%:*}.log"
done
rate() {
	conntrack -F >/dev/null 2>&1
	ns lan "$TOOLS/tcpbench" client 192.0.2.1 "$1" "${SECONDS_EACH:-1.2}" 8
}
p50() {
	local rest=${1#*p50 }
	echo "${rest%% *}"
}
rounds=${ROUNDS:-6}
before=$(rate 8001)
for ((i = 0; i < rounds; i++)); do
	x=$(rate 8002)
	after=$(rate 8001)
	printf '%s %s %s %s %s %s\n' "${x%% *}" "${before%% *}" "${after%% *}" \
		"$(p50 "$x")" \
		"$(p50 "$before")" \
		"$(p50 "$after")"
	before=$after
done >"$DIR/rates"
awk '{ print $1 / (($2 + $3) / 2), $4 / (($5 + $6) / 2), $1, ($2 + $3) / 2 }' "$DIR/rates" |
	sort -n | awk '{ r[NR] = $1; l[NR] = $2; o += $3; d += $4 }
	END { m = int((NR + 1) / 2)
	printf "berth %.0f conn/s, docker -p %.0f conn/s (means)\n", o / NR, d / NR
	printf "conn/s, berth / docker: %.2f [%.2f-%.2f]\n", r[m], r[1], r[NR]
	printf "p50, berth / docker:    %.2f\n", l[m] }'
