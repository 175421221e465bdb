#!/bin/bash
# A daemon killed with -9 comes back by itself; a request made while it is away waits
# and is answered; killed again and again it is started ever more slowly.
. "${0%/*}/lib.sh"
need root curl jq

"$NETCTL" up
lacks "$("$NETCTL" doctor)" 'bad '
new_net "$(hex a)" 41
# One after the other: who ran for long enough is started without delay again.
for name in "${DAEMONS[@]}"; do
	for i in 1 2 3; do
		old=$(pid_named $name)
		kill -9 "$old"
		t=$(now_ms)
		new=$(pid_named $name)	# fails if the request does
		differ "$new" "$old"
		at_most $(($(now_ms) - t)) $((1500 * i)) "answer after kill $i of $name, ms"
	done
done
contains "$("$NETCTL" doctor)" 'berth-bridge died 3 times'
contains "$(cat /run/berth/netctl/berth-bridge.log)" 'was killed by KILL; next start in 400 ms'
contains "$("$NETCTL" network ls)" 10.41.0.0/24
del_net "$(hex a)"
"$NETCTL" down
