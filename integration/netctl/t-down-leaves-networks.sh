#!/bin/bash
# netctl down stops daemons and supervisor and unlinks the sockets; networks and
# published ports stay and work, and up takes them up again.
. "${0%/*}/lib.sh"
need root curl jq nft

"$NETCTL" up
new_net "$(hex a)" 43
publish "$(hex a)" "$(hex e)" 10.43.0.2 8043 80
bridge=$("$NETCTL" network ls --json | jq -r '.[0].Bridge')
before=$(nft list ruleset | grep -v '# handle' | sed 's/packets [0-9]* bytes [0-9]*//')

"$NETCTL" down
for name in "${DAEMONS[@]}"; do
	[ ! -e "$(sock $name)" ] || fail "$name.sock is left"
	fails pgrep -x "$name"
done
ip -j addr show "$bridge" | jq -e '.[0].addr_info[] | select(.local == "10.43.0.1")' >/dev/null
same "$(nft list ruleset | grep -v '# handle' | sed 's/packets [0-9]* bytes [0-9]*//')" \
	"$before" "firewall after down"
fails_with 'netctl up' "$NETCTL" ports
contains "$("$NETCTL" doctor 2>&1 || :)" 'berth-bridge is not running but has records here'

"$NETCTL" up
contains "$("$NETCTL" ports)" '8043'
unpublish "$(hex a)" "$(hex e)"
del_net "$(hex a)"
fails ip link show "$bridge"
"$NETCTL" down
