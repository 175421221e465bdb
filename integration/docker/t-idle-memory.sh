#!/bin/bash
# An idle daemon has under 2 MiB of anonymous memory and under 10 MiB resident; one that
# can speak TLS (with etcd) a MiB and 4 MiB more: what the libraries below libcurl relocate.
# berth-thin has half a MiB more resident: libcryptsetup brings libcrypto.
. "${0%/*}/../lib/lib.sh"
need curl

for d in "${DAEMONS[@]}"; do
	start_daemon "$d"
	anon=2047 all=10239
	case $d in berth-overlay | berth-ipam | berth-dns) anon=3071 all=14335 ;; esac
	[ "$d" != berth-thin ] || all=10751
	status=/proc/${DAEMON_PID[$d]}/status
	at_most "$(awk '/^RssAnon/ { print $2 }' "$status")" $anon "KiB anonymous, $d"
	at_most "$(awk '/^VmRSS/ { print $2 }' "$status")" $all "KiB resident, $d"
done
