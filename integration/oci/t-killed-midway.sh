#!/bin/bash
# in turn
# time: 600
# A runtime killed at any step leaves nothing that delete --force doesn't remove, and runs no program.
# soak
. "${0%/*}/../lib/lib.sh"
. "$IT/oci/lib.sh"
need root busybox jq

bundle
sh_config 'touch /started; sleep 100' '.root.readonly = false'
ours() {
	pgrep -f "berth-oci --root $OCI_ROOT create"
}
no_process() {
	! ours
}
left() {
	find /sys/fs/cgroup -name 'midway[0-9]*'
	ls "$OCI_ROOT"
	ls "$BUNDLE/rootfs/started" 2>/dev/null || :
	ours || :
}
mkdir -p "$OCI_ROOT"
n=0
# each step of state_save(), which comes several times, and all others
for point in $("$BIN/berth-oci" --list-failpoints | grep -E '^oci\.(create|init|cgroup\.(make|join|apply))') \
	oci.state:nth={1,2,3,4}; do
	name=${point%%:*} nth=
	case $point in *:*) nth=:${point#*:} ;; esac
	n=$((n + 1))
	rc=0
	BERTH_FP=$name:kill$nth oci create --bundle "$BUNDLE" "midway$n" </dev/null >/dev/null 2>&1 || rc=$?
	differ "$rc" 0 "$point was not passed: status"
	oci delete --force "midway$n"
	wait_until 5 no_process
	same "$(left)" '' "left after a kill at $point"
	rc=0
	BERTH_FP=$name:err=EIO$nth oci create --bundle "$BUNDLE" "midway$n" </dev/null >/dev/null 2>&1 || rc=$?
	differ "$rc" 0 "$point was not passed: status"
	same "$(left)" '' "left after a failure at $point"
done
[ "$n" -ge 10 ] || fail "only $n points"
note "$n points"

note 'killed before it saw that the cgroup is another container'\''s'
path=/$BERTH_BOX-another
sh_config 'sleep 100' ".linux.cgroupsPath = \"$path\""
oci run -d --bundle "$BUNDLE" another </dev/null >/dev/null 2>&1
pid=$(oci state another | jq .pid)
rc=0
BERTH_FP=oci.cgroup.make:kill oci create --bundle "$BUNDLE" midway </dev/null >/dev/null 2>&1 || rc=$?
differ "$rc" 0 'oci.cgroup.make was not passed: status'
same "$(jq -c '.cgroups | length > 0' "$OCI_ROOT/midway/state.json")" true 'a path was written down'
oci kill --all midway KILL
oci delete --force midway
same "$(oci state another | jq -c '[.status, .pid]')" "[\"running\",$pid]"
oci delete --force another
same "$(left)" ''
