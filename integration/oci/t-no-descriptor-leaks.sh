#!/bin/bash
# in turn
# time: 300
# No descriptor of the runtime's or its caller's gets into a container (CVE-2024-21626).
# shellcheck disable=SC2016 # scripts of the container
. "${0%/*}/../lib/lib.sh"
. "$IT/oci/lib.sh"
need root busybox jq

bundle
kept='echo $(ls -l /proc/self/fd | grep -c passwd) "$LISTEN_FDS" "$LISTEN_PID"'
# keeps [OPTION...] - run: is /etc/passwd still open, and what is said of it.
keeps() {
	sh_config "$kept"
	oci run "$@" --bundle "$BUNDLE" keeps </dev/null
}
# as systemd would start us
activated() {
	sh_config "$kept"
	timeout 60 sh -c 'LISTEN_FDS=1 LISTEN_PID=$$ exec "$@"' sh "$BIN/berth-oci" --root "$OCI_ROOT" \
		run --bundle "$BUNDLE" activated </dev/null
}

note 'descriptors: 1,000 leaked ones and a directory of the host'
exec 9</
fds=$(for ((i = 10; i < 1000; i++)); do eval "exec $i</dev/null"; done
	runs 'ls /proc/self/fd | wc -l')
same "$fds" 4 '0 to 2, and that of ls'
exec 9<&-
fails_with 'to be kept and is not open' oci run --preserve-fds 5 --bundle "$BUNDLE" fds
fails_with 'to be kept and is not open' oci --log "$DIR/log" run --preserve-fds 1 --bundle "$BUNDLE" fds
same "$(keeps --preserve-fds 1 3</etc/passwd)" '1  ' 'a descriptor that is kept'

note 'socket activation'
# shellcheck disable=SC2094 # only read
same "$(activated 3</etc/passwd)" '1 1 1' 'descriptors that are meant for us'
fails_with 'descriptor 3 is to be kept and is not open' activated
export LISTEN_FDS=1 LISTEN_PID=1
same "$(keeps 3</etc/passwd)" '0  ' 'those of another process'
same "$(keeps)" '0  ' 'those of another process, which are not open'
unset LISTEN_PID
same "$(keeps 3</etc/passwd)" '0  ' 'those of nobody'
unset LISTEN_FDS

note 'standard streams that are closed'
mkdir "$DIR/vol"
sh_config 'x=$(for i in 0 1 2; do stat -L -c %t:%T /proc/$$/fd/$i; done); echo $x >/vol/out' \
	".mounts += [{destination: \"/vol\", source: \"$DIR/vol\", options: [\"bind\"]}] |
	.hooks.createRuntime = [{path: \"/bin/sh\", args: [\"sh\", \"-c\",
		\"x=\$(stat -L -c %t:%T /proc/\$\$/fd/1 /proc/\$\$/fd/2); echo \$x >$DIR/hook\"]}]"
oci run --bundle "$BUNDLE" closed <&- >&- 2>&-
same "$(cat "$DIR/vol/out")" '1:3 1:3 1:3' 'streams of the process'
same "$(cat "$DIR/hook")" '1:3 1:3' 'streams of a hook'

note 'CVE-2024-21626: a working directory by descriptor'
for fd in 3 4 5 6 7 8 9 10; do
	refused 'process.cwd' ".process.cwd = \"/proc/self/fd/$fd\""
done

note 'a program by descriptor: the kernel opens it before it closes what is close-on-exec'
host=../../../../../../../../usr/bin/busybox
fds='3 4 5 6 7 8 9 10'
for fd in $fds; do
	printf '#!/proc/self/fd/%d/%s sh\necho host\n' "$fd" "$host" >"$BUNDLE/rootfs/bin/evil$fd"
	chmod 755 "$BUNDLE/rootfs/bin/evil$fd"
done
exec 9</
for fd in $fds; do
	config ".linux.resources.pids.limit = 20 |
		.process.args = [\"/proc/self/fd/$fd/$host\", \"echo\", \"host\"]"
	fails_with 'exec: "/proc/self/fd/' oci run --bundle "$BUNDLE" "prog$fd" </dev/null
done
config '.process.args = ["evil9"]'
same "$(oci run --bundle "$BUNDLE" evil </dev/null 2>&1 | grep -x host || :)" '' 'the interpreter of a script'
config '.process.args = ["sleep", "300"]'
oci run --detach --bundle "$BUNDLE" there </dev/null >/dev/null 2>&1
for fd in $fds; do
	fails_with 'exec: "/proc/self/fd/' oci exec there "/proc/self/fd/$fd/$host" true
	same "$(oci exec there "evil$fd" 2>&1 | grep -x host || :)" '' "exec: the interpreter of a script, $fd"
done
exec 9<&-
oci delete --force there
