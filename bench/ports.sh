#!/bin/bash
# What do N published ports cost: the daemon's own time to add and to remove them,
# its memory, rules and processes?  Beside it Docker's own bridge for 100 ports.
# alone
# time: 600
. "${0%/*}/../integration/lib/lib.sh"

berth_host
docker network create -d berth-bridge ours >/dev/null
docker network create -d bridge dockers >/dev/null
cost() {
	local sum=0 m
	for m in "${@}"; do
		sum=$((sum + $(metrics berth-bridge "NetworkDriver.$m" SumUs)))
	done
	echo $sum
}
one() { # NETWORK LAST-PORT
	local a b t procs
	procs=$(find /proc -maxdepth 1 -name '[0-9]*' | wc -l)
	a=$(cost ProgramExternalConnectivity)
	b=$(cost RevokeExternalConnectivity Leave DeleteEndpoint)
	t=$(now_ms)
	docker run -d --name many --network "$1" -p "20000-$2:20000-$2" --stop-signal KILL bb:1 \
		sleep 999 >/dev/null
	printf '%-8s %6d ports: docker run %6d ms' "$1" $(($2 - 19999)) $(($(now_ms) - t))
	printf ', %4d processes' $(($(find /proc -maxdepth 1 -name '[0-9]*' | wc -l) - procs))
	t=$(now_ms)
	docker rm -f many >/dev/null
	printf ', rm %6d ms' $(($(now_ms) - t))
	[ "$1" = dockers ] || printf '; own time: add %d us, remove %d us, %s KiB anonymous' \
		$(($(cost ProgramExternalConnectivity) - a)) \
		$(($(cost RevokeExternalConnectivity Leave DeleteEndpoint) - b)) \
		"$(awk '/^RssAnon/ { print $2 }' "/proc/${DAEMON_PID[berth-bridge]}/status")"
	echo
}
one dockers 20000
one dockers 20099
for last in 20000 20099 20499 29999; do
	one ours "$last"
done
