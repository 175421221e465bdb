#!/bin/bash
# in turn
# time: 300
# exec gives its process nothing of the caller's, and holds up no other command.
. "${0%/*}/../lib/lib.sh"
. "$IT/oci/lib.sh"
need root busybox jq python3

bundle
idle() { # [JQ-FILTER] - container c
	config ".process.args = [\"sleep\", \"300\"] | ${1:-.}"
	oci run --detach --bundle "$BUNDLE" c </dev/null >/dev/null 2>&1
}

note 'a session keyring of its own'
cat >"$DIR/with_key.py" <<'END_PY'
# with_key.py COMMAND... - with a key in the session that only its holder may see.
import ctypes, os, platform, sys

ADD, KEYCTL = {"x86_64": (248, 250), "aarch64": (217, 219)}[platform.machine()]
libc = ctypes.CDLL(None, use_errno=True)
if libc.syscall(KEYCTL, 1, None) < 0:
    sys.exit("a session: " + os.strerror(ctypes.get_errno()))
key = libc.syscall(ADD, b"user", b"berthkey", b"x", 1, -3)
if key < 0 or libc.syscall(KEYCTL, 5, key, 0x3F000000) < 0:
    sys.exit("a key: " + os.strerror(ctypes.get_errno()))
os.execvp(sys.argv[1], sys.argv[1:])
END_PY
keys() { # COMMAND... - how many of the caller's keys the process sees
	timeout 60 python3 "$DIR/with_key.py" "$BIN/berth-oci" --root "$OCI_ROOT" "$@" </dev/null
}
count='grep -c berthkey /proc/keys || :'
sh_config "$count" '.linux.maskedPaths = []'
same "$(keys run --bundle "$BUNDLE" a)" 0 run
same "$(keys run --no-new-keyring --bundle "$BUNDLE" b)" 1 'run --no-new-keyring'
idle '.linux.maskedPaths = []'
same "$(keys exec c sh -c "$count")" 0 exec
oci delete --force c
sh_config 'sleep 300' '.linux.maskedPaths = []'
oci run --detach --no-new-keyring --bundle "$BUNDLE" c </dev/null >/dev/null 2>&1
same "$(keys exec c sh -c "$count")" 1 'exec, of one made with --no-new-keyring'
oci delete --force c

note 'in a paused container it waits, and nobody else does'
idle
oci pause c
oci exec --ignore-paused c sh -c 'exit 7' </dev/null &
waiting=$!
frozen_two() {
	[ "$(oci ps --format json c | jq length)" = 2 ]
}
wait_until 10 frozen_two
timeout 10 "$BIN/berth-oci" --root "$OCI_ROOT" resume c || fail 'resume waits for exec'
rc=0
wait "$waiting" || rc=$?
same "$rc" 7 'status of exec'
oci pause c
oci exec --ignore-paused c true </dev/null &
waiting=$!
wait_until 10 frozen_two
timeout 20 "$BIN/berth-oci" --root "$OCI_ROOT" delete --force c || fail 'delete waits for exec'
rc=0
wait "$waiting" || rc=$?
differ "$rc" 0 'status of exec'

note 'the helper that joins the namespaces is killed'
idle
BERTH_FP=oci.exec.helper:kill fails_with 'the helper that joins namespaces was killed' \
	timeout 10 "$BIN/berth-oci" --root "$OCI_ROOT" exec c true
alone() {
	[ "$(oci ps --format json c | jq length)" = 1 ]
}
wait_until 10 alone
same "$(oci exec c echo here </dev/null)" here 'exec after it'
oci delete --force c

note 'it ends with the runtime, in a user namespace as well'
chown 100000:100000 "$BUNDLE/rootfs"
idle '.linux.namespaces += [{type: "user"}] |
	.linux.uidMappings = [{containerID: 0, hostID: 100000, size: 65536}] |
	.linux.gidMappings = .linux.uidMappings'
first=$(oci state c | jq .pid)
BERTH_FP=oci.exec.enter:sleep=30000 "$BIN/berth-oci" --root "$OCI_ROOT" exec c true </dev/null &
runtime=$!
is_root() {
	local pid
	pid=$(oci ps --format json c | jq ".[] | select(. != $first)")
	[ -n "$pid" ] && grep -q '^Uid:[[:space:]]100000' "/proc/$pid/status"
}
wait_until 10 is_root
kill -KILL "$runtime"
wait_until 10 alone
oci delete --force c
chown 0:0 "$BUNDLE/rootfs"

note 'a working directory is not made, an entry of the environment takes the place of another'
idle '.process.env += ["A=1"]'
fails_with 'process.cwd: /nope' oci exec --cwd /nope c pwd
[ ! -e "$BUNDLE/rootfs/nope" ] || fail 'it was made'
same "$(oci exec --env A=2 c env </dev/null | grep ^A=)" A=2
same "$(oci exec --user 5 c sh -c 'echo a >/dev/stdout' </dev/null | cat)" a
same "$(stat -c %u /dev/null)" 0
oci delete --force c
