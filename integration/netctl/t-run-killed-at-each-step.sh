#!/bin/bash
# in turn
# time: 1200
# netctl run, stop, start and rm killed, or failing, at every fail point, in netctl itself or in the
# container's monitor: the next netctl ends what was half done, and no container, cgroup, link,
# address, mount, anonymous volume or record is left, and a volume that was to be filled has all
# of the files or none.
. "${0%/*}/lib.sh"
. "${0%/*}/box.sh"
need root busybox curl jq readelf

# what it writes is synced a few times in each of its hundreds of cases: on a disk of its own,
# or all that others write is waited for
mkdir -p /var/lib/berth
mount -t tmpfs -o mode=755 berth-killed /var/lib/berth
allow '^\+ mount /var/lib/berth tmpfs ' 'goes with the box'
rootfs
mkdir "$ROOTFS/www/sub"
touch "$ROOTFS/www/a" "$ROOTFS/www/sub/b"
start_daemon berth-ipam
start_daemon berth-bridge
start_daemon berth-named
start_daemon berth-dns
"$NETCTL" network create --subnet 10.82.0.0/24 shop >/dev/null
"$NETCTL" volume create site >/dev/null

points=$(readelf -p berth_fp "$NETCTL" | sed -n 's/^ *\[.*\]  //p')
passed=$DIR/passed
: >"$passed"

note 'a monitor that is killed takes its container along, and the next netctl the rest'
nothing=$(left)
run -d --name kk --network shop -p 8080:80 -v site:/www --restart always "$ROOTFS" sleep 300 >/dev/null
differ "$(left)" "$nothing" 'nothing was made'
pid=$(field kk Pid)
kill -9 "$(monitor_of kk)"
wait_until 5 eval '"$NETCTL" ps -a | grep -q "exited (137)"'
same "$(field kk Error)" 'its monitor was killed'
wait_until 5 gone "$pid"
left_is "$nothing"
"$NETCTL" rm kk >/dev/null
nothing_left
run --name kk --network shop "$ROOTFS" sh -c 'echo up; while :; do sleep 0.1; done' >said 2>&1 &
client=$!
wait_until 10 grep -q up said
kill -9 "$(monitor_of kk)"
rc=0
wait "$client" || rc=$?
same "$rc" 125 'the client of a monitor that was killed'
contains "$(cat said)" 'monitor was killed'
left_is "$nothing"
"$NETCTL" rm kk >/dev/null
nothing_left

# broken POINT HOW FLAG... - a container made, ended and removed with a fail point set.
broken() {
	local fp=$1:$2
	shift 2
	(
		export BERTH_FP=$fp BERTH_FP_LOG=$passed
		"$NETCTL" run -d --name kk --network shop -p 8080:80 -v site:/mnt -v /www "$@" "$ROOTFS" \
			sleep 300 </dev/null
		# a runtime that dies at any kill would not let anything be ended
		case $fp in oci.*) unset BERTH_FP ;; esac
		"$NETCTL" stop -t 0 kk
		"$NETCTL" rm -fv kk
	) >>said 2>&1 || :
}

# is_step POINT HOW - is it one of a container?
is_step() {
	case $1 in
	oci.exec.* | oci.init.*) return 1 ;; # pid 1 of a namespace does not kill itself
	boxvol.sub*) return 1 ;;            # t-run-volumes
	box.awaited) return 1 ;;            # t-run-start
	box.* | monitor.* | life.* | boxnet.* | boxname.* | boxvol.* | boxfill.* | boxcmd.*) ;;
	oci.* | plug.* | sandbox.*) [ "$2" = kill ] ;;
	*) return 1 ;;
	esac
}

n=0
cases=0
# The runtime's own, too: it has the same environment.
for how in kill err=EIO; do
	for point in $points box.saved:nth={2..18} $("$BIN/berth-oci" --list-failpoints); do
		is_step "$point" $how || continue
		case $point in boxcmd.starting) continue ;; esac # below
		for keep in '' --rm; do
			n=$((n + 1))
			[ "${SOAK:-0.1}" = 1 ] || [ $((n % 3)) = 0 ] || [ -z "$keep" ] || continue
			# shellcheck disable=SC2086 # none or one
			broken "${point%%:*}" "$how${point#"${point%%:*}"}" $keep
			# one that lives on was let to: its netctl was killed, not its monitor
			[ "$("$NETCTL" ps -aq 2>>said | wc -l)" = 0 ] || "$NETCTL" rm -fv kk >>said 2>&1 ||
				fail "$point $how: $(tail -3 said)"
			left_is "$nothing" "$point $how $keep"
			nothing_left
			cases=$((cases + 1))
		done
	done
done
note "cases: $cases"

note 'start, after a life that went well'
run -d --name kk --network shop -p 8080:80 -v site:/mnt -v /www "$ROOTFS" sleep 300 >/dev/null
"$NETCTL" stop -t 0 kk >/dev/null
stopped=$(left)
cases=0
for how in kill err=EIO; do
	for point in $points box.saved:nth={2..18} $("$BIN/berth-oci" --list-failpoints); do
		is_step "$point" $how || continue
		BERTH_FP=${point%%:*}:$how${point#"${point%%:*}"} BERTH_FP_LOG=$passed \
			"$NETCTL" start kk >>said 2>&1 || :
		"$NETCTL" stop -t 0 kk >>said 2>&1 || fail "$point $how: $(tail -3 said)"
		is kk exited || fail "$point $how: kk is $(state kk)"
		left_is "$stopped" "$point $how of start"
		same "$(what_is_left | sed '/^container kk$/d; /^.var.lib.berth.netctl.containers.[^/]*$/d')" '' "$point $how"
		wait_until 5 no_cgroup
		cases=$((cases + 1))
	done
done
note "cases: $cases"
"$NETCTL" start kk >/dev/null
is kk running || fail "kk is $(state kk)"
"$NETCTL" rm -fv kk >/dev/null
left_is "$nothing"
nothing_left

note 'a volume with a name has all of the files or none'
seen=0
whole() {
	[ -d "$1" ] || return 0
	seen=$((seen + 1))
	same "$(cd "$1" && find . | sort | paste -sd' ')" "$([ ! -e "$1/a" ] || echo '. ./a ./sub ./sub/b')$(
		[ -e "$1/a" ] || echo .)" "$2"
}
for how in kill err=EIO; do
	for point in boxfill.copied boxfill.moved boxvol.created boxvol.mounted box.saved:nth={2..9}; do
		BERTH_FP="${point%%:*}:$how${point#"${point%%:*}"}" "$NETCTL" run -d --name kk -v new:/www "$ROOTFS" \
			sleep 300 >>said 2>&1 </dev/null || :
		"$NETCTL" rm -f kk >>said 2>&1 || :
		at=$("$NETCTL" volume inspect new --json 2>>said | jq -r .Mountpoint)
		whole "$at" "$point $how"
		case $point in
		boxfill.copied) [ -d "$at" ] && [ ! -e "$at/a" ] || fail "$how: filled" ;;
		boxfill.moved) [ -e "$at/a" ] || fail "$how: not filled" ;;
		esac
		nothing_left
		"$NETCTL" volume rm new >>said 2>&1 || :
		left_is "$nothing" "$point $how, a new volume"
	done
done
[ "$seen" -ge 6 ] || fail "only $seen volumes were looked at"

for point in $points; do
	case $point in
	boxvol.sub* | box.awaited) ;;
	box.* | monitor.* | life.* | boxnet.* | boxname.* | boxvol.* | boxfill.* | boxcmd.*)
		grep -qx "$point" "$passed" || fail "$point: never passed"
		;;
	esac
done
"$NETCTL" volume rm site >/dev/null
"$NETCTL" network rm shop >/dev/null
