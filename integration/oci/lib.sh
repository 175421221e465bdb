# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# lib.sh - bundles and containers of berth-oci, for integration/oci.

OCI_ROOT=/run/oci
# where another user can get to as well
BUNDLE=/run/bundle

oci() {
	timeout 60 "$BIN/berth-oci" --root "$OCI_ROOT" "$@"
}

# bundle [JQ-FILTER] - $BUNDLE with busybox and the config of 'spec', changed.
bundle() {
	mkdir -p "$BUNDLE/rootfs"/{bin,etc,proc,sys,dev,tmp}
	cp -n /usr/bin/busybox "$BUNDLE/rootfs/bin/"
	chroot "$BUNDLE/rootfs" /bin/busybox --install -s /bin
	echo 'root:x:0:0:root:/root:/bin/sh' >"$BUNDLE/rootfs/etc/passwd"
	[ -e "$DIR/config.base" ] || {
		oci spec --bundle "$BUNDLE"
		mv "$BUNDLE/config.json" "$DIR/config.base"
	}
	config "${1:-.}"
}

# config JQ-FILTER - a config.json anew.
config() {
	jq ".process.terminal = false | $1" "$DIR/config.base" >"$BUNDLE/config.json"
}

# sh_config SCRIPT [JQ-FILTER] - one whose process is that shell script.
sh_config() {
	local script
	script=$(jq -Rs . <<<"$1")
	config ".process.args = [\"sh\", \"-c\", $script] | ${2:-.}"
}

# runs SCRIPT [JQ-FILTER] - what the script prints in a container; its status.
runs() {
	sh_config "$@"
	oci run --bundle "$BUNDLE" "c$((++RUNS))" </dev/null
}
RUNS=0

# refused TEXT JQ-FILTER - create must say TEXT, and leave nothing.
refused() {
	config "$2"
	fails_with "$1" oci create --bundle "$BUNDLE" refused
	[ ! -e "$OCI_ROOT/refused" ] || fail "a directory is left: $2"
	same "$(find /sys/fs/cgroup -name refused)" '' "cgroups left"
}
