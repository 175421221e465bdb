#!/bin/bash
# An idle daemon has under 2 MiB of anonymous memory and under 10 MiB resident.
. "${0%/*}/../lib/lib.sh"
need curl

for d in berth-bridge berth-ipam berth-ipvlan berth-macvlan berth-named berth-overlay; do
	start_daemon "$d"
	status=/proc/${DAEMON_PID[$d]}/status
	at_most "$(awk '/^RssAnon/ { print $2 }' "$status")" 2047 "KiB anonymous, $d"
	at_most "$(awk '/^VmRSS/ { print $2 }' "$status")" 10239 "KiB resident, $d"
done
