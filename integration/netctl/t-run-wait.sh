#!/bin/bash
# in turn
# time: 300
# netctl wait: the exit code of each, in the order given, as docker wait prints it; of one that
# is removed, restarted or whose monitor is killed meanwhile; without a look at the clock.
# shellcheck disable=SC2016 # scripts of the container
. "${0%/*}/lib.sh"
. "${0%/*}/box.sh"
need root busybox docker jq strace

rootfs
start_dockerd

# Ends with 5 at USR1.
job='trap "exit 5" USR1; echo up; while :; do sleep 0.05; done'

# begin NAME FLAG... - a job that listens for its signal.
begin() {
	local name=$1
	shift
	"$ENGINE" run -d --name "$name" "$@" "$IMAGE" sh -c "$job" >/dev/null
	wait_until 20 eval '"$ENGINE" logs "$name" | grep -q up'
}

# waiter CONTAINER... - in the background, into "said"; its status is $?'s of "wait $waiter".
waiter() {
	"$ENGINE" wait "$@" >said 2>said.err &
	waiter=$!
}

# ended WANT [WHAT] - its exit status, then what it printed, in one line.
ended() {
	local rc=0
	wait "$waiter" || rc=$?
	same "$rc $(tr '
' ' ' <said)" "$1" "${2:-status and codes} ($(cat said.err))"
}

still() {
	never_within 1 gone "$waiter"
}

as_docker() {
	note "$ENGINE: one that has ended, as often as one asks"
	"$ENGINE" run -d --name w1 "$IMAGE" sh -c 'exit 7' >/dev/null
	for _ in 1 2 3; do
		waiter w1
		ended '0 7 '
	done

	note "$ENGINE: one that runs, and is ended"
	begin w2
	waiter w2
	still
	"$ENGINE" kill -s USR1 w2 >/dev/null
	ended '0 5 '
	"$ENGINE" rm w2 >/dev/null
	begin w2
	waiter w2
	still
	"$ENGINE" kill w2 >/dev/null
	ended '0 137 '
	"$ENGINE" rm w2 >/dev/null
	begin w2
	waiter w2
	still
	"$ENGINE" rm -f w2 >/dev/null
	ended '0 137 ' 'ended by rm --force'

	note "$ENGINE: one that goes with its end"
	begin w3 --rm
	waiter w3
	still
	"$ENGINE" kill -s USR1 w3 >/dev/null
	ended '0 5 '
	wait_until 10 eval '! "$ENGINE" inspect w3'

	note "$ENGINE: several, and some that are not there"
	begin w4
	waiter w4 w1 w1
	still
	same "$(cat said)" '' 'in the order given'
	"$ENGINE" kill -s USR1 w4 >/dev/null
	ended '0 5 7 7 '
	begin w5
	waiter none1 w1 none2 w5
	still
	wait_until 5 grep -q 7 said
	"$ENGINE" kill -s USR1 w5 >/dev/null
	ended '1 7 5 '
	contains "$(cat said.err)" none1
	contains "$(cat said.err)" none2
	"$ENGINE" rm w1 w4 w5 >/dev/null
}

ENGINE=docker
IMAGE=bb:1
as_docker
note 'docker: one that is restarted has ended for its wait (not so here)'
begin w6 --restart always
waiter w6
still
docker kill -s USR1 w6 >/dev/null
ended '0 5 '
docker rm -f w6 >/dev/null
ENGINE=$NETCTL
IMAGE=$ROOTFS
as_docker
nothing_left

note 'a second one that is gone before its turn'
begin wa
begin wb --rm
waiter wa wb
still
"$NETCTL" kill -s USR1 wb >/dev/null
wait_until 10 eval '! "$NETCTL" inspect wb'
"$NETCTL" kill -s USR1 wa >/dev/null
ended '0 5 5 '
"$NETCTL" rm wa >/dev/null

note 'one that is restarted has not ended'
begin wa --restart always
waiter wa
"$NETCTL" kill -s USR1 wa >/dev/null
wait_until 10 eval '[ "$(field wa RestartCount)" = 1 ] && is wa running'
wait_until 10 eval '[ "$("$NETCTL" logs wa | grep -c up)" = 2 ]'
still
same "$(cat said)" ''
"$NETCTL" stop -t 0 wa >/dev/null
ended '0 137 '
"$NETCTL" rm wa >/dev/null
run -d --name wa --restart on-failure:2 "$ROOTFS" sh -c 'exit 3' >/dev/null
waiter wa
ended '0 3 '
same "$(field wa RestartCount)" 2
"$NETCTL" rm wa >/dev/null

note 'one that never began'
run -d --name wa "$ROOTFS" no-such-program >/dev/null 2>&1 || :
waiter wa
ended '0 127 '
"$NETCTL" rm wa >/dev/null

note 'a monitor that is killed'
for how in '' --rm; do
	# shellcheck disable=SC2086 # none or one
	begin wa $how
	pid=$(field wa Pid)
	waiter wa
	still
	kill -9 "$(monitor_of wa)"
	ended '0 137 ' "$how"
	wait_until 5 gone "$pid"
	[ -n "$how" ] || "$NETCTL" rm wa >/dev/null
	nothing_left
done

note 'who removes it is killed, at each step'
for point in boxcmd.removing box.emptied box.unlinked; do
	begin wa
	waiter wa
	still
	BERTH_FP=$point:kill "$NETCTL" rm -f wa >/dev/null 2>&1 || :
	ended '0 137 ' "$point of rm"
	nothing_left
done
for point in box.emptied box.unlinked; do
	BERTH_FP=$point:kill begin wa --rm
	waiter wa
	still
	"$NETCTL" kill -s USR1 wa >/dev/null
	ended '0 5 ' "$point of run --rm"
	nothing_left
done

note 'it sleeps, and is in the way of nobody'
begin wa
# LeakSanitizer cannot be traced
ASAN_OPTIONS=${ASAN_OPTIONS:-}:detect_leaks=0 strace -f -o calls "$NETCTL" wait wa >said 2>said.err &
waiter=$!
wait_until 10 grep -q 'flock([0-9]*, LOCK_SH$' calls # not one of those that only look
lines=$(wc -l <calls)
still
same "$(wc -l <calls)" "$lines" 'system calls while nothing happens'
others=()
for _ in {1..20}; do
	"$NETCTL" wait wa >>many &
	others+=($!)
done
"$NETCTL" rm -f wa >/dev/null
ended '0 137 '
wait "${others[@]}"
same "$(sort many | uniq -c | tr -s ' ')" ' 20 137'
nothing_left

note 'who removes one waits for those who look, not for an owner'
run --name wa "$ROOTFS" true
exec 8</var/lib/berth/netctl/containers/"$(field wa ID)"/lock
flock -s 8
"$NETCTL" rm wa >said 2>said.err 8<&- &
waiter=$!
still
exec 8<&-
ended '0 wa '
run --name wa "$ROOTFS" true
exec 8</var/lib/berth/netctl/containers/"$(field wa ID)"/lock
flock -x 8
fails_with 'is exited' "$NETCTL" rm wa 8<&-
exec 8<&-
"$NETCTL" rm wa >/dev/null

note 'one that is killed, or told to end, leaves the container as it is'
begin wa
for sig in KILL TERM; do
	waiter wa
	still
	kill -s $sig "$waiter"
	rc=0
	wait "$waiter" || rc=$?
	differ "$rc" 0
	same "$(cat said)" ''
	is wa running || fail "wa is $(state wa) after $sig"
done
"$NETCTL" rm -f wa >/dev/null
nothing_left
