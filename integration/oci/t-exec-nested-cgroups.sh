#!/bin/bash
# alone
# vm
# time: 120
# exec works in a container that has cgroups of its own, as Docker and systemd make them (cgroup v2 alone).
. "${0%/*}/../lib/lib.sh"
. "$IT/oci/lib.sh"
need root busybox jq

[ -e /sys/fs/cgroup/cgroup.controllers ] || skip 'cgroup v2 is not alone here'
bundle
# shellcheck disable=SC2016 # of the container
sh_config 'mkdir /sys/fs/cgroup/init && echo 1 >/sys/fs/cgroup/init/cgroup.procs &&
	echo +pids +memory >/sys/fs/cgroup/cgroup.subtree_control && touch /tmp/ready; exec sleep 300' \
	'.mounts += [{destination: "/sys/fs/cgroup", type: "cgroup", source: "cgroup", options: ["rw"]},
		{destination: "/tmp", type: "tmpfs", source: "t"}]'
oci run --detach --bundle "$BUNDLE" c </dev/null >/dev/null 2>"$DIR/said" || fail "$(cat "$DIR/said")"
nested() {
	[ -e "/proc/$(oci state c | jq .pid)/root/tmp/ready" ]
}
wait_until 20 nested
same "$(oci exec c cat /proc/self/cgroup </dev/null)" 0::/init 'where exec is'
oci delete --force c
