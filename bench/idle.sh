#!/bin/bash
# What does berth-bridge cost a host on which nothing happens?  1,000 networks,
# Docker's FORWARD chain; limit: 0.3 % of a core.  (SOAK scales the networks.)
# alone
# time: 300
. "${0%/*}/../integration/lib/lib.sh"
need curl jq iptables

lan
iptables -P FORWARD DROP
start_daemon berth-bridge
n=$(awk -v s="${SOAK:-1}" 'BEGIN { print int(1000 * s) }')
id() {
	printf 'net%s' "$1" | sha256sum | cut -c1-64
}
for ((i = 0; i < n; i++)); do
	same "$(api NetworkDriver.CreateNetwork "{\"NetworkID\":\"$(id "$i")\",\"Options\":{},
		\"IPv4Data\":[{\"Pool\":\"10.$((i / 250)).$((i % 250)).0/24\",
		\"Gateway\":\"10.$((i / 250)).$((i % 250)).1/24\"}],\"IPv6Data\":[]}" berth-bridge)" "{}"
done
used() { # nanoseconds on a CPU, all threads, ended ones not
	cat /proc/"${DAEMON_PID[berth-bridge]}"/task/*/schedstat | awk '{ s += $1 } END { printf "%.0f", s }'
}
pause 3
before=$(used) t=$(now_ms)
pause 20
spent=$((($(used) - before) / 1000)) took=$(($(now_ms) - t))
note "$n networks: $spent us of CPU in $took ms: $(awk "BEGIN { print $spent / $took / 10 }") %"
at_most $((spent * 1000 / took)) 3000 "us of CPU a second"
for ((i = 0; i < n; i++)); do
	api NetworkDriver.DeleteNetwork "{\"NetworkID\":\"$(id "$i")\"}" berth-bridge >/dev/null
done
nft delete table ip filter
