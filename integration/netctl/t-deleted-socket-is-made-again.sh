#!/bin/bash
# A plugin socket whose file somebody deletes is made again, and served, also where the
# supervisor holds it; and where the whole directory is gone.
. "${0%/*}/lib.sh"
need root curl jq

"$NETCTL" up
new_net "$(hex a)" 41
answers_again() {
	api Berth.Networks '{}' "$1" | jq -e '.Networks | length == 1'
}
rm "$PLUGINS/berth-bridge.sock"
wait_until 5 answers_again berth-bridge
contains "$(cat /run/berth/netctl/berth-bridge.log)" 'was gone: made again'
rm -r "$PLUGINS"
wait_until 5 answers_again berth-bridge
wait_until 5 api Berth.Volumes '{}' berth-named
lacks "$("$NETCTL" doctor)" 'bad '
del_net "$(hex a)"
"$NETCTL" down
