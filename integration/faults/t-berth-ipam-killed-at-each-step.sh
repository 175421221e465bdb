#!/bin/bash
# berth-ipam is killed, and fails, at every fail point it has: a client that retries as
# dockerd does gets the same answers, no address twice, and nothing is left.
# waits
# time: 600
. "${0%/*}/../lib/lib.sh"
need curl python3

lan
"$IT/lib/killstep" "$BIN/berth-ipam" berth-ipam ipam "$DIR"
