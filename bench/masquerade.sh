#!/bin/bash
# What does masquerading cost a container that connects to the outside?  Against one
# nft masquerade rule by hand.
# alone
# time: 900
. "${0%/*}/../integration/lib/lib.sh"
. "$ROOT/bench/lib/world.sh"
. "$ROOT/bench/lib/paths.sh"
need tcpbench conntrack curl jq

# That path, the other way round: the server on the LAN, asked from the container.
path_out() { # NAME PORT KIND ARG...
	"path_$3" "$1" "${@:4}"
	[ -n "${TITLE[$1]-}" ] || return 0
	in_background "out-$1.log" nsenter "--net=/run/netns/$1.lan" -- "$BENCH" serve "$2"
	wait_until 20 grep -q ready "$DIR/out-$1.log"
	AT[$1]=192.0.2.2 AT_PORT[$1]=$2 FROM[$1]=$1.ct
}

path_masquerade() { # NAME PORT
	path_direct "$@"
	TITLE[$1]="nft masquerade by hand"
	TRACKED[$1]=$1.host
	ip -n "$1.lan" route del 10.90.0.0/24
	ns "$1.host" nft -f - <<'END'
table ip t {
	chain postrouting {
		type nat hook postrouting priority srcnat
		oifname "up1" masquerade
	}
}
END
}

berth_planes
path nft out 7201 masquerade 7001
PATHS=()
path direct out 7202 direct 7001
[ -n "${QUICK-}" ] || path docker out 7203 docker 7001
n=0
for plane in "${PLANES[@]}"; do
	path "berth-$plane" out $((7210 + n)) berth "$plane" 7001
	n=$((n + 1))
done
[ -z "${TITLE[docker]-}" ] || TITLE[docker]="Docker's bridge"
measure connect connections/s nft "${PATHS[@]}"
tell_end
