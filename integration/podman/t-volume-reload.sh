#!/bin/bash
# podman volume reload makes podman's list that of berth-named; a volume whose removal is
# refused stays in it.
. "${0%/*}/../lib/lib.sh"
# shellcheck source=integration/lib/podman
. "$IT/lib/podman"
need curl jq

start_daemon berth-named
start_podman
netctl volume create -o size=32m one
netctl volume create two
same "$(podman_volumes)" ''
podman volume reload >/dev/null
same "$(podman_volumes)" 'one two'
podman run --rm -v two:/d bb:1 sh -c 'echo x >/d/x'

netctl volume snapshot one@before
fails_with 'snapshot' podman volume rm one
same "$(podman_volumes)" 'one two' "after a refused removal"
# What is gone elsewhere is still listed, and is an error to use.
netctl volume rm --snapshots one
same "$(podman_volumes)" 'one two' "before the next reload"
fails_with 'no volume one here' podman run --rm -v one:/d bb:1 true
podman volume reload >/dev/null
same "$(podman_volumes)" two
same "$(podman run --rm -v two:/d bb:1 cat /d/x)" x
podman volume rm two >/dev/null
same "$(volumes)" 0
