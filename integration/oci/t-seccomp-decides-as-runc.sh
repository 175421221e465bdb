#!/bin/bash
# Docker's default profile, built by us, decides on each system call as under runc.
. "${0%/*}/../lib/lib.sh"
need docker jq

config_of() { # CONTAINER
	echo "$DOCKER_EXEC/containerd/daemon/io.containerd.runtime.v2.task/moby/$(docker inspect -f '{{.Id}}' "$1")/config.json"
}

start_dockerd
docker run -d --name plain bb:1 sleep 1000 >/dev/null
docker run -d --name admin --cap-add SYS_ADMIN --cap-add SYS_PTRACE --cap-add SYSLOG bb:1 sleep 1000 >/dev/null
for c in plain admin; do
	config=$(config_of $c)
	note "$c: $(jq -c '.linux.seccomp | {defaultAction, defaultErrnoRet, architectures, n: ([.syscalls[].names[]] | length)}' "$config")"
	for try in built cached; do
		out=$("$TOOLS/secdump" "$(pid_of $c)" "$config" "$DIR/filters") ||
			fail "$c: ours decides otherwise: $out"
		note "$c: $try: $out"
		contains "$out" "differ=0"
		lacks "$out" "not_allowed=0"
	done
	contains "$out" " cached"
done
# The comparison sees a difference where there is one.
if out=$("$TOOLS/secdump" "$(pid_of admin)" "$(config_of plain)"); then
	fail "one more capability allows nothing more: $out"
fi
contains "$out" "x86_64 165 " # mount
