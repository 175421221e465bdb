#!/bin/bash
# What does publishing ports cost: at dataplane.h after decoding, in memory, and as
# docker run and docker rm see it, against Docker's own bridge?
# alone
# time: 1800
. "${0%/*}/../integration/lib/lib.sh"
. "$ROOT/bench/lib/world.sh"
. "$ROOT/bench/lib/paths.sh"
need publish docker curl jq

# --- at dataplane.h ---------------------------------------------------------

# A memory cgroup of its own, in either tree; "" where none can be had.
memory_cgroup() {
	local d
	for d in "/sys/fs/cgroup/memory/$BERTH_BOX" "$BERTH_V2/bench-publish"; do
		case $d in
		"$BERTH_V2"/*) echo +memory >"$BERTH_V2/cgroup.subtree_control" ;;
		*) [ -d /sys/fs/cgroup/memory ] ;;
		esac 2>/dev/null && mkdir -p "$d" || continue
		[ ! -e "$d/memory.usage_in_bytes" ] && [ ! -e "$d/memory.current" ] || {
			echo "$d"
			return
		}
	done
	return 0
}
memory=$(memory_cgroup)
[ -n "$memory" ] || not_here "memory a port" "no memory cgroup"
of() { # KEY DATAPLANE
	sed -n "s/^$1=//p" "$DIR/publish-$2"
}
told=()
for plane in nft ebpf; do
	new_ns "publish-$plane"
	mkdir -p "/sys/fs/bpf/publish-$plane"
	rc=0
	# shellcheck disable=SC2016 # for the inner shell
	ns "publish-$plane" sh -c '[ -z "$1" ] || echo $$ >"$1/cgroup.procs"
		exec "$0" "$2" "/sys/fs/bpf/publish-$2" - ${1:+"$1"}' \
		"$TOOLS/publish" "$memory" "$plane" >"$DIR/publish-$plane" || rc=$?
	[ $rc != 77 ] || not_here "dataplane.h, $plane" "not in this tree"
	[ $rc != 0 ] || told+=("$plane")
	[ $rc = 0 ] || [ $rc = 77 ] || fail "publish $plane: status $rc"
done
[ -z "$memory" ] || rmdir "$memory"
{
	echo "| at dataplane.h | add ms | remove ms | bytes a port |"
	echo "|---|---|---|---|"
	for plane in "${told[@]}"; do
		while read -r key what; do
			echo "| $plane: $what | $(of "${key}_add" "$plane") |" \
				"$(of "${key}_del" "$plane") | $(of "${key}_bytes" "$plane") |"
		done <<'END'
single_calls 1,000 single ports, a call each
single_one_call 1,000 single ports in one call
range one range of 10,000
END
	done
	echo
	echo "Bytes: process and kernel."
} | table

# --- as Docker sees it ------------------------------------------------------

berth_host
docker network create -d berth-bridge ours >/dev/null
docker network create -d bridge dockers >/dev/null
own() { # METHOD... - the daemon's own clock, us
	local sum=0 m
	for m; do
		sum=$((sum + $(metrics berth-bridge "NetworkDriver.$m" SumUs)))
	done
	echo $sum
}
anon() { # KiB
	awk '/^RssAnon/ { print $2 }' "/proc/${DAEMON_PID[berth-bridge]}/status"
}
proxies() { # "COUNT KIB" of docker-proxy: proportional share of memory
	local p n=0 kib=0
	for p in /proc/[0-9]*; do
		[ "$(cat "$p/comm" 2>/dev/null)" = docker-proxy ] || continue
		n=$((n + 1))
		kib=$((kib + $(awk '/^Pss:/ { print $2 }' "$p/smaps_rollup")))
	done
	echo "$n $kib"
}
one() { # NETWORK COUNT
	local a b t before n=0 kib start stop
	a=$(own ProgramExternalConnectivity)
	b=$(own RevokeExternalConnectivity Leave DeleteEndpoint)
	before=$(anon) t=$(now_ms)
	docker run -d --name many --network "$1" -p "20000-$((19999 + $2)):20000-$((19999 + $2))" \
		--stop-signal KILL bb:1 sleep 99999 >/dev/null
	start=$(($(now_ms) - t))
	kib=$(($(anon) - before))
	[ "$1" = ours ] || read -r n kib < <(proxies)
	t=$(now_ms)
	docker rm -f many >/dev/null
	stop=$(($(now_ms) - t))
	printf '| %s | %s | %s | %s | %s | %s | %s |\n' "$1" "$2" "$start" "$stop" "$n" "$kib" \
		"$([ "$1" = dockers ] || echo "$((($(own ProgramExternalConnectivity) - a) / 1000)), $((($(own \
			RevokeExternalConnectivity Leave DeleteEndpoint) - b) / 1000))")"
}
counts=(1 100 1000)
[ -z "${QUICK-}" ] || counts=(1 10)
one ours 1 >/dev/null # the first loads what all need
{
	echo "| network | ports | docker run ms | docker rm ms | processes | their memory KiB | own time ms: add, remove |"
	echo "|---|---|---|---|---|---|---|"
	for n in "${counts[@]}"; do
		one dockers "$n"
		one ours "$n"
	done
	[ -n "${QUICK-}" ] || one ours 10000
} | table
tell_end
