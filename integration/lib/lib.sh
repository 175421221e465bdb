# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# lib.sh - what every integration test begins with:
#
#     #!/bin/bash
#     # One sentence: the claim.
#     . "${0%/*}/../lib/lib.sh"
#     need docker
#
# A test is one script; the runner starts it in a box (lib/box) and compares the
# kernel's state before and after.  Exit status 0 passed, 77 skipped (prints
# why), anything else failed.  Any command that fails ends the test (set -e);
# a failed check prints both sides.  Whatever the helpers start, they end.
#
# Header lines the runner reads ("# alone" and "# time: SECONDS"):
#   alone  touches host-wide objects, or measures: nothing runs beside it
#   time   seconds after which it is stopped and failed (default 180)
set -Eeuo pipefail

IT=$(cd "${BASH_SOURCE[0]%/*}/.." && pwd -P)
ROOT=${IT%/*}
BUILD=${BUILD:-$ROOT/build}
# Started by hand: go through the runner, which makes the box.
if [ -z "${BERTH_BOX-}" ]; then
	exec "$IT/run" --build "$BUILD" --verbose "$(realpath "$0")"
fi
BIN=$BUILD/bin
TOOLS=$BUILD/tools
export NETCTL=$BIN/netctl
# DIR: this test's own directory; logs stay there, the rest is removed.
PLUGINS=/run/docker/plugins
# All of ours, in the order that netctl has them.
# shellcheck disable=SC2034 # for the tests
DAEMONS=(berth-bridge berth-dns berth-ipam berth-ipvlan berth-macvlan berth-named berth-overlay
	berth-thin berth-tmpfs)
DOCKER_SOCK=/run/docker.sock
DOCKER_DATA=/var/lib/docker
DOCKER_EXEC=/run/dockerd
DOCKER_FLAGS=()
export DOCKER_CONFIG=$DIR/docker-config DOCKER_HOST=unix://$DOCKER_SOCK
# The system's programs: a "python3" of a version manager takes 0.4 s to start.
export PATH=$BIN:/usr/sbin:/usr/bin:$PATH LC_ALL=C
declare -A DAEMON_PID=() DAEMON_FLAGS=()
STARTED=()   # pids of helpers to end
DOCKERD_PID=

cd "$DIR"

# --- saying things ----------------------------------------------------------

note() {
	printf '# %s\n' "$*"
}

fail() {
	local i
	{
		printf 'FAIL: %s\n' "$*"
		for ((i = 1; i < ${#FUNCNAME[@]}; i++)); do
			case ${BASH_SOURCE[i]} in */lib/lib.sh) continue ;; esac
			printf '      at %s:%s\n' "${BASH_SOURCE[i]#"$ROOT/"}" \
				"${BASH_LINENO[i - 1]}"
		done
	} | tee -a "$DIR/why" >&2
	exit 1
}

skip() {
	printf 'SKIP: %s\n' "$*"
	exit 77
}

trap 'echo "FAIL: \"$BASH_COMMAND\" gave $? at ${BASH_SOURCE[0]#"$ROOT/"}:$LINENO" >&2' ERR

# need THING... - skip unless each is here: a program of ours or of the host,
# "docker", "compose", "root".
need() {
	local what
	for what; do
		case $what in
		root) [ "$(id -u)" = 0 ] || skip "needs root" ;;
		docker) command -v dockerd >/dev/null || skip "needs dockerd" ;;
		compose) command -v docker-compose >/dev/null ||
			skip "needs docker-compose" ;;
		*) [ -x "$TOOLS/$what" ] || command -v "$what" >/dev/null ||
			skip "needs $what" ;;
		esac
	done
}

# allow REGEX WHY - this test may leave a difference that matches.
allow() {
	printf '%s # %s\n' "$1" "$2" >>"$DIR/allow"
}

# --- checks -----------------------------------------------------------------

# same GOT WANT [WHAT]
same() {
	[ "$1" = "$2" ] || fail "${3:-values differ}: got '$1', want '$2'"
}

differ() {
	[ "$1" != "$2" ] || fail "${3:-values are equal}: '$1'"
}

# contains TEXT PART [WHAT]; lacks the other way round.
contains() {
	case $1 in *"$2"*) ;; *) fail "${3:-text}: '$2' is not in: $1" ;; esac
}

lacks() {
	case $1 in *"$2"*) fail "${3:-text}: '$2' is in: $1" ;; esac
}

# at_most N LIMIT WHAT
at_most() {
	awk -v a="$1" -v b="$2" 'BEGIN { exit !(a <= b) }' ||
		fail "$3: $1 is more than $2"
	note "$3: $1 (at most $2)"
}

# fails_with TEXT COMMAND... - it must fail and say TEXT.
fails_with() {
	local want=$1 out rc=0
	shift
	out=$("$@" 2>&1) || rc=$?
	[ $rc -ne 0 ] || fail "should have failed: $* (said: $out)"
	contains "$out" "$want" "what '$*' says"
}

# fails COMMAND... - it must fail.
fails() {
	if "$@" >/dev/null 2>&1; then
		fail "should have failed: $*"
	fi
}

# pause SECONDS - only inside wait_until and traffic loops.
pause() {
	read -rt "$1" <> <(:) || :
}

# wait_until SECONDS COMMAND... - poll until it succeeds.  In the guest, which is
# slow, the time is longer.
wait_until() {
	local limit=$1 end
	limit=$((${limit%.*} * ${BERTH_SLOW:-1}))
	shift
	end=$((${EPOCHREALTIME/./} + limit * 1000000))
	until "$@" >/dev/null 2>&1; do
		if [ "${EPOCHREALTIME/./}" -gt "$end" ]; then
			fail "not within $limit s: $*"
		fi
		pause 0.05
	done
}

# never_within SECONDS COMMAND... - it must not succeed for that long.
never_within() {
	local limit=$1 end
	shift
	end=$((${EPOCHREALTIME/./} + ${limit%.*} * 1000000))
	while [ "${EPOCHREALTIME/./}" -lt "$end" ]; do
		if "$@" >/dev/null 2>&1; then
			fail "happened, but must not: $*"
		fi
		pause 0.1
	done
}

now_ms() {
	echo $((${EPOCHREALTIME/./} / 1000))
}

# --- hosts ------------------------------------------------------------------

# new_ns NAME - a network namespace, lo up; removed at the end.
new_ns() {
	ip netns add "$1"
	ns "$1" ip link set lo up
}

# ns NAME COMMAND... - run in it (mounts and processes stay the box's).
ns() {
	local name=$1
	shift
	nsenter "--net=/run/netns/$name" -- "$@"
}

# inns PID COMMAND... - run in the network namespace of a process.
inns() {
	local pid=$1
	shift
	nsenter "--net=/proc/$pid/ns/net" -- "$@"
}

# lan [NAME [N]] - a neighbour: namespace NAME (lan) with eth0 joined to this
# host's up<N>.  Host 192.0.<N+1>.1 and 2001:db8:<N+1>::1, neighbour .2.  The
# first is also the host's default route; neighbours know no other route.  None of
# them looks for duplicates of its fe80:: address first: for a second or two it would
# ask for no neighbour.
lan() {
	local name=${1:-lan} n=${2:-1}
	new_ns "$name"
	ip link add "up$n" type veth peer name eth0 netns "$name"
	sysctl -qw "net.ipv6.conf.up$n.accept_dad=0"
	ns "$name" sysctl -qw net.ipv6.conf.eth0.accept_dad=0
	ip addr add "192.0.$((n + 1)).1/24" dev "up$n"
	ip addr add "2001:db8:$((n + 1))::1/64" dev "up$n" nodad
	ip link set "up$n" up
	ns "$name" ip addr add "192.0.$((n + 1)).2/24" dev eth0
	ns "$name" ip addr add "2001:db8:$((n + 1))::2/64" dev eth0 nodad
	ns "$name" ip link set eth0 up
	if [ "$n" = 1 ]; then
		ip route add default via 192.0.2.2
		ip -6 route add default via 2001:db8:2::2
	fi
	UPLINKS+=("up$n")
}
UPLINKS=()

# in_background LOG COMMAND... - sets PID; ended by the clean-up.
in_background() {
	local log=$1
	shift
	rm -f "$DIR/$log"
	"$@" >"$DIR/$log" 2>&1 </dev/null &
	PID=$!
	STARTED+=("$PID")
}

# end PID [SIGNAL] - signal, and wait until it is gone.
end() {
	kill "-${2:-TERM}" "$1" 2>/dev/null || :
	wait "$1" 2>/dev/null || :
	wait_until 20 gone "$1"
}

# With all its threads: a killed one's first may be a zombie while others still have
# its files open, and its lock.
gone() {
	local tasks=("/proc/$1/task"/*)
	[ ! -d "/proc/$1" ] || { [ ${#tasks[@]} -le 1 ] &&
		grep -q '^State:.Z' "/proc/$1/status" 2>/dev/null; }
}

# --- our daemons ------------------------------------------------------------

sock() {
	echo "$PLUGINS/$1.sock"
}

# api METHOD JSON PLUGIN|SOCKET - POST to a plugin socket, print the answer.
api() {
	local s=$3
	case $s in /*) ;; *) s=$(sock "$s") ;; esac
	curl -sS --max-time 60 --unix-socket "$s" -d "$2" \
		"http://plugin/${1#/}"
}

# start_daemon NAME [FLAG...] - returns when it answers.
start_daemon() {
	local name=$1
	shift
	DAEMON_FLAGS[$name]="$*"
	"$BIN/$name" "$@" >>"$DIR/$name.log" 2>&1 </dev/null &
	DAEMON_PID[$name]=$!
	STARTED+=("$!")
	wait_until 15 daemon_ready "$name"
}

daemon_ready() {
	kill -0 "${DAEMON_PID[$1]}" || fail "$1 ended: see $1.log"
	answers "$1"
}

answers() {
	api Plugin.Activate '' "$1" | grep -q Implements
}

# stop_daemon NAME - SIGTERM; it must exit 0.
stop_daemon() {
	local rc=0 pid=${DAEMON_PID[$1]}
	kill "$pid"
	wait "$pid" || rc=$?
	unset "DAEMON_PID[$1]"
	same $rc 0 "exit status of $1 after SIGTERM"
}

kill9_daemon() {
	local pid=${DAEMON_PID[$1]}
	kill -9 "$pid"
	wait "$pid" 2>/dev/null || :
	unset "DAEMON_PID[$1]"
}

# restart_daemon NAME - same flags again.
restart_daemon() {
	[ -z "${DAEMON_PID[$1]-}" ] || stop_daemon "$1"
	# shellcheck disable=SC2086 # flags are words
	start_daemon "$1" ${DAEMON_FLAGS[$1]}
}

# --- disks ------------------------------------------------------------------

# disk "MKFS..." [MOUNT-OPTIONS [DIRECTORY]] - mount a new file system of 2 GB
# (DISK_SIZE; sparse, on a loop device: such a test is "# alone") where the daemons keep
# their state.  It goes with the box.
disk() {
	local at=${3:-/var/lib/berth} image=$DIR/disk.img
	[ -e /dev/loop-control ] || modprobe loop
	truncate -s ${DISK_SIZE:-2G} "$image"
	# shellcheck disable=SC2086 # a command
	$1 "$image" >"$DIR/mkfs.log" 2>&1
	mkdir -p "$at"
	mount -o "loop,${2:-rw}" "$image" "$at"
	rm "$image" # the device has it
	allow "^\\+ mount $at(/[^ ]*)? (btrfs|ext4|xfs) " 'goes with the box'
}

# --- a real Docker ----------------------------------------------------------

# docker ARG... - with IPAM=berth-ipam in the environment "network create" has that
# as its --ipam-driver, so that a test's claims can be shown again with it.
docker() {
	case "${IPAM:+ipam} $* " in
	*" --config-from "*) /usr/bin/docker "$@" ;; # it has the other's
	"ipam network create "*)
		shift 2
		/usr/bin/docker network create --ipam-driver "$IPAM" "$@"
		;;
	*) /usr/bin/docker "$@" ;;
	esac
}

# start_dockerd [FLAG...] - Debian's dockerd with its own containerd, ready, and
# with image bb:1.  Flags stay for restart_dockerd.
start_dockerd() {
	DOCKER_FLAGS=("$@")
	if [ ! -e "$DIR/dockerd.log" ]; then
		allow '^[-+] .*sysctl net\.ipv4\.ip_forward' 'dockerd sets it and leaves it'
		allow '^[-+] .*(sysctl net/ipv4/conf/[a-z0-9]+/forwarding)' 'follows ip_forward'
		allow '^[-+] main: sysctl net\.bridge' 'dockerd loads br_netfilter'
		allow '^[-+] cgroup .*/berth-box-[0-9]+-docker$' 'removed with the box'
	fi
	run_dockerd
	/usr/bin/docker image inspect bb:1 >/dev/null 2>&1 || image
}

launch_dockerd() {
	dockerd -H "$DOCKER_HOST" --data-root "$DOCKER_DATA" \
		--exec-root "$DOCKER_EXEC" --pidfile "$DOCKER_EXEC.pid" \
		--exec-opt native.cgroupdriver=cgroupfs \
		--cgroup-parent "/$BERTH_BOX-docker" \
		"${DOCKER_FLAGS[@]}" >>"$DIR/dockerd.log" 2>&1 </dev/null &
	DOCKERD_PID=$!
}

run_dockerd() {
	launch_dockerd
	wait_until 60 dockerd_answers
}

# In the guest dockerd may start again: it gives its containerd 15 s and no more.
dockerd_answers() {
	if ! kill -0 "$DOCKERD_PID"; then
		[ -n "${BERTH_GUEST-}" ] && tail -n 1 "$DIR/dockerd.log" |
			grep -q 'timeout waiting for containerd' ||
			fail "dockerd ended: see dockerd.log"
		launch_dockerd
	fi
	curl -sS --max-time 5 --unix-socket "$DOCKER_SOCK" \
		http://docker/_ping | grep -q OK
}

stop_dockerd() {
	[ -n "$DOCKERD_PID" ] || return 0
	end "$DOCKERD_PID"
	DOCKERD_PID=
	wait_until 20 no_process containerd
}

restart_dockerd() {
	stop_dockerd
	run_dockerd
}

# kill9_dockerd - and its containerd, without which it does not start again.
kill9_dockerd() {
	local pid
	pid=$(cat "$DOCKER_EXEC/containerd/containerd.pid")
	kill -9 "$DOCKERD_PID" "$pid"
	wait "$DOCKERD_PID" 2>/dev/null || :
	wait_until 10 gone "$pid"
	rm -f "$DOCKER_EXEC.pid"
	DOCKERD_PID=
}

# kill_shims - what holds containers while dockerd is gone.
kill_shims() {
	local p
	for p in /proc/[0-9]*; do
		case $(cat "$p/comm" 2>/dev/null) in
		containerd-shim*) kill -9 "${p##*/}" || : ;;
		esac
	done
}

no_process() {
	local f
	for f in /proc/[0-9]*/comm; do
		if [ "$(cat "$f" 2>/dev/null)" = "$1" ]; then
			return 1
		fi
	done
}

# image - bb:1: Debian's static busybox and nothing else.  Made once a build;
# the name it is made under is not from $$, which is the same in every box.
image() {
	image_tar
	docker import "$BUILD/it/bb.tar" bb:1 >/dev/null
}

image_tar() {
	local tar=$BUILD/it/bb.tar new root
	if [ ! -s "$tar" ]; then
		root=$(mktemp -d "$DIR/bb.XXXXXX")
		mkdir -p "$root"/{bin,etc,tmp,proc,sys,dev,www}
		cp /usr/bin/busybox "$root/bin/busybox"
		for f in $(busybox --list); do
			[ "$f" = busybox ] || ln "$root/bin/busybox" "$root/bin/$f"
		done
		echo 'root:x:0:0:root:/:/bin/sh' >"$root/etc/passwd"
		new=$(mktemp "$tar.XXXXXX")
		tar -C "$root" -c . >"$new"
		mv "$new" "$tar"
		rm -r "$root"
	fi
}

# berth_host [DOCKERD-FLAG...] - the usual arrangement: a LAN neighbour, both
# daemons, dockerd.  With DATAPLANE=ebpf in the environment new networks are on that
# one, so that a test's claims can be shown again with it.
berth_host() {
	need docker curl jq
	[ -e /run/netns/lan ] || lan
	start_daemon berth-bridge ${DATAPLANE:+--dataplane "$DATAPLANE"}
	start_daemon berth-named
	[ -z "${IPAM-}" ] || start_daemon "$IPAM"
	start_dockerd "$@"
}

# Of a container: its process, an address, an id.
pid_of() {
	docker inspect -f '{{.State.Pid}}' "$1"
}

ip_of() {
	docker inspect -f "{{with index .NetworkSettings.Networks \"$2\"}}{{.IPAddress}}{{end}}" "$1"
}

ip6_of() {
	docker inspect -f "{{with index .NetworkSettings.Networks \"$2\"}}{{.GlobalIPv6Address}}{{end}}" "$1"
}

net_id() {
	docker network inspect -f '{{.Id}}' "$1"
}

# serve CONTAINER NETWORK PORT [DOCKER-RUN-FLAG...] - a container whose web page
# is its own name; returns when it listens.
serve() {
	local name=$1 net=$2 port=$3
	shift 3
	docker run -d --name "$name" --network "$net" \
		--stop-signal KILL "$@" bb:1 \
		sh -c "echo $name >/www/index.html; exec httpd -f -p $port -h /www" \
		>/dev/null
	wait_until 10 listens "$(pid_of "$name")" "$port"
}

# listens PID PORT - something does, in that process's network.
listens() {
	inns "$1" ss -Hltn "sport = :$2" | grep -q .
}

# fetch URL - the page; short limits, no proxy, never follows.
fetch() {
	curl -gsS --noproxy '*' --connect-timeout 2 --max-time 5 "$@"
}

# server CONTAINER PROTO PORT [MODE] - lib/server in a container's network;
# sets PID; end_server before the container stops.
server() {
	local pid
	pid=$(pid_of "$1")
	in_background "server-$2-$3.log" nsenter "--net=/proc/$pid/ns/net" -- \
		"$IT/lib/server" "$2" "$3" "${4:-echo}"
	wait_until 5 grep -q ready "$DIR/server-$2-$3.log"
}

# metrics PLUGIN METHOD FIELD - of its own handlers' times: Count, Errors, SumUs,
# MaxUs; 0 before the first call.
metrics() {
	api Berth.Metrics '{}' "$1" | jq --arg m "$2" --arg f "$3" \
		'.Methods[$m][$f] // 0'
}

# traffic KIND ARG... - start lib/traffic here; sets PID; waits for the first
# answer.  lan_traffic: from the LAN.  traffic_end [PID] prints its last line.
traffic() {
	in_background "traffic-$#-$1.log" "$IT/lib/traffic" "$@"
	TRAFFIC[PID]=$DIR/traffic-$#-$1.log
	wait_until 10 grep -q 'first answer' "${TRAFFIC[PID]}"
}

lan_traffic() {
	in_background "traffic-lan-$1.log" nsenter --net=/run/netns/lan -- \
		"$IT/lib/traffic" "$@"
	TRAFFIC[PID]=$DIR/traffic-lan-$1.log
	wait_until 10 grep -q 'first answer' "${TRAFFIC[PID]}"
}
TRAFFIC=()

traffic_end() {
	local pid=${1:-$PID} rc=0
	kill "$pid"
	wait "$pid" || rc=$?
	note "traffic: $(tail -1 "${TRAFFIC[pid]}")"
	same $rc 0 "traffic lost: $(cat "${TRAFFIC[pid]}")"
}

# from CONTAINER URL - fetch with the container's network (busybox's wget falls over
# its own -T).  by_name CONTAINER URL - with its resolver too.
from() {
	inns "$(pid_of "$1")" curl -gsS --noproxy '*' --connect-timeout 2 \
		--max-time 5 "$2"
}

by_name() {
	docker exec "$1" timeout 10 wget -qO- "$2"
}

# --- the end ----------------------------------------------------------------

# What Docker itself leaves is taken away; what is ours must be gone by then.
drop_docker_leftovers() {
	local l t
	for l in docker0 docker_gwbridge; do
		ip link del "$l" 2>/dev/null || :
	done
	for t in "ip nat" "ip filter" "ip6 nat" "ip6 filter" "ip raw"; do
		# shellcheck disable=SC2086 # two words
		if ! nft list table $t 2>/dev/null | grep -q berth; then
			nft delete table $t 2>/dev/null || :
		fi
	done
	umount -R "$DOCKER_DATA" 2>/dev/null || :
	mount --bind "$DIR/docker" "$DOCKER_DATA"
	awk -v d="$DOCKER_EXEC" 'index($5, d) == 1 { print $5 }' \
		/proc/self/mountinfo | while read -r l; do
		umount "$l" 2>/dev/null || :
	done
}

# "has active endpoints" is a counter of dockerd's own, which it brings down when it
# has time (docs/protocol.md): what a driver holds or answers does not keep it.  So
# wait long, and say who holds what where that was not enough.
drop_networks() {
	local id end rc=0
	for id; do
		end=$(($(now_ms) + 60000))
		while ! docker network rm "$id"; do
			if [ "$(now_ms)" -gt $end ]; then
				echo "network $id stays; dockerd:"
				docker network inspect "$id"
				echo "berth-bridge:"
				api Berth.Networks '{}' berth-bridge
				rc=1
				break
			fi
			pause 0.1
		done
	done
	return $rc
}

drop_docker_objects() {
	local ids rc=0
	ids=$(docker ps -aq)
	# shellcheck disable=SC2086 # ids are words
	[ -z "$ids" ] || docker rm -fv $ids
	ids=$(docker network ls -q --filter type=custom)
	# shellcheck disable=SC2086
	[ -z "$ids" ] || drop_networks $ids || rc=1
	ids=$(docker volume ls -q)
	# shellcheck disable=SC2086
	[ -z "$ids" ] || docker volume rm $ids
	return $rc
}

# With Docker's objects gone nothing is handed out, and the records are right.
no_address_left() {
	local ipam=${IPAM-}
	if [ -n "$ipam" ] && [ -n "${DAEMON_PID[$ipam]-}" ]; then
		same "$(api Berth.IpamPools '{}' "$ipam" | jq -c .Pools)" '[]' \
			"pools left"
		same "$(api Berth.Check '{}' "$ipam" | jq -c .Problems)" '[]' \
			"problems of $ipam"
	fi
}

cleanup() {
	local rc=$? p n
	trap - ERR EXIT
	set +e
	if [ -n "${KEEP-}" ] && [ $rc -ne 0 ]; then
		echo "# kept: nsenter -t $(awk '/^NSpid/ { print $2 }' \
			/proc/$$/status) -a ... ; exit this shell to clean up" >&2
		bash -i </dev/tty >/dev/tty 2>&1
	fi
	if [ -n "$DOCKERD_PID" ] && ! gone "$DOCKERD_PID"; then
		if ! drop_docker_objects >"$DIR/cleanup.log" 2>&1; then
			echo "FAIL: a network stays: see cleanup.log" >&2
			rc=1
		fi
		(no_address_left) || rc=1
		(stop_dockerd) || rc=1
	fi
	# lib/podman
	if [ -n "$(type -t podman_end)" ]; then
		podman_end || rc=1
	fi
	# netctl/box.sh
	if [ -n "$(type -t boxes_end)" ]; then
		boxes_end || rc=1
	fi
	# lib/hosts
	if [ -n "$(type -t hosts_end)" ]; then
		hosts_end || rc=1
	fi
	if [ -e /run/berth/netctl/lock ]; then
		cp /run/berth/netctl/*.log "$DIR/" 2>/dev/null
		"$NETCTL" down >>"$DIR/cleanup.log" 2>&1
	fi
	for n in "${!DAEMON_PID[@]}"; do
		kill "${DAEMON_PID[$n]}" 2>/dev/null
		wait "${DAEMON_PID[$n]}"
		p=$?
		if [ $p -ne 0 ] && [ $rc = 0 ]; then
			echo "FAIL: $n exited with $p" >&2
			rc=1
		fi
	done
	for p in "${STARTED[@]}"; do
		kill "$p" 2>/dev/null
		wait "$p" 2>/dev/null
	done
	[ ! -e "$DIR/dockerd.log" ] || drop_docker_leftovers
	for n in "${UPLINKS[@]}"; do
		ip link del "$n"
	done
	for n in /run/netns/*; do
		[ ! -e "$n" ] || ip netns del "${n##*/}"
	done
	exit $rc
}
trap cleanup EXIT
trap 'exit 143' TERM INT
