#!/bin/bash
# Of many requests that a kill cuts off at once none gets the answer of another: each
# gets an error and leaves nothing, unless it was the only one.
# waits
# time: 400
. "${0%/*}/../lib/lib.sh"
need python3

lan
"$IT/lib/crowd" "$BIN/berth-bridge" berth-bridge net "$DIR"
"$IT/lib/crowd" "$BIN/berth-named" berth-named vol "$DIR"
"$IT/lib/crowd" "$BIN/berth-tmpfs" berth-tmpfs vol "$DIR"
"$IT/lib/crowd" "$BIN/berth-ipam" berth-ipam ipam "$DIR"
