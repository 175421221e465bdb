#!/bin/bash
# A volume that podman was given no name for stays with --rm, rm and rm -v, and
# podman volume prune removes it when no container refers to it.
. "${0%/*}/../lib/lib.sh"
# shellcheck source=integration/lib/podman
. "$IT/lib/podman"
need curl jq

start_daemon berth-named
start_podman
v=$(podman volume create --driver berth-named)
same "${#v}" 64 "length of the name"
w=$(podman volume create --driver berth-named)
same "$(volumes)" 2
same "$(netctl volume ls --json | jq -r '.[].Name' | sort)" "$(printf '%s\n' "$v" "$w" | sort)"

podman run --rm -v "$v:/d" bb:1 sh -c 'echo kept >/d/x'
same "$(volumes)" 2 "after --rm"
podman_run aa -v "$v:/d"
podman rm -fv -t 0 aa >/dev/null
same "$(volumes)" 2 "after rm -v"
same "$(podman run --rm -v "$v:/d" bb:1 cat /d/x)" kept

# podman's prune removes a plugin's volumes, which Docker's does not; one that a
# stopped container refers to stays.
podman create --name bb -v "$v:/d" bb:1 cat /d/x >/dev/null
same "$(users "$v")" 0
podman volume prune -f >/dev/null
same "$(podman_volumes)" "$v" "after prune"
same "$(podman start -a bb)" kept
podman rm bb >/dev/null
podman volume prune -f >/dev/null
same "$(podman_volumes)" ''
same "$(volumes)" 0 "at the end"
same "$(api Berth.Check '{}' berth-named | jq -c .Problems)" '[]'
