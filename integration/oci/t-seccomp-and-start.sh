#!/bin/bash
# alone
# time: 120
# A filter that takes away what the runtime itself uses doesn't keep a container from starting.
. "${0%/*}/../lib/lib.sh"
. "$IT/oci/lib.sh"
need root busybox jq python3

bundle
filter() { # RULE - as a jq filter: all but that is allowed
	echo ".process.noNewPrivileges = true | .linux.seccomp = {defaultAction: \"SCMP_ACT_ALLOW\", syscalls: [$1]}"
}

note 'prctl'
for action in SCMP_ACT_KILL_PROCESS SCMP_ACT_ERRNO; do
	config ".process.args = [\"sleep\", \"300\"] | $(filter "{names: [\"prctl\"], action: \"$action\"}")"
	oci create --bundle "$BUNDLE" "$action" </dev/null >/dev/null 2>&1
	same "$(oci state "$action" | jq -r .status)" created "$action: create has ended"
done
# busybox itself makes the call
oci start "$action"
oci exec --detach "$action" sleep 300 </dev/null >/dev/null 2>&1
same "$(oci ps --format json "$action" | jq length)" 2 'a detached exec has ended'
oci delete --force SCMP_ACT_KILL_PROCESS
oci delete --force "$action"
