#!/bin/bash
# in turn
# time: 600
# netctl start: one that has exited begins again as it was, as docker start does it: id, name,
# networks, address, ports, volumes, log and policy; what cannot begin has exited as before and
# leaves nothing.
# shellcheck disable=SC2016 # scripts of the container
. "${0%/*}/lib.sh"
. "${0%/*}/box.sh"
need root busybox docker jq curl

rootfs
start_dockerd

run() {
	timeout "$((60 * ${BERTH_SLOW:-1}))" "$ENGINE" run "$@" </dev/null
}

# of CONTAINER - "state exit-code restarts", as either tells it.
of() {
	"$ENGINE" inspect "$1" | jq -r '.[0] | if .State | type == "object"
		then "\(.State.Status) \(.State.ExitCode) \(.RestartCount)"
		else "\(.State) \(.ExitCode) \(.RestartCount)" end'
}

id_of() {
	"$ENGINE" inspect "$1" | jq -r '.[0] | .Id // .ID'
}

# life_of CONTAINER - what is another one's in the next life.
life_of() {
	"$ENGINE" inspect "$1" | jq -c '.[0] | if .State | type == "object"
		then [.State.Pid, .State.StartedAt] else [.Pid, .Started] end'
}

# says N CONTAINER - its log has so many lines "up".
says() {
	wait_until 20 eval '[ "$("$ENGINE" logs '"$2"' 2>/dev/null | grep -c up)" = '"$1"' ]'
}

# Ends with 5 at USR1.
job='trap "exit 5" USR1; echo up; while :; do sleep 0.05; done'

as_docker() {
	note "$ENGINE: one that has exited, with its name, id and log"
	run -d --name s1 "$IMAGE" sh -c 'echo up; exit 7' >/dev/null
	"$ENGINE" wait s1 >/dev/null
	id=$(id_of s1)
	same "$("$ENGINE" start s1)" s1
	same "$("$ENGINE" wait s1)" 7
	says 2 s1
	same "$(id_of s1)" "$id"
	same "$(of s1)" 'exited 7 0'

	note "$ENGINE: in front, with its output, errors and status"
	rc=0
	"$ENGINE" start -a s1 >said 2>said.err || rc=$?
	same "$rc $(cat said)$(cat said.err)" '7 up'
	says 3 s1
	run --name s2 "$IMAGE" sh -c 'echo here; echo there >&2' >/dev/null 2>&1
	"$ENGINE" start --attach s2 >said 2>said.err
	same "$(cat said)" here
	same "$(cat said.err)" there
	fails_with "$TOO_MANY" "$ENGINE" start -a s1 s2
	same "$("$ENGINE" logs s1 | grep -c up)" 3 'two in front: neither begins'

	note "$ENGINE: with an input"
	echo first | timeout "$((60 * ${BERTH_SLOW:-1}))" "$ENGINE" run -i --name s3 "$IMAGE" cat >said
	echo second | timeout "$((60 * ${BERTH_SLOW:-1}))" "$ENGINE" start -i s3 >said
	same "$(cat said)" second
	"$ENGINE" rm s1 s2 s3 >/dev/null

	note "$ENGINE: one that runs"
	run -d --name s4 "$IMAGE" sh -c "$job" >/dev/null
	says 1 s4
	life=$(life_of s4)
	same "$("$ENGINE" start s4)" s4
	same "$(life_of s4)" "$life"
	same "$(of s4)" 'running 0 0'

	note "$ENGINE: several, and some that are not there"
	"$ENGINE" stop -t 0 s4 >/dev/null
	run --name s5 "$IMAGE" true
	rc=0
	"$ENGINE" start none1 s4 none2 s5 >said 2>said.err || rc=$?
	same "$rc $(tr '\n' ' ' <said)" '1 s4 s5 '
	contains "$(cat said.err)" none1
	contains "$(cat said.err)" none2
	says 2 s4
	"$ENGINE" kill s4 >/dev/null
	same "$("$ENGINE" start s4)" s4
	says 3 s4
	differ "$(life_of s4)" "$life"
	"$ENGINE" rm -f s4 s5 >/dev/null

	note "$ENGINE: what it wrote outside is what it finds"
	mkdir -p /run/data
	: >/run/data/f
	run --name s6 -v /run/data:/data "$IMAGE" sh -c 'echo x >>/data/f; cat /data/f' >/dev/null
	"$ENGINE" start -a s6 >said
	same "$(cat said)" 'x
x'
	"$ENGINE" rm s6 >/dev/null

	note "$ENGINE: its policy acts again after stop and start, counted from 0"
	run -d --name s7 --restart on-failure:2 "$IMAGE" sh -c 'echo up; exit 3' >/dev/null
	wait_until 20 eval '[ "$(of s7)" = "exited 3 2" ]'
	"$ENGINE" start s7 >/dev/null
	says 6 s7
	wait_until 20 eval '[ "$(of s7)" = "exited 3 2" ]'
	run -d --name s8 --restart always "$IMAGE" sh -c "$job" >/dev/null
	says 1 s8
	"$ENGINE" exec s8 kill -USR1 1 || : # it may go with what it kills
	says 2 s8
	"$ENGINE" stop -t 0 s8 >/dev/null
	"$ENGINE" start s8 >/dev/null
	says 3 s8
	same "$(of s8)" 'running 0 0'
	"$ENGINE" exec s8 kill -USR1 1 || :
	says 4 s8
	wait_until 20 eval '[ "$(of s8)" = "running 0 1" ]'
	"$ENGINE" rm -f s7 s8 >/dev/null

	note "$ENGINE: a terminal"
	run -d -t --name s9 "$IMAGE" sh -c 'tty; exit 6' >/dev/null
	"$ENGINE" wait s9 >/dev/null
	rc=0
	timeout "$((60 * ${BERTH_SLOW:-1}))" "$ENGINE" start -a s9 >said </dev/null || rc=$?
	same "$rc $(tr -d '\r' <said)" '6 /dev/pts/0'
	"$ENGINE" rm s9 >/dev/null

	note "$ENGINE: what one of an image wrote in there is there"
	run --name s9 "$TARRED" sh -c 'echo x >>/kept; cat /kept' >said
	same "$(cat said)" x
	"$ENGINE" start -a s9 >said
	same "$(cat said)" 'x
x'
	"$ENGINE" rm s9 >/dev/null

	note "$ENGINE: one that cannot begin"
	run --name s9 "$IMAGE" no-such-program >/dev/null 2>&1 || :
	for how in '' -a; do
		# shellcheck disable=SC2086 # none or one
		fails_with no-such-program "$ENGINE" start $how s9
		same "$(of s9 | cut -d' ' -f2-)" '127 0'
	done
	"$ENGINE" rm s9 >/dev/null
}

ENGINE=docker
IMAGE=bb:1
TARRED=bb:1
TOO_MANY='multiple containers at once'
as_docker
docker save -o bb.tar bb:1
ENGINE=$NETCTL
IMAGE=$ROOTFS
TARRED=$DIR/bb.tar
TOO_MANY='one container at a time'
as_docker
nothing_left

note 'at our terminal'
script -qec "$NETCTL run -it --name s9 $ROOTFS sh -c 'read -r x; echo got \$x'" /dev/null <<<one >said
contains "$(cat said)" 'got one'
script -qec "$NETCTL start -ai s9" /dev/null <<<two >said
contains "$(cat said)" 'got two'
fails_with 'its terminal needs one here: leave out -i' "$NETCTL" start -ai s9 </dev/null
"$NETCTL" rm s9 >/dev/null
nothing_left

RECORDS=/var/lib/berth/netctl/containers

note 'one that has ended, but whose output its client does not take, is no running one'
"$NETCTL" run --name dd "$ROOTFS" sh -c 'trap "head -c 100000 /dev/zero; exit 0" USR1
	echo up; while :; do sleep 0.05; done' >out 2>&1 </dev/null &
client=$!
wait_until 20 grep -q up out
kill -STOP "$client"
"$NETCTL" kill -s USR1 dd >/dev/null
wait_until 20 eval 'is dd running && [ "$(field dd Pid)" = 0 ]'
fails_with 'still at work on it' "$NETCTL" start --timeout 2s dd
note 'who waits for its end reads it before the next life begins'
waiters=()
for n in {1..20}; do
	"$NETCTL" wait dd >"codes.$n" &
	waiters+=($!)
done
"$NETCTL" start dd >said &
starter=$!
never_within 1 gone "$starter"
kill -CONT "$client"
wait "$starter"
same "$(cat said)" dd
for pid in "${waiters[@]}"; do
	wait_until 10 gone "$pid"
done
same "$(cat codes.* | sort | uniq -c | tr -s ' ')" ' 20 0'
wait "$client"
same "$(wc -c <out)" 100003
"$NETCTL" rm -f dd >/dev/null
run -d --name dd "$ROOTFS" sh -c "$job" >/dev/null
says 1 dd
BERTH_FP=box.awaited:sleep=1000 "$NETCTL" wait dd >said &
waiter=$!
wait_until 10 grep -q lock "/proc/$waiter/wchan"
"$NETCTL" stop -t 0 dd >/dev/null
"$NETCTL" start dd >/dev/null
wait_until 10 gone "$waiter"
same "$(cat said)" 137
says 2 dd
is dd running || fail "dd is $(state dd)"
"$NETCTL" wait dd >said &
waiter=$!
wait_until 10 grep -q lock "/proc/$waiter/wchan"
kill -STOP "$waiter"
"$NETCTL" stop -t 0 dd >/dev/null
"$NETCTL" start dd >/dev/null &
starter=$!
never_within 1 gone "$starter"
kill -CONT "$waiter"
wait_until 10 gone "$waiter"
same "$(cat said)" 137
wait "$starter"
is dd running || fail "dd is $(state dd)"
"$NETCTL" rm -f dd >/dev/null
nothing_left

note 'stop, kill, rm --force of a life that is over, and a start that waited for it'
for how in 'stop -t 0' kill 'rm -f --timeout 10s'; do
	BERTH_FP=life.deleted:sleep=2000:nth=1 run -d --name dd --restart always "$ROOTFS" sh -c "$job" >/dev/null
	says 1 dd
	pid=$(field dd Pid)
	# shellcheck disable=SC2086 # words
	"$NETCTL" $how dd >said &
	ender=$!
	wait_until 10 gone "$pid"
	kill -STOP "$ender"
	"$NETCTL" start dd >/dev/null
	says 2 dd
	life=$(life_of dd)
	kill -CONT "$ender"
	wait "$ender"
	same "$(cat said)" dd "$how"
	case $how in
	rm*) ;;
	*)
		same "$(life_of dd)" "$life" "$how"
		"$NETCTL" rm -f dd >/dev/null
		;;
	esac
	nothing_left
done
: >passed
run -d --name dd "$ROOTFS" sh -c "$job" >/dev/null
says 1 dd
BERTH_FP=boxcmd.stopping:sleep=1500 BERTH_FP_LOG=$DIR/passed "$NETCTL" stop dd >/dev/null &
ender=$!
wait_until 10 grep -q boxcmd.stopping passed
"$NETCTL" kill -s USR1 dd >/dev/null
"$NETCTL" wait dd >/dev/null
"$NETCTL" start dd >/dev/null
says 2 dd
life=$(life_of dd)
wait "$ender"
same "$(life_of dd)" "$life" 'it ended before it was asked to'
"$NETCTL" rm -f dd >/dev/null

note 'stop of one that only begins'
run -d --name dd --restart always "$ROOTFS" sh -c "$job" >/dev/null
says 1 dd
monitor=$(monitor_of dd)
kill -9 "$monitor"
wait_until 5 gone "$monitor"
: >passed
BERTH_FP=life.deleted:err=EIO:nth=1,life.deleted:sleep=2000:nth=2 BERTH_FP_LOG=$DIR/passed 	"$NETCTL" start dd >said 2>&1 &
starter=$!
wait_until 10 eval '[ "$(grep -c life.deleted passed)" = 2 ]'
"$NETCTL" stop -t 0 --timeout 10s dd >/dev/null
fails wait "$starter"
contains "$(cat said)" 'asked for its end'
is dd exited || fail "dd is $(state dd)"

note 'what a monitor that was killed had is given back before, and the record says so'
"$NETCTL" start dd >/dev/null
monitor=$(monitor_of dd)
kill -9 "$monitor"
wait_until 5 gone "$monitor"
BERTH_FP=life.deleted:err=EIO:nth=1,boxcmd.starting:err=EIO fails "$NETCTL" start dd
same "$(jq -r '"\(.State) \(.ExitCode) \(.Error)"' $RECORDS/*/record)" 'exited 137 its monitor was killed'
"$NETCTL" rm dd >/dev/null
nothing_left

note 'networks, addresses, ports, names and volumes'
start_daemon berth-ipam
start_daemon berth-bridge
start_daemon berth-named
start_daemon berth-dns
"$NETCTL" network create --subnet 10.82.0.0/24 shop >/dev/null
"$NETCTL" network create --subnet 10.83.0.0/24 back >/dev/null
"$NETCTL" volume create site >/dev/null
nothing=$(left)
run -d --name web --network shop --network back --ip 10.82.0.77 -p 8080:80 -v site:/www "$ROOTFS" \
	sh -c 'echo hello >>/www/index.html; exec httpd -f -h /www' >/dev/null
for n in 1 2 3; do
	wait_until 20 curl -sf -o page http://127.0.0.1:8080/
	same "$(wc -l <page)" $n 'lines of the volume'
	same "$("$NETCTL" exec web ip -4 -o addr show | grep -o '10\.82\.[0-9.]*/')" 10.82.0.77/
	contains "$("$NETCTL" exec web ip -4 -o addr show)" 10.83.0.
	contains "$("$NETCTL" name ls)" web
	"$NETCTL" stop -t 0 web >/dev/null
	left_is "$nothing" 'after stop'
	[ $n = 3 ] || same "$("$NETCTL" start web)" web
done

# broken WHY TEXT - start fails, and what there was is there; it can be tried again.
broken() {
	fails_with "$2" "$NETCTL" start web
	is web exited || fail "web is $(state web): $1"
	contains "$(field web Error)" "$2"
	left_is "$nothing" "$1"
}

note 'its port, its address or its network is taken'
run -d --name other --network shop -p 8080:80 "$ROOTFS" sleep 300 >/dev/null
taken=$nothing nothing=$(left)
broken 'a port' 8080
"$NETCTL" rm -f other >/dev/null
run -d --name other --network shop --ip 10.82.0.77 "$ROOTFS" sleep 300 >/dev/null
nothing=$(left)
broken 'an address' 10.82.0.77
"$NETCTL" rm -f other >/dev/null
nothing=$taken
"$NETCTL" network rm back >/dev/null
nothing=$(left)
broken 'a network' 'no network "back"'
"$NETCTL" network create --subnet 10.83.0.0/24 back >/dev/null
nothing=$(left)
same "$("$NETCTL" start web)" web
wait_until 20 curl -sf -o page http://127.0.0.1:8080/

note 'a driver is away: it is not begun anew beside what it has there'
for daemon in berth-bridge berth-named; do
	monitor=$(monitor_of web)
	kill -9 "$monitor"
	wait_until 5 gone "$monitor"
	stop_daemon $daemon
	fails_with 'what it had is not given back yet' "$NETCTL" start web
	restart_daemon $daemon
	same "$("$NETCTL" start web)" web
	wait_until 20 curl -sf -o page http://127.0.0.1:8080/
done
"$NETCTL" stop -t 0 web >/dev/null
left_is "$nothing"

note '^C while it is made: it does not begin, or is ended, and is what it was'
for point in boxcmd.starting box.saved life.created life.started; do
	for how in '' -a; do
		: >passed
		# shellcheck disable=SC2086 # none or one
		BERTH_FP=$point:sleep=1000:nth=1 BERTH_FP_LOG=$DIR/passed "$NETCTL" start $how web >said 2>&1 &
		client=$!
		wait_until 10 grep -qx "$point" passed
		kill -TERM "$client"
		rc=0
		wait "$client" || rc=$?
		same "$rc" 143 "'$how' at $point ($(cat said))"
		same "$(jq -r .State $RECORDS/*/record)" exited "'$how' at $point"
		left_is "$nothing" "'$how' at $point"
	done
done
: >passed
BERTH_FP=life.created:sleep=1000:nth=1 BERTH_FP_LOG=$DIR/passed "$NETCTL" start none1 web >said 2>&1 &
client=$!
wait_until 10 grep -qx life.created passed
kill -TERM "$client"
rc=0
wait "$client" || rc=$?
same "$rc" 143
contains "$(cat said)" none1
same "$("$NETCTL" start web)" web
wait_until 20 curl -sf -o page http://127.0.0.1:8080/
"$NETCTL" rm -f web >/dev/null
nothing_left

note 'its monitor was killed, and nobody has looked since'
run -d --name web --network shop "$ROOTFS" sh -c "$job" >/dev/null
says 1 web
pid=$(field web Pid)
monitor=$(monitor_of web)
kill -9 "$monitor"
wait_until 5 gone "$monitor"
same "$("$NETCTL" start web)" web
gone "$pid" || fail "process $pid of its last life is there"
says 2 web
is web running || fail "web is $(state web)"

note 'several at once: it begins once'
"$NETCTL" stop -t 0 web >/dev/null
others=()
for _ in {1..8}; do
	"$NETCTL" start web >>many &
	others+=($!)
done
wait "${others[@]}"
same "$(sort many | uniq -c | tr -s ' ')" ' 8 web'
says 3 web
fails_with 'runs already' "$NETCTL" start -a web
is web running || fail "web is $(state web)"

note 'a signal for who stays goes to the container; killed, he leaves it'
"$NETCTL" stop -t 0 web >/dev/null
"$NETCTL" start -a web >said 2>&1 &
client=$!
wait_until 20 grep -q up said
kill -s USR1 "$client"
rc=0
wait "$client" || rc=$?
same "$rc" 5
rm said # so that "up" is the next one's
"$NETCTL" start -a web >said 2>&1 &
client=$!
wait_until 20 grep -q up said
kill -9 "$client"
wait "$client" || :
is web running || fail "web is $(state web)"

note 'one that is being removed, and what keeps it'
stop_daemon berth-dns
BERTH_FP=boxcmd.removing:kill "$NETCTL" rm -f web >/dev/null 2>&1 || :
fails_with 'container web is being removed: it is kept until berth-dns' "$NETCTL" start web
restart_daemon berth-dns
fails_with 'no container "web"' "$NETCTL" start web
"$NETCTL" network rm shop >/dev/null
"$NETCTL" network rm back >/dev/null
"$NETCTL" volume rm site >/dev/null
nothing_left
