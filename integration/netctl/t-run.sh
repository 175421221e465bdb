#!/bin/bash
# in turn
# time: 300
# netctl run without Docker: a container from a root directory, with its output, exit status,
# environment, user, limits and mounts; ps, logs, stop, kill, rm, inspect.
. "${0%/*}/lib.sh"
. "${0%/*}/box.sh"
need root busybox jq strace

rootfs

# status WANT FLAG... - the exit status of a run in the foreground.
status() {
	local want=$1 rc=0
	shift
	run "$@" >said 2>&1 || rc=$?
	same "$rc" "$want" "exit status of '$*' ($(cat said))"
}

note 'the foreground: output, errors, exit status'
same "$(run --rm "$ROOTFS" echo hello 'two  words')" 'hello two  words'
same "$(run --rm "$ROOTFS" sh -c 'echo wrong >&2' 2>&1 >/dev/null)" wrong
same "$(run --rm "$ROOTFS" head -c 1000000 /dev/zero | wc -c)" 1000000
status 7 --rm "$ROOTFS" sh -c 'exit 7'
status 127 --rm "$ROOTFS" no-such-program
contains "$(cat said)" 'executable file not found'
status 126 --rm "$ROOTFS" /etc/passwd
status 125 --rm /etc/passwd true
contains "$(cat said)" '/etc/passwd'
status 125 --rm "$ROOTFS"
contains "$(cat said)" 'which command'
status 125 --rm --no-such-flag "$ROOTFS" true
contains "$(cat said)" 'no flag --no-such-flag'
status 125 --rm -u nobody-here "$ROOTFS" true
contains "$(cat said)" 'no user "nobody-here"'
status 125 --rm --network nowhere "$ROOTFS" true
contains "$(cat said)" 'no network "nowhere"'
status 125 --name bytes -e $'A=\xff' "$ROOTFS" true
contains "$(cat said)" 'not UTF-8'
status 125 --rm -p 80:80 "$ROOTFS" true
contains "$(cat said)" 'needs a --network'
nothing_left

note 'an input'
same "$(echo typed | "$NETCTL" run --rm -i "$ROOTFS" cat)" typed
same "$(echo typed | "$NETCTL" run --rm "$ROOTFS" cat)" ''
same "$(head -c 300000 /dev/zero | "$NETCTL" run --rm -i "$ROOTFS" sh -c 'wc -c')" 300000

note 'what is in there'
printf 'FROM_FILE=f\n# comment\nINHERITED\n' >vars
INHERITED=i run --rm -e A=1 -e 'B=two words' --env-file vars -h box1 -w /tmp -u web \
	"$ROOTFS" sh -c 'echo "$A|$B|$FROM_FILE|$INHERITED|$HOSTNAME"; hostname; pwd; id' >said
same "$(cat said)" "1|two words|f|i|box1
box1
/tmp
uid=80(web) gid=81(web) groups=81(web),90(log)"
same "$(run --rm -u 5:6 "$ROOTFS" id)" 'uid=5 gid=6 groups=6'
same "$(run --rm "$ROOTFS" sh -c 'ip -o link | cut -d: -f2; ip -o addr show lo | wc -l')" ' lo
2'
contains "$(run --rm -h box1 "$ROOTFS" cat /etc/hosts)" '127.0.0.1	localhost'
same "$(run --rm -h box1 "$ROOTFS" cat /etc/hostname)" box1
same "$(run --rm --network host "$ROOTFS" readlink /proc/self/ns/net)" "$(readlink /proc/self/ns/net)"
same "$(run --rm "$ROOTFS" sh -c 'echo $$; grep CapEff /proc/self/status')" '1
CapEff:	00000000a80425fb'
same "$(run --rm -u 5 "$ROOTFS" grep CapEff /proc/self/status)" 'CapEff:	0000000000000000'
same "$(run --rm --cap-drop all --cap-add chown "$ROOTFS" grep CapEff /proc/self/status)" \
	'CapEff:	0000000000000001'
status 125 --rm --cap-add fly "$ROOTFS" true
contains "$(cat said)" 'no such capability'
status 1 --rm --read-only "$ROOTFS" touch /tmp/x
contains "$(cat said)" 'Read-only'
status 1 --rm --read-only "$ROOTFS" sh -c 'echo x >/etc/hosts'
contains "$(cat said)" 'Read-only'
status 1 --rm "$ROOTFS" sh -c 'echo 1 >/proc/sysrq-trigger'

note 'mounts'
mkdir -p /run/shared
echo there >/run/shared/file
same "$(run --rm -v /run/shared:/mnt "$ROOTFS" sh -c 'cat /mnt/file; echo new >/mnt/new')" there
same "$(cat /run/shared/new)" new
status 1 --rm -v /run/shared:/mnt:ro "$ROOTFS" touch /mnt/x
mkdir /run/shared/below
mount -t tmpfs below /run/shared/below
status 1 --rm -v /run/shared:/mnt:ro "$ROOTFS" touch /mnt/below/x
umount /run/shared/below
mkdir /run/shared/etc
same "$(run --rm -h box1 -v /run/shared/etc:/etc "$ROOTFS" cat /etc/hostname)" box1 'our files in a given /etc'
run --rm -v /run/shared/made/here:/mnt "$ROOTFS" touch /mnt/x
[ -e /run/shared/made/here/x ] || fail 'a directory of the host is not made'
same "$(run --rm --tmpfs /data:size=64k "$ROOTFS" sh -c 'grep -c " /data tmpfs rw,nosuid,nodev,noexec" /proc/mounts')" 1
status 125 --rm -v relative/x:/mnt "$ROOTFS" true
contains "$(cat said)" 'neither a volume'
rmdir "$ROOTFS/mnt" "$ROOTFS/data"

note 'limits'
run --rm -d --name limited -m 64m --cpus 1.5 --pids-limit 20 "$ROOTFS" sleep 300 >/dev/null
cg=$(find /sys/fs/cgroup -type d -name "berth-run-$(field limited ID)" | head -1)
limits() {
	cat "$@" 2>/dev/null || :
}
contains "$(limits "$cg"/memory.max; find /sys/fs/cgroup -path '*berth-run-*' \
	-name memory.limit_in_bytes -exec cat {} +)" 67108864
contains "$(limits "$cg"/cpu.max; find /sys/fs/cgroup -path '*berth-run-*' \
	-name cpu.cfs_quota_us -exec cat {} +)" 150000
contains "$(find /sys/fs/cgroup -path '*berth-run-*' -name pids.max -exec cat {} +)" 20
same "$(run --rm --network container:limited "$ROOTFS" hostname)" "$(field limited 'ID[:12]')"
same "$("$NETCTL" stop -t 0 limited)" limited
wait_until 10 fails "$NETCTL" inspect limited
nothing_left

note 'system calls: the default, none, a file of Docker'"'"'s kind'
filter() { # FLAG... - 0: none, 2: a filter
	run --rm "$@" "$ROOTFS" sed -n 's/^Seccomp:[^0-9]*//p' /proc/self/status
}
same "$(filter)" 2
same "$(filter --security-opt seccomp=builtin)" 2
same "$(filter --security-opt seccomp=unconfined)" 0
new_user() { # FLAG... - who needs no capability for a namespace
	run --rm "$@" "$ROOTFS" unshare -U true
}
fails_with 'not permitted' new_user
new_user --security-opt seccomp=unconfined
fails_with 'not permitted' run --rm --security-opt seccomp=unconfined "$ROOTFS" unshare -u true
run --rm --cap-add SYS_ADMIN "$ROOTFS" unshare -u true
run --rm "$ROOTFS" sh -c '(true) | cat; sleep 0 & wait' # clone, where it is no namespace
run -d --name held "$ROOTFS" sleep 100 >/dev/null
same "$("$NETCTL" exec held sed -n 's/^Seccomp:[^0-9]*//p' /proc/self/status)" 2
fails_with 'not permitted' "$NETCTL" exec held unshare -U true
"$NETCTL" rm -f held >/dev/null
cat >profile.json <<'END'
{"defaultAction":"SCMP_ACT_ALLOW","archMap":[{"architecture":"SCMP_ARCH_X86_64","subArchitectures":["SCMP_ARCH_X86"]}],
 "syscalls":[{"names":["mkdir","mkdirat"],"action":"SCMP_ACT_ERRNO","errnoRet":95,"excludes":{"caps":["CAP_SYS_TIME"]}},
  {"names":["rmdir"],"action":"SCMP_ACT_ERRNO","errnoRet":95,"includes":{"minKernel":"99.1"}},
  {"names":["symlink","symlinkat"],"action":"SCMP_ACT_ERRNO","errnoRet":95,"includes":{"arches":["nowhere"]}},
  {"names":["link","linkat"],"action":"SCMP_ACT_ERRNO","errnoRet":95,"includes":{"caps":["CAP_CHOWN"],"minKernel":"4.8"}}]}
END
by_file() { run --rm --security-opt seccomp="$DIR/profile.json" "$@"; }
fails_with 'not supported' by_file "$ROOTFS" mkdir /tmp/made
fails_with 'not supported' by_file "$ROOTFS" ln /etc/group /tmp/linked
by_file "$ROOTFS" ln -s /etc/group /tmp/linked
by_file --cap-add SYS_TIME "$ROOTFS" mkdir /tmp/made
by_file "$ROOTFS" sh -c 'rmdir /tmp/made && rm /tmp/linked'
by_file --cap-drop CHOWN "$ROOTFS" sh -c 'ln /etc/group /tmp/linked && rm /tmp/linked'
fails_with 'No such file' run --rm --security-opt seccomp=/nowhere "$ROOTFS" true
fails_with 'no profile' run --rm --security-opt seccomp=<(echo '{}') "$ROOTFS" true
fails_with 'seccomp=/' run --rm --security-opt seccomp=<(echo '[') "$ROOTFS" true
fails_with 'there are' run --rm --security-opt apparmor=x "$ROOTFS" true
same "$(run --rm --security-opt no-new-privileges "$ROOTFS" sed -n 's/^NoNewPrivs:[^0-9]*//p' /proc/self/status)" 1
same "$(run --rm "$ROOTFS" sed -n 's/^NoNewPrivs:[^0-9]*//p' /proc/self/status)" 0

note 'detached: ps, logs, stop, rm'
id=$(run -d --name web -l tier=front "$ROOTFS" sh -c \
	'trap "echo bye; exit 3" TERM; echo one; echo err >&2; printf two; while :; do sleep 0.1; done')
same "${#id}" 64
fails_with 'a container "web" already' run --name web "$ROOTFS" true
same "$("$NETCTL" ps -q)" "${id:0:12}"
contains "$("$NETCTL" ps)" 'sh -c trap'
same "$("$NETCTL" ps --json | jq -r '.[0] | .Name, .Status, .Labels.tier')" "web
running
front"
wait_until 5 grep -q two /var/lib/berth/netctl/containers/"$id"/log
same "$("$NETCTL" logs web 2>/dev/null)" 'one
two'
same "$("$NETCTL" logs web 2>&1 >/dev/null)" err
same "$("$NETCTL" logs --tail 1 "${id:0:8}" 2>/dev/null)" two
fails_with 'netctl stop' "$NETCTL" rm web
"$NETCTL" logs -f web >followed 2>&1 &
follower=$!
same "$("$NETCTL" stop web)" web
wait "$follower"
contains "$(cat followed)" bye
same "$(state web)" exited
same "$(field web ExitCode)" 3
same "$("$NETCTL" ps --json)" '[
]'
contains "$("$NETCTL" ps -a)" 'exited (3)'
contains "$("$NETCTL" logs web 2>/dev/null)" bye
fails_with 'is not running' "$NETCTL" kill web
same "$("$NETCTL" rm web)" web
fails_with 'no container "web"' "$NETCTL" rm web
nothing_left

note 'kill, stop with patience, rm --force'
run -d --name k1 "$ROOTFS" sh -c 'trap "exit 4" USR1; while :; do sleep 0.1; done' >/dev/null
run -d --name k2 "$ROOTFS" sh -c 'trap "" TERM; while :; do sleep 0.1; done' >/dev/null
run -d --name k3 "$ROOTFS" sleep 300 >/dev/null
"$NETCTL" kill -s USR1 k1 >/dev/null
wait_until 10 is k1 exited
same "$(field k1 ExitCode)" 4
before=$(now_ms)
"$NETCTL" stop -t 1 k2 >/dev/null
same "$(field k2 ExitCode)" 137
at_most $(($(now_ms) - before)) 8000 'ms to stop one that does not listen'
"$NETCTL" rm -f k1 k2 k3 >/dev/null
nothing_left

for n in 1 2 3; do
	BERTH_FP=life.deleted:sleep=3000 run -d --name k$n "$ROOTFS" sleep 300 >/dev/null
done
before=$(now_ms)
same "$("$NETCTL" kill k1 k2 k3 | paste -sd' ')" 'k1 k2 k3'
at_most $(($(now_ms) - before)) 8000 'ms to kill three, whose monitors need 3 s each'
"$NETCTL" rm k1 k2 k3 >/dev/null
BERTH_FP=life.deleted:sleep=12000 run -d --name k1 "$ROOTFS" sleep 300 >/dev/null
fails_with 'does not end' "$NETCTL" kill k1
"$NETCTL" rm -f k1 >/dev/null
nothing_left

note 'signals to the client go to the container; one that is killed leaves it running'
"$NETCTL" run --name fg "$ROOTFS" sh -c 'trap "exit 9" INT; echo up; while :; do sleep 0.1; done' \
	>said 2>&1 </dev/null &
client=$!
wait_until 10 grep -q up said
kill -INT "$client"
rc=0
wait "$client" || rc=$?
same "$rc" 9 'exit status after INT'
"$NETCTL" rm fg >/dev/null
rm said # so that "up" is the next one's
"$NETCTL" run --name fg "$ROOTFS" sh -c 'echo up; while :; do sleep 0.1; echo more; done' \
	>said 2>&1 </dev/null &
client=$!
wait_until 10 grep -q up said
kill -KILL "$client"
wait "$client" || :
same "$(state fg)" running
never_within 1 is fg exited
"$NETCTL" rm -f fg >/dev/null
nothing_left

note '^C while it is made: it does not begin, or is ended'
rm -f "$ROOTFS/tmp/mark"
for point in box.saved life.created life.started; do
	for how in -d '' --rm; do
		# shellcheck disable=SC2086 # none or one
		BERTH_FP=$point:sleep=2000:nth=1 "$NETCTL" run $how --name slow "$ROOTFS" \
			sh -c 'sleep 3; echo >/tmp/mark' >said 2>&1 &
		client=$!
		made() { [ -n "$(find /var/lib/berth/netctl/containers -name record)" ]; }
		wait_until 10 made
		kill -TERM "$client" # a background process of a shell ignores SIGINT
		rc=0
		wait "$client" || rc=$?
		same "$rc" 143 "'$how' at $point ($(cat said))"
		# not left to the next netctl, which would settle it
		lacks "$(cat /var/lib/berth/netctl/containers/*/record 2>/dev/null)" '"creating"'
		lacks "$("$NETCTL" ps)" slow
		[ "$how" = --rm ] || "$NETCTL" rm slow >/dev/null
		nothing_left
	done
done
fails test -e "$ROOTFS/tmp/mark"

note 'one that comes when it has begun does not change what run -d exits with'
mkfifo told
exec 8<>told
fails dd if=/dev/zero of=told bs=4096 oflag=nonblock # full: the id has to wait
"$NETCTL" run -d --name late "$ROOTFS" sleep 300 >told 8<&- &
client=$!
wait_until 10 grep -q pipe "/proc/$client/wchan"
kill -TERM "$client"
cat <&8 >said &
reader=$!
rc=0
wait "$client" || rc=$?
wait_until 5 eval '[ "$(tr -d "\\0" <said | wc -c)" = 65 ]' # an id and the end of its line
kill "$reader"
exec 8<&-
same "$rc" 0
is late running || fail "late is $(state late)"
"$NETCTL" rm -f late >/dev/null
nothing_left

note 'a second one waits for nothing'
BERTH_FP=life.created:sleep=8000 "$NETCTL" run --rm --name slow "$ROOTFS" true >said 2>&1 &
client=$!
wait_until 10 made
kill -TERM "$client"
wait_until 5 eval '[ -n "$(find /var/lib/berth/netctl/containers -name stop)" ]'
kill -TERM "$client"
rc=0
wait "$client" || rc=$?
same "$rc" 143 "$(cat said)"
contains "$("$NETCTL" ps -a)" slow 'its monitor is at work still'
wait_until 15 eval '! "$NETCTL" ps -a | grep -q slow'
nothing_left

note 'what the caller ignores (here INT, as nohup HUP) ends nothing'
BERTH_FP=life.created:sleep=2000 "$NETCTL" run --name slow "$ROOTFS" true >said 2>&1 &
client=$!
wait_until 10 made
kill -INT "$client"
rc=0
wait "$client" || rc=$?
same "$rc" 0 "$(cat said)"
"$NETCTL" rm slow >/dev/null

note 'a container that has exited is not locked by who looks'
run --name still "$ROOTFS" true
strace -y -o locks -e trace=flock "$NETCTL" ps -a >/dev/null
lacks "$(cat locks)" "$(field still ID)"
"$NETCTL" rm still >/dev/null

note 'a monitor that is asked to end ends its container'
run -d --name tt --restart always "$ROOTFS" sh -c 'trap "exit 8" TERM; echo up; while :; do sleep 0.1; done' \
	>/dev/null
wait_until 10 eval '"$NETCTL" logs tt | grep -q up'
kill "$(monitor_of tt)"
wait_until 10 is tt exited
same "$(field tt ExitCode)" 8
"$NETCTL" rm tt >/dev/null
nothing_left

note 'a terminal'
same "$(timeout 30 "$NETCTL" run --rm -t "$ROOTFS" sh -c 'tty; test -t 0 && test -t 1 && echo yes' </dev/null |
	tr -d '\r')" '/dev/pts/0
yes'
fails_with 'is no terminal' run --rm -it "$ROOTFS" sh
same "$(script -qec "$NETCTL run --rm -it $ROOTFS sh -c 'read -r x; echo got \$x; stty size'" /dev/null \
	<<<'line' | tr -d '\r' | grep got)" 'got line'
nothing_left

note 'a client that does not read holds up nobody'
mkfifo slow
"$NETCTL" run --name xx "$ROOTFS" head -c 3000000 /dev/zero >slow &
client=$!
exec 7<slow
wait_until 10 "$NETCTL" logs xx >/dev/null
timeout 20 "$NETCTL" rm -f xx
exec 7<&-
wait $client || :
nothing_left

note 'groups: of the user alone'
run -d --name xx "$ROOTFS" sleep 300 >/dev/null
same "$("$NETCTL" exec xx id -G)" '0 10'
same "$("$NETCTL" exec -u web xx id -G)" '81 90' 'not those of the container'
"$NETCTL" rm -f xx >/dev/null

note 'a hole of a terabyte in passwd'
cp "$ROOTFS/etc/passwd" passwd.kept
truncate -s 1T "$ROOTFS/etc/passwd"
same "$(ulimit -v 4000000; run --rm -u root "$ROOTFS" id -u)" 0
(ulimit -v 4000000; fails_with 'there is no user' "$NETCTL" run --rm -u late "$ROOTFS" true)
cp passwd.kept "$ROOTFS/etc/passwd"

note 'exec'
run -d --name xx -e A=1 "$ROOTFS" sleep 300 >/dev/null
same "$("$NETCTL" exec xx sh -c 'echo $A')" 1
same "$("$NETCTL" exec -e B=2 -w /tmp -u web xx sh -c 'echo $A$B; pwd; id -u; id -G')" '12
/tmp
80
81 90'
same "$(echo in | "$NETCTL" exec -i xx cat)" in
same "$(echo in | "$NETCTL" exec xx cat)" ''
# nothing of the host's is given away: a file stays root's, a terminal is not the container's
"$NETCTL" exec -u web xx sh -c 'echo x; echo y >&2' >host-file 2>host-err
same "$(stat -c %u host-file host-err | sort -u) $(cat host-file host-err)" '0 x
y'
same "$(script -qec "$NETCTL exec xx sh -c '[ -t 1 ] || [ -t 2 ] || echo none'" /dev/null </dev/null | tr -d '\r')" none
same "$(yes | timeout 20 "$NETCTL" exec -i xx head -1)" y 'who reads no further'
same "$(yes | timeout 20 "$NETCTL" run --rm -i "$ROOTFS" head -1)" y 'run: who reads no further'
rc=0
"$NETCTL" exec xx sh -c 'exit 5' || rc=$?
same "$rc" 5
rc=0
"$NETCTL" exec xx no-such 2>said || rc=$?
same "$rc" 127 "exec of no program ($(cat said))"
contains "$(cat said)" 'executable file not found'
rc=0
"$NETCTL" exec xx /etc/passwd 2>said || rc=$?
same "$rc" 126 "exec of what is none ($(cat said))"
same "$(script -qec "$NETCTL exec -it xx sh -c 'read -r x; echo got \$x; tty'" /dev/null \
	<<<'line' | tr -d '\r' | grep -e got -e pts)" 'got line
/dev/pts/0'
"$NETCTL" exec xx sh -c 'trap "exit 6" TERM; echo up; while :; do sleep 0.1; done' >said </dev/null &
client=$!
wait_until 10 grep -q up said
kill "$client"
rc=0
wait "$client" || rc=$?
same "$rc" 6 'exit status of exec after TERM'
"$NETCTL" exec -d xx sh -c 'echo there >/tmp/mark'
wait_until 5 [ -s "$ROOTFS/tmp/mark" ]
"$NETCTL" rm -f xx >/dev/null
fails_with 'no container "xx"' "$NETCTL" exec xx true

note 'restart policies'
run -d --name r1 --restart on-failure:2 "$ROOTFS" sh -c 'echo run; exit 1' >/dev/null
wait_until 20 is r1 exited
same "$(field r1 RestartCount)" 2
same "$("$NETCTL" logs r1)" 'run
run
run'
run -d --name r2 --restart on-failure "$ROOTFS" true >/dev/null
wait_until 20 is r2 exited
same "$(field r2 RestartCount)" 0
run -d --name r3 --restart always "$ROOTFS" sh -c 'sleep 0.1' >/dev/null
again() {
	[ "$(field r3 RestartCount)" -ge 3 ]
}
wait_until 20 again
"$NETCTL" stop r3 >/dev/null
same "$(state r3)" exited
run -d --name r4 --restart always "$ROOTFS" sleep 300 >/dev/null
kill -9 "$(field r4 Pid)"
wait_until 10 eval '[ "$(field r4 RestartCount)" = 1 ] && is r4 running'
"$NETCTL" kill r4 >/dev/null
wait_until 10 is r4 exited
fails_with 'contradict' run --rm --restart always "$ROOTFS" true
"$NETCTL" rm r1 r2 r3 r4 >/dev/null
nothing_left
