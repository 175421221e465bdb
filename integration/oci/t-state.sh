#!/bin/bash
# alone
# time: 300
# What is kept of a container between two commands: not another's, never unreadable.
. "${0%/*}/../lib/lib.sh"
. "$IT/oci/lib.sh"
need root busybox jq

bundle
is() { # ID STATUS
	[ "$(oci state "$1" | jq -r .status)" = "$2" ]
}
# detached ID - in the background; a container keeps what it is given open.
detached() {
	oci run --detach --bundle "$BUNDLE" "$1" </dev/null >/dev/null 2>"$DIR/said"
}

note 'a cgroup of a container that has stopped is not free'
config '.linux.cgroupsPath = "/ocisame" | .process.args = ["true"]'
detached first
wait_until 20 is first stopped
config '.linux.cgroupsPath = "/ocisame" | .process.args = ["sleep", "300"]'
if detached second; then
	oci delete first
	is second running || fail 'delete of one container ended another'
	fail 'two containers have one cgroup'
fi
contains "$(cat "$DIR/said")" "it is container first's: delete that one" 'what create says'
[ ! -e "$OCI_ROOT/second" ] || fail 'a directory is left'
is first stopped
oci delete first
detached second
is second running
oci delete --force second
same "$(find /sys/fs/cgroup -name ocisame)" '' 'cgroups left'
