#!/bin/bash
# in turn
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

note 'list at any moment: nothing is left of a deleted one'
config '.process.args = ["true"]'
(while [ ! -e "$DIR/enough" ]; do oci list >/dev/null 2>>"$DIR/listed" || :; done) &
lister=$!
for ((i = 0; i < 40; i++)); do
	oci run --bundle "$BUNDLE" busy </dev/null || fail "run $i"
	[ ! -e "$OCI_ROOT/busy" ] || fail "run $i has left: $(ls "$OCI_ROOT/busy")"
done
touch "$DIR/enough"
wait "$lister"
same "$(cat "$DIR/listed")" '' 'what list says'

note 'a waiting run does not delete another of its id'
config '.process.args = ["sleep", "300"]'
oci run --bundle "$BUNDLE" web </dev/null >/dev/null 2>&1 &
waiting=$!
wait_until 20 is web running
kill -STOP "$(pgrep -P "$waiting" | head -1)"
oci delete --force web
detached web
kill -CONT "$(pgrep -P "$waiting" | head -1)"
rc=0
wait "$waiting" || rc=$?
same "$rc" 137 'status of the first'
is web running || fail 'the second is gone'
oci delete --force web

note 'annotations of 3 MiB, and a config.json that is mostly slashes'
config '.annotations.a = ("x" * 3000000) | .process.args = ["sleep", "300"]'
detached large
is large running
oci delete --force large
config '.annotations.a = ("/" * 12000000) | .process.args = ["sleep", "300"]'
detached slashes
oci exec slashes true
oci delete --force slashes
[ ! -e "$OCI_ROOT/slashes" ] || fail 'a directory is left'

note 'SIGCHLD ignored by the caller'
ignoring() {
	timeout 20 env --ignore-signal=CHLD "$BIN/berth-oci" --root "$OCI_ROOT" \
		run --bundle "$BUNDLE" ignoring </dev/null
}
sh_config 'exit 7'
rc=0
ignoring || rc=$?
same "$rc" 7 'exit status'
sh_config 'exit 7' '.hooks.createRuntime = [{path: "/bin/false"}]'
fails_with 'hook /bin/false: exit status 1' ignoring

note 'state, list and kill wait for no hook, and a hook may ask'
mkfifo "$DIR/hold"
config ".process.args = [\"sleep\", \"300\"] |
	.hooks.createRuntime = [{path: \"/bin/sh\", timeout: 60, args: [\"sh\", \"-c\",
		\"timeout 10 $BIN/berth-oci --root $OCI_ROOT state held >$DIR/asked; cat $DIR/hold\"]}]"
detached held &
waiting=$!
asked() {
	[ -s "$DIR/asked" ]
}
wait_until 20 asked
same "$(jq -r .status "$DIR/asked")" creating 'what a hook sees'
quick() { # COMMAND...
	timeout 10 "$BIN/berth-oci" --root "$OCI_ROOT" "$@" || fail "$* waits for a hook"
}
same "$(quick list --format json | jq -r '.[] | .id + " " + .status')" 'held creating'
same "$(quick ps --format json held | jq length)" 1 ps
echo >"$DIR/hold"
wait "$waiting"
is held running
oci delete --force held
detached held &
waiting=$!
wait_until 20 is held creating
quick kill held KILL
echo >"$DIR/hold"
rc=0
wait "$waiting" || rc=$?
differ "$rc" 0 'status of a create whose process was killed'
[ ! -e "$OCI_ROOT/held" ] || fail 'a directory is left'

note 'a create that was killed as it ended is no longer at work'
config ".process.args = [\"sleep\", \"300\"] |
	.hooks.poststart = [{path: \"/bin/sh\", timeout: 60, args: [\"sh\", \"-c\",
		\"timeout 10 $BIN/berth-oci --root $OCI_ROOT state ended >$DIR/asked\"]}]"
rc=0
BERTH_FP=oci.create.ready:kill oci create --bundle "$BUNDLE" ended </dev/null >/dev/null 2>&1 || rc=$?
differ "$rc" 0 'oci.create.ready was not passed: status'
is ended created
oci start ended
same "$(jq -r .status "$DIR/asked")" running 'what a hook of start sees'
oci delete --force ended

note 'kill of one that is paused'
config '.process.args = ["sleep", "300"]'
detached paused
oci pause paused
oci kill paused KILL
wait_until 10 is paused stopped
oci delete paused

note 'one that is paused before it is started'
config '.process.args = ["sleep", "300"]'
oci create --bundle "$BUNDLE" early </dev/null >/dev/null 2>&1
oci pause early
is early paused || fail "it is $(oci state early | jq -r .status)"
fails_with 'is paused' oci start early
fails_with 'is paused' oci exec early true
oci resume early
is early created
oci start early
is early running
oci delete --force early
note 'one that never began is deleted without force, one that runs is not'
oci create --bundle "$BUNDLE" early </dev/null >/dev/null 2>&1
oci delete early
fails_with 'does not exist' oci state early
detached early
fails_with 'is running, not stopped' oci delete early
oci delete --force early

note 'what is no container, and one whose state is damaged, hide no other'
detached whole
oci create --bundle "$BUNDLE" .hidden </dev/null >/dev/null 2>&1
oci create --bundle "$BUNDLE" odd </dev/null >/dev/null 2>&1
cp "$OCI_ROOT/odd/state.json" "$DIR/state.json"
: >"$OCI_ROOT/odd/state.json"
: >"$OCI_ROOT/file"
same "$(oci list --quiet 2>"$DIR/said")" $'.hidden\nwhole'
contains "$(cat "$DIR/said")" odd
cp "$DIR/state.json" "$OCI_ROOT/odd/state.json"
rm "$OCI_ROOT/file"
for c in whole odd .hidden; do
	oci delete --force "$c"
done
