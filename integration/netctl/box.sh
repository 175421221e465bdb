# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# box.sh - for the tests of netctl run: a root directory, and what is left of a container.

ROOTFS=/run/rootfs

# rootfs - busybox in $ROOTFS.
rootfs() {
	mkdir -p "$ROOTFS"/{bin,etc,proc,sys,dev,tmp,www}
	cp -n /usr/bin/busybox "$ROOTFS/bin/"
	chroot "$ROOTFS" /bin/busybox --install -s /bin
	printf 'root:x:0:0:root:/:/bin/sh\nweb:x:80:81:web:/www:/bin/sh\n' >"$ROOTFS/etc/passwd"
	printf 'root:x:0:\nweb:x:81:\nlog:x:90:web\nwheel:x:10:root\n' >"$ROOTFS/etc/group"
}

# run FLAG... - netctl run, from nobody's input.
run() {
	timeout "$((60 * ${BERTH_SLOW:-1}))" "$NETCTL" run "$@" </dev/null
}

# state CONTAINER - "running", "exited", ...
state() {
	"$NETCTL" inspect "$1" | jq -r '.[0].State'
}

is() {
	[ "$(state "$1")" = "$2" ]
}

field() {
	"$NETCTL" inspect "$1" | jq -r ".[0].$2"
}

# monitor_of CONTAINER - the process that has its lock.
monitor_of() {
	local id p
	id=$(field "$1" ID)
	for p in /proc/[0-9]*; do
		if [ "$(cat "$p/comm" 2>/dev/null)" = netctl-monitor ] &&
			[ -n "$(find "$p/fd" -lname "*/$id/lock" 2>/dev/null)" ]; then
			echo "${p##*/}"
			return
		fi
	done
	fail "no monitor of $1"
}

# no_cgroup - of a container; a box sees those made in it alone.
no_cgroup() {
	[ -z "$(find /sys/fs/cgroup -name 'berth-run-*')" ]
}

what_is_left() {
	"$NETCTL" ps -a --json | jq -r '.[] | "container \(.Name)"' ||
		echo 'netctl ps failed'
	find /var/lib/berth/netctl/containers -mindepth 1 -maxdepth 1 ! -name lock
	[ ! -e /run/berth/netctl/oci ] || find /run/berth/netctl/oci -mindepth 1 -maxdepth 1
	grep -l -x netctl-monitor /proc/[0-9]*/comm 2>/dev/null || :
}

# nothing_left - no container, cgroup, mount, state or process of one.
nothing_left() {
	local end=$((SECONDS + 10 * ${BERTH_SLOW:-1})) left
	# who removes one (--rm, or another netctl) may still be at it
	while left=$(what_is_left) && [ -n "$left" ]; do
		[ "$SECONDS" -lt "$end" ] || fail "left: $left"
		pause 0.05
	done
	wait_until 5 no_cgroup
}

# left_is WANT [WHAT] - what left() tells is that; links go a moment later.
left_is() {
	local end=$((SECONDS + 5 * ${BERTH_SLOW:-1}))
	while [ "$(left)" != "$1" ] && [ "$SECONDS" -lt "$end" ]; do
		pause 0.05
	done
	same "$(left)" "$@"
}

# boxes_end - of a test that failed half way: its containers end, so that no cgroup is left.
boxes_end() {
	local ids
	ids=$("$NETCTL" ps -aq 2>>"$DIR/cleanup.log")
	# shellcheck disable=SC2086 # ids are words
	[ -z "$ids" ] || "$NETCTL" rm -f $ids >>"$DIR/cleanup.log" 2>&1
}

# What containers have of the host: equal before one is made and after it is removed.
left() {
	ip -j link | jq -c '[.[].ifname] | sort'
	api Berth.IpamLeases '{}' berth-ipam | jq -c '[.Leases[].Address] | sort'
	api Berth.Volumes '{}' berth-named | jq -c '[.Volumes[] | [.Name, (.Users | length)]]'
	"$NETCTL" network inspect shop --json | jq -c .Endpoints
	"$NETCTL" name ls --json | jq -c '[.[].Name] | sort'
}
