#!/bin/bash
# berth-ipam is killed, and fails, at every step of addresses that hosts share by etcd: the
# same answers, none of them another host's, and etcd has no more than before.
# waits
. "${0%/*}/../lib/lib.sh"
need curl python3 etcd

lan
in_background etcd.log etcd --data-dir /run/etcd --logger zap
wait_until 20 curl -fsS http://127.0.0.1:2379/health
# shellcheck disable=SC2046 # names are words
"$IT/lib/killstep" "$BIN/berth-ipam" berth-ipam share "$DIR" \
	$("$BIN/berth-ipam" --list-failpoints | grep '^blocks\.')
