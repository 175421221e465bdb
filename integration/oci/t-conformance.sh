#!/bin/bash
# in turn
# time: 400
# A container is what its config.json says, by the topics of the runtime spec.
# shellcheck disable=SC2016,SC2028 # scripts of the container
. "${0%/*}/../lib/lib.sh"
. "$IT/oci/lib.sh"
need root busybox jq setpriv

bundle
N=0
WRONG=()
# check WHAT SCRIPT WANT [JQ-FILTER]
check() {
	N=$((N + 1))
	local got
	got=$(runs "$2" "${4:-.}" 2>&1 || echo "status $?")
	[ "$got" = "$3" ] || WRONG+=("$1: got '$got', want '$3'")
}
# refuse WHAT TEXT JQ-FILTER
refuse() {
	refused "$2" "$3"
	N=$((N + 1))
}

# process
check 'exit status' 'exit 7' 'status 7'
check 'death by a signal' 'kill -9 $$; echo alive' 'alive'
check 'arguments' 'echo "$0"' 'sh'
check 'environment' 'echo $A' 'b' '.process.env += ["A=b"]'
check 'home by passwd' 'echo $HOME' '/root'
check 'home that is given' 'echo $HOME' '/x' '.process.env += ["HOME=/x"]'
check 'working directory' 'pwd' '/tmp' '.process.cwd = "/tmp"'
check 'working directory made' 'pwd' '/a/b' '.process.cwd = "/a/b"'
check 'user' 'id -u; id -g' $'5\n6' '.process.user = {uid: 5, gid: 6}'
check 'devices in a /dev that is unbindable' '[ -c /dev/null ] && echo yes' yes \
	'(.mounts[] | select(.destination == "/dev").options) += ["unbindable"]'
check 'opening what a user writes to' 'echo a >/dev/stdout; echo b >/dev/stderr' $'a\nb' \
	'.process.user = {uid: 5, gid: 6}'
check 'groups' 'id -G' '6 7 8' '.process.user = {uid: 5, gid: 6, additionalGids: [7, 8]}'
check 'umask' 'umask' '0077' '.process.user.umask = 63'
check 'umask left out' 'umask' '0022'
check 'soft limit' 'ulimit -Sn' '123' '.process.rlimits = [{type: "RLIMIT_NOFILE", soft: 123, hard: 456}]'
check 'hard limit' 'ulimit -Hn' '456' '.process.rlimits = [{type: "RLIMIT_NOFILE", soft: 123, hard: 456}]'
check 'no limit' 'ulimit -c' 'unlimited' '.process.rlimits = [{type: "RLIMIT_CORE", soft: 18446744073709551615, hard: 18446744073709551615}]'
check 'oom score' 'cat /proc/self/oom_score_adj' '100' '.process.oomScoreAdj = 100'
check 'no new privileges' 'grep NoNewPrivs /proc/self/status' $'NoNewPrivs:\t1'
check 'new privileges' 'grep NoNewPrivs /proc/self/status' $'NoNewPrivs:\t0' '.process.noNewPrivileges = false'
check 'session' 'cut -d" " -f6 /proc/1/stat' '1'

# capabilities
caps='grep ^Cap /proc/self/status | cut -f2 | tr "\n" " "'
check 'bounding, effective, permitted' "$caps" \
	'0000000000000000 0000000020000420 0000000020000420 0000000020000420 0000000000000000 '
check 'none given' "$caps" \
	'0000000000000000 0000000000000000 0000000000000000 0000000000000000 0000000000000000 ' \
	'del(.process.capabilities)'
check 'ambient of a user' "$caps" \
	'0000000000002000 0000000000002000 0000000000002000 0000000000002000 0000000000002000 ' \
	'.process.user.uid = 5 | .process.capabilities = (["bounding", "effective", "permitted",
	"inheritable", "ambient"] | map({(.): ["CAP_NET_RAW"]}) | add)'
check 'unknown is left out' "$caps" \
	'0000000000000000 0000000000000001 0000000000000001 0000000000000001 0000000000000000 ' \
	'.process.capabilities = (["bounding", "effective", "permitted"] |
	map({(.): ["CAP_CHOWN", "CAP_NO_SUCH"]}) | add)'
# 'runc spec' of before 1.2 gives ambient ones that are not inheritable: not raised
check 'ambient, not inheritable' "$caps" \
	'0000000000000000 0000000000000020 0000000000000020 0000000000000020 0000000000000000 ' \
	'.process.capabilities = (["bounding", "effective", "permitted", "ambient"] |
	map({(.): ["CAP_KILL"]}) | add)'
# what the host withholds
sh_config "$caps" '.process.capabilities = (["bounding", "effective", "permitted", "inheritable"] |
	map({(.): ["CAP_CHOWN", "CAP_SYS_TIME"]}) | add)'
same "$(timeout 60 setpriv --bounding-set=-sys_time "$BIN/berth-oci" --root "$OCI_ROOT" --log "$DIR/log" \
	run --bundle "$BUNDLE" withheld </dev/null)" \
	'0000000000000001 0000000000000001 0000000000000001 0000000000000001 0000000000000000 '
contains "$(cat "$DIR/log")" 'process.capabilities: CAP_SYS_TIME: berth-oci does not hold it itself: left out'
N=$((N + 1))

# namespaces
check 'host name' 'hostname' 'h1' '.hostname = "h1"'
refuse 'host name by a sysctl' 'kernel.hostname: is said by "hostname"' \
	'.linux.sysctl = {"kernel.hostname": "h2"}'
check 'domain name' 'cat /proc/sys/kernel/domainname' 'd1' '.domainname = "d1"'
check 'pid namespace' 'echo $$' '1'
check 'network namespace' 'ls /sys/class/net' 'lo'
check 'cgroup namespace' 'cut -d: -f3 /proc/self/cgroup | sort -u' '/'
new_ns ocins
ns ocins ip link add br7 type bridge
check 'network namespace joined' 'ls /sys/class/net' $'br7\nlo' \
	'(.linux.namespaces[] | select(.type == "network")).path = "/run/netns/ocins"'
maps='.linux.namespaces += [{type: "user"}] |
	.linux.uidMappings = [{containerID: 0, hostID: 100000, size: 65536}] |
	.linux.gidMappings = .linux.uidMappings'
chown 100000:100000 "$BUNDLE/rootfs"
check 'user namespace' 'id -u; cat /proc/self/uid_map | tr -s " "' $'0\n 0 100000 65536' "$maps"
check 'devices in a user namespace' 'echo x >/dev/null && echo ok' ok "$maps"
chown 0:0 "$BUNDLE/rootfs"
refuse 'a namespace that is not there' 'No such file' \
	'(.linux.namespaces[] | select(.type == "network")).path = "/run/netns/none"'

# mounts
add() {
	echo ".mounts += [$1]"
}
mkdir "$DIR/vol"
echo data >"$DIR/vol/file"
bind="{destination: \"/vol\", source: \"$DIR/vol\", type: \"bind\", options: [\"rbind\""
check 'bind' 'cat /vol/file' data "$(add "$bind]}")"
check 'bind read-only' 'echo x >/vol/new' 'sh: can'\''t create /vol/new: Read-only file system
status 1' "$(add "$bind, \"ro\"]}")"
mount -t tmpfs sub "$(mkdir "$DIR/vol/sub" && echo "$DIR/vol/sub")"
check 'read-only, not what is below' 'echo x >/vol/sub/new && echo ok' ok "$(add "$bind, \"ro\"]}")"
check 'recursive read-only' 'echo x >/vol/sub/n2' 'sh: can'\''t create /vol/sub/n2: Read-only file system
status 1' "$(add "$bind, \"rro\"]}")"
umount "$DIR/vol/sub"
check 'bind of a file' 'cat /etc/one' data \
	"$(add "{destination: \"/etc/one\", source: \"$DIR/vol/file\", options: [\"bind\"]}")"
check 'bind with noexec' '/vol/sh -c true; echo $?' $'sh: /vol/sh: not found\n127' "$(add "$bind, \"noexec\"]}")"
check 'tmpfs with size' 'df -k /t | tail -1 | tr -s " " | cut -d" " -f2' 1024 \
	"$(add '{destination: "/t", type: "tmpfs", source: "t", options: ["size=1m", "mode=700"]}')"
check 'tmpfs with mode' 'stat -c %a /t' 700 \
	"$(add '{destination: "/t", type: "tmpfs", source: "t", options: ["size=1m", "mode=700"]}')"
check 'flags' 'grep " /t " /proc/mounts | cut -d" " -f4 | cut -d, -f1-4' ro,nosuid,nodev,noexec \
	"$(add '{destination: "/t", type: "tmpfs", source: "t", options: ["ro", "nosuid", "nodev", "noexec"]}')"
check 'order' 'cat /t/file' data \
	"$(add '{destination: "/t", type: "tmpfs", source: "t"}') | $(add \
		"{destination: \"/t/file\", source: \"$DIR/vol/file\", options: [\"bind\"]}")"
check 'root read-only' 'touch /new' 'touch: /new: Read-only file system
status 1'
check 'root writable' 'touch /new && echo ok' ok '.root.readonly = false'
check 'shared propagation' 'grep -c " /vol .* shared:" /proc/self/mountinfo' 1 "$(add "$bind, \"rshared\"]}")"
check 'slave by default' 'grep -c "shared:" /proc/self/mountinfo' $'0\nstatus 1'
check 'cgroup read-only' 'mkdir /sys/fs/cgroup/pids/x 2>/dev/null || mkdir /sys/fs/cgroup/x 2>/dev/null || echo no' no
refuse 'an unknown option' 'no_such' "$(add '{destination: "/t", type: "tmpfs", options: ["no_such=1"]}')"
refuse 'a source that is not there' 'No such file' "$(add '{destination: "/t", source: "/none", options: ["bind"]}')"
refuse 'a mount over the root' 'would cover the root' "$(add '{destination: "/", type: "tmpfs"}')"
refuse 'a mount over procfs' 'procfs' "$(add '{destination: "/proc/sys", type: "tmpfs"}')"
refuse 'another at /proc' 'procfs' "$(add '{destination: "/proc", type: "tmpfs"}')"

# devices
check 'default devices' 'ls /dev | tr "\n" " "' \
	'fd full mqueue null ptmx pts random shm stderr stdin stdout tty urandom zero '
check 'a device' 'stat -c "%F %t:%T %a %u" /dev/d7' 'character special file 1:7 600 5' \
	'.linux.devices = [{type: "c", path: "/dev/d7", major: 1, minor: 7, fileMode: 384, uid: 5}]'
check 'a fifo' 'stat -c %F /dev/p' 'fifo' '.linux.devices = [{type: "p", path: "/dev/p"}]'
refuse 'a device type' 'not c, b, u or p' '.linux.devices = [{type: "x", path: "/dev/x"}]'

# masked, read-only, sysctl
check 'masked file' 'cat /proc/timer_list | wc -c' 0
check 'masked directory' 'ls /sys/firmware | wc -l' 0
check 'read-only path' '(echo 1 >/proc/sys/kernel/panic) 2>/dev/null || echo no' no
check 'sysctl' 'cat /proc/sys/net/ipv4/ip_forward' 1 '.linux.sysctl = {"net.ipv4.ip_forward": "1"}'
check 'sysctl with slashes' 'cat /proc/sys/net/ipv4/conf/lo/forwarding' 1 \
	'.linux.sysctl = {"net/ipv4/conf/lo/forwarding": "1"}'
refuse 'a sysctl of the host' 'not of any namespace' '.linux.sysctl = {"kernel.panic": "1"}'
refuse 'a sysctl by ".."' 'no name of a sysctl' '.linux.sysctl = {"net/../kernel/panic": "1"}'

# resources
check 'pids limit' 'cat /sys/fs/cgroup/pids/pids.max 2>/dev/null || cat /sys/fs/cgroup/pids.max' 20 \
	'.linux.resources.pids.limit = 20'
check 'device that is denied' 'cat /dev/mem 2>&1 | head -1' "cat: can't open '/dev/mem': Operation not permitted" \
	'.linux.devices = [{type: "c", path: "/dev/mem", major: 1, minor: 1}]'

# hooks: in order, each with the state on stdin
log=$DIR/hooks
hook() {
	echo "[{path: \"/bin/sh\", args: [\"sh\", \"-c\", \"(printf '$1 '; ${2:-cat}) | tr -d '\\\\n' >>$log; echo >>$log\"]}]"
}
check 'hooks run' true '' ".hooks = {prestart: $(hook prestart), createRuntime: $(hook createRuntime),
	poststart: $(hook poststart), poststop: $(hook poststop)}"
same "$(cut -d' ' -f1 "$log" | tr '\n' ' ')" 'prestart createRuntime poststart poststop ' 'order of hooks'
same "$(sed -n 's/^poststop //p' "$log" | jq -r .status)" stopped 'state that poststop gets'
same "$(sed -n 's/^createRuntime //p' "$log" | jq -r '.status, (.pid > 1)' | tr '\n' ' ')" 'creating true ' \
	'state that createRuntime gets'
export FOR_HOOKS=yes
check 'a hook without an environment has that of the runtime' true '' \
	'.hooks.prestart = [{path: "/bin/sh", args: ["sh", "-c", "test \"$FOR_HOOKS\" = yes"]}]'
check 'a hook has its own environment alone' true '' \
	'.hooks.prestart = [{path: "/bin/sh", args: ["sh", "-c", "test -z \"$FOR_HOOKS\""], env: ["A=b"]}]'
refuse 'a hook that fails' 'exit status 3' '.hooks.prestart = [{path: "/bin/sh", args: ["sh", "-c", "exit 3"]}]'
# those of the container: the first still sees the host's files, the other the container's
check 'createContainer hook' true '' ".hostname = \"h1\" |
	.hooks.createContainer = $(hook createContainer 'hostname; cat')"
same "$(sed -n 's/^createContainer h1//p' "$log" | jq -r '.status, (.pid > 1)' | tr '\n' ' ')" 'creating true ' \
	'state that createContainer gets, in the namespaces of the container'
start() {
	jq -nc --arg s "$1" '.startContainer = [{path: "/bin/sh", args: ["sh", "-c", $s]}]'
}
check 'startContainer hook' 'echo program' $'hook h1 created\nprogram' ".hostname = \"h1\" |
	.hooks = $(start 'echo "hook $(hostname) $(sed "s/.*status\":\"\([a-z]*\).*/\1/")"')"
check 'startContainer hook that fails' 'echo program' $'berth-oci: hook /bin/sh: exit status 3\nstatus 126' \
	".hooks = $(start 'exit 3')"
refuse 'a createContainer hook that fails' 'exit status 3' \
	'.hooks.createContainer = [{path: "/bin/sh", args: ["sh", "-c", "exit 3"]}]'
refuse 'a hook that hangs' 'not done after 1 s' \
	'.hooks.createRuntime = [{path: "/bin/sleep", args: ["sleep", "100"], timeout: 1}]'

# what berth-oci doesn't do
refuse 'apparmor' 'apparmorProfile: not supported' '.process.apparmorProfile = "x"'
refuse 'a program that is not there' 'executable file not found in $PATH' '.process.args = ["none"]'
refuse 'a wrong type' 'process.args: not an array' '.process.args = "sh"'

note "$N cases"
[ ${#WRONG[@]} = 0 ] || fail "${#WRONG[@]} cases: $(printf '%s\n' "${WRONG[@]}")"
[ "$N" -ge 60 ] || fail "only $N cases"
