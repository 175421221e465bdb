#!/bin/bash
# in turn
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

note 'an error after the filter is told'
config ".process.args = [\"/bin/evil\"] | $(filter '{names: ["sendto"], action: "SCMP_ACT_ERRNO"}') |
	.process.noNewPrivileges = false"
fails_with 'exec: "/bin/evil": stat /bin/evil: no such file' oci run --bundle "$BUNDLE" evil

note 'sendto held for an agent that never answers'
cat >"$DIR/agent.py" <<'END_PY'
import os, socket, sys

s = socket.socket(socket.AF_UNIX)
s.bind(sys.argv[1])
s.listen()
kept = []
while True:
    c = s.accept()[0]
    data, fds, _, _ = socket.recv_fds(c, 65536, 1)
    kept.append(fds)
    open(sys.argv[1] + ".got", "a").write("%d\n" % len(fds))
END_PY
python3 "$DIR/agent.py" "$DIR/agent" &
agent=$!
wait_until 10 test -S "$DIR/agent"
config ".process.args = [\"sleep\", \"300\"] | $(filter '{names: ["sendto", "recvfrom"], action: "SCMP_ACT_NOTIFY"}') |
	.linux.seccomp.listenerPath = \"$DIR/agent\""
timeout 20 "$BIN/berth-oci" --root "$OCI_ROOT" create --bundle "$BUNDLE" c </dev/null >/dev/null 2>&1 ||
	fail 'create hangs or fails'
oci start c
same "$(timeout 20 "$BIN/berth-oci" --root "$OCI_ROOT" exec c echo here </dev/null)" here 'exec'
same "$(tr '\n' ' ' <"$DIR/agent.got")" '1 1 ' 'descriptors that the agent was given'
oci delete --force c
kill "$agent"
