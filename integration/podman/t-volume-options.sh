#!/bin/bash
# podman's volumes keep the size they were given, show what is used, and an option
# that is refused is an error and no volume.
. "${0%/*}/../lib/lib.sh"
# shellcheck source=integration/lib/podman
. "$IT/lib/podman"
need curl jq

start_daemon berth-named
start_podman
status() { # FIELD
	podman volume inspect vol | jq -r ".[].Status.$1"
}
fill() {
	podman run --rm -v vol:/d bb:1 dd if=/dev/zero of=/d/x bs=1M count=40 conv=fsync
}

podman volume create --driver berth-named -o size=32m vol >/dev/null
fails_with 'No space left' fill
same "$(status backing)" image
same "$(status size)" $((32 << 20))
same "$(status users)" 0
[ "$(status used)" -gt $((20 << 20)) ] || fail "used: $(status used)"
# Made again it has its limit, and nothing of what was in it.
podman volume rm vol >/dev/null
same "$(volumes)" 0
podman volume create --driver berth-named -o size=32m vol >/dev/null
same "$(podman run --rm -v vol:/d bb:1 ls /d)" ''
fails_with 'No space left' fill
podman volume rm vol >/dev/null

# What is refused is told, and podman does not believe in it.
fails_with 'did you mean "size"' podman volume create --driver berth-named -o sizes=1g wol
fails_with 'at least 16m' podman volume create --driver berth-named -o size=1 wol
fails_with 'octal' podman volume create --driver berth-named -o mode=rwx wol
same "$(podman_volumes)" ''
same "$(volumes)" 0

# Owner and mode are those asked for: podman changes them for no plugin.
podman volume create --driver berth-named -o uid=1000 -o gid=1000 -o mode=2770 vol >/dev/null
same "$(podman run --rm -u 5:6 -v vol:/d bb:1 stat -c '%u %g %a' /d)" '1000 1000 2770'
podman volume rm vol >/dev/null
same "$(api Berth.Check '{}' berth-named | jq -c .Problems)" '[]'
