#!/bin/bash
# alone
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
