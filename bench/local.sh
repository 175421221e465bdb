#!/bin/bash
# What does a published port cost a client on this host, at 127.0.0.1?  Against
# docker-proxy, and against a server that listens there itself with no rules around.
# alone
# time: 900
. "${0%/*}/../integration/lib/lib.sh"
. "$ROOT/bench/lib/world.sh"
. "$ROOT/bench/lib/paths.sh"
need tcpbench conntrack curl jq

path_loopback() { # NAME PORT
	world "$1" "a server on the host itself, no rules"
	world_serve "$1" "$2" "$1.host"
	AT_PORT[$1]=$2
}

path_local() { # NAME KIND ARG... - that path, asked from its own host
	"path_$2" "$1" "${@:3}"
	AT[$1]=127.0.0.1 FROM[$1]=$1.host
	case $2 in berth | untracked) HOOKED[$1]=$BERTH_V2/bench-$1 ;; esac
}

berth_planes
path loopback local loopback 7101
PATHS=()
path docker local docker 7102
[ -n "${QUICK-}" ] || path noproxy local docker_noproxy 7103
ours=()
for plane in "${PLANES[@]}"; do
	path "berth-$plane" local berth "$plane" $((7110 + ${#ours[@]}))
	ours+=("berth-$plane")
	[ $plane != ebpf ] || path untracked local untracked 7119
done
[ -z "${TITLE[docker]-}" ] || TITLE[docker]="docker -p (docker-proxy)"

measure connect connections/s loopback "${PATHS[@]}"
measure echo "round trips/s" loopback "${PATHS[@]}"
measure stream Gbit/s loopback "${PATHS[@]}"
if [ -n "${TITLE[docker]-}" ]; then
	measure connect connections/s docker "${ours[@]}"
	measure echo "round trips/s" docker "${ours[@]}"
fi
tell_end
