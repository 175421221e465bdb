#!/bin/bash
# in turn
# time: 300
# What becomes of the other hooks, and of the container, when a hook or create fails.
. "${0%/*}/../lib/lib.sh"
. "$IT/oci/lib.sh"
need root busybox jq

bundle
hook() { # SCRIPT - as a hook's JSON
	jq -nc --arg s "$1" '{path: "/bin/sh", args: ["sh", "-c", $s]}'
}
logged() {
	oci --log "$DIR/log" "$@"
}

note 'poststart and poststop: a failure is logged, the others run'
config ".process.args = [\"sleep\", \"300\"] |
	.hooks.poststart = [$(hook 'exit 4'), $(hook "touch $DIR/started")] |
	.hooks.poststop = [$(hook 'exit 5'), $(hook "touch $DIR/stopped")]"
oci create --bundle "$BUNDLE" c </dev/null >/dev/null 2>&1
logged start c
[ -e "$DIR/started" ] || fail 'the second poststart hook did not run'
contains "$(cat "$DIR/log")" 'poststart: hook /bin/sh: exit status 4' 'the log'
same "$(oci state c | jq -r .status)" running
logged delete --force c
[ -e "$DIR/stopped" ] || fail 'the second poststop hook did not run'
contains "$(cat "$DIR/log")" 'poststop: hook /bin/sh: exit status 5' 'the log'
[ ! -e "$OCI_ROOT/c" ] || fail 'a directory is left'

note 'any other: the first that fails ends it'
config ".hooks.createRuntime = [$(hook 'exit 6'), $(hook "touch $DIR/second")]"
fails_with 'hook /bin/sh: exit status 6' oci create --bundle "$BUNDLE" c
[ ! -e "$DIR/second" ] || fail 'the second createRuntime hook ran'

note 'poststop also after a create that failed, once the runtime'"'"'s hooks have begun'
rm -f "$DIR/stopped"
config ".hooks.createRuntime = [$(hook "touch $DIR/up")] | .process.args = [\"/none\"] |
	.hooks.poststop = [$(hook "cat >$DIR/state; touch $DIR/stopped")]"
fails_with '/none' oci create --bundle "$BUNDLE" c
[ -e "$DIR/up" ] || fail 'createRuntime did not run'
[ -e "$DIR/stopped" ] || fail 'poststop did not run'
same "$(jq -r '.id + " " + .status' "$DIR/state")" 'c stopped' 'the state that it is given'
[ ! -e "$OCI_ROOT/c" ] || fail 'a directory is left'
rm -f "$DIR/stopped"
config ".hooks.poststop = [$(hook "touch $DIR/stopped")] | .linux.cgroupsPath = \"../..\""
rc=0
oci create --bundle "$BUNDLE" c </dev/null >/dev/null 2>&1 || rc=$?
differ "$rc" 0 'create with a wrong cgroupsPath: status'
[ ! -e "$DIR/stopped" ] || fail 'poststop ran with no hook before it'
