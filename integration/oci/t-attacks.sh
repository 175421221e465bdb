#!/bin/bash
# in turn
# time: 300
# Known ways out of a runtime (CVE-2016-9962 to CVE-2025-52881) and hostile bundles stay inside, or are refused.
. "${0%/*}/../lib/lib.sh"
. "$IT/oci/lib.sh"
need root busybox jq python3

bundle
root=$BUNDLE/rootfs

note 'descriptors: 1,000 leaked ones and a directory of the host'
exec 9</
fds=$(for ((i = 10; i < 1000; i++)); do eval "exec $i</dev/null"; done
	runs 'ls /proc/self/fd | wc -l')
same "$fds" 4 '0 to 2, and that of ls'
sh_config 'sleep 100'
oci run -d --bundle "$BUNDLE" leak </dev/null >/dev/null 2>&1
same "$(oci exec leak sh -c 'ls /proc/self/fd | wc -l' </dev/null)" 4 'of exec'
oci delete --force leak
exec 9<&-
fails_with 'to be kept and is not open' oci run --preserve-fds 5 --bundle "$BUNDLE" fds

note 'CVE-2024-21626: a working directory by descriptor'
for fd in 3 4 5 6 7 8 9 10; do
	refused 'process.cwd' ".process.cwd = \"/proc/self/fd/$fd\""
done

note 'CVE-2019-5736: the program written to from inside'
sum=$(sha256sum <"$BIN/berth-oci")
sh_config 'sleep 100'
oci create --bundle "$BUNDLE" self </dev/null >/dev/null 2>&1
pid=$(oci state self | jq .pid)
contains "$(readlink "/proc/$pid/exe")" memfd:berth-oci 'what a created process runs'
same "$(python3 -c 'import fcntl, sys; print(fcntl.fcntl(open(sys.argv[1]), 1034))' "/proc/$pid/exe")" \
	15 'its seals: none may write, grow, shrink or seal it'
oci delete --force self
printf '#!/proc/self/exe\n' >"$root/bin/evil"
chmod 755 "$root/bin/evil"
config '.process.args = ["evil"]'
fails oci run --bundle "$BUNDLE" evil
same "$(sha256sum <"$BIN/berth-oci")" "$sum"

note 'CVE-2019-19921: /proc that is a link'
mv "$root/proc" "$root/proc2"
ln -s proc2 "$root/proc"
refused 'not through a link' .
rm "$root/proc"
mv "$root/proc2" "$root/proc"

note 'CVE-2021-30465, CVE-2024-45310: destinations by links out of the root'
mkdir -p "$DIR/victim"
ln -s / "$root/up"
ln -s "../../../../../../../..$DIR/victim" "$root/out"
tmpfs='{type: "tmpfs", source: "t"}'
same "$(runs 'grep -c " /t/new " /proc/mounts' ".mounts += [$tmpfs + {destination: \"/up/../../t/new\"}]")" 1
# what it leads to is in the container, or nowhere
runs true ".mounts += [$tmpfs + {destination: \"/out/new\"}]" || :
same "$(ls "$DIR/victim")" '' 'made outside'
fails grep "$DIR/victim" /proc/self/mountinfo

note 'CVE-2023-27561, CVE-2025-52881: sysctls are written to procfs only'
refused 'over part of procfs' '.mounts += [{destination: "/proc/sys/net", type: "tmpfs"}] |
	.linux.sysctl = {"net.ipv4.ip_forward": "1"}'

note 'CVE-2025-31133: /dev/null of the image is a link'
mkdir "$DIR/dev"
ln -s /etc/passwd "$DIR/dev/null"
same "$(runs 'cat /proc/timer_list | wc -c' "del(.mounts[] | select(.destination | startswith(\"/dev\"))) |
	.mounts += [{destination: \"/dev\", source: \"$DIR/dev\", options: [\"bind\"]}]")" 0 'masked all the same'

note 'CVE-2025-52565: /dev/console of the image is a link'
ln -s /proc/sysrq-trigger "$DIR/dev/console"
mkdir "$DIR/dev/pts"
jq ".process.terminal = true | .process.args = [\"true\"] |
	.mounts |= map(select(.destination != \"/dev\")) |
	.mounts = [{destination: \"/dev\", source: \"$DIR/dev\", options: [\"bind\"]}] + .mounts |
	.mounts |= map(select(.destination | test(\"shm|mqueue\") | not))" "$DIR/config.base" >"$BUNDLE/config.json"
fails_with '/dev/console: not a file' oci run --bundle "$BUNDLE" console

note 'a pid that is somebody else'\''s by now'
sh_config 'sleep 100'
oci run -d --bundle "$BUNDLE" old </dev/null >/dev/null 2>&1
jq -c ".pid = $$" "$OCI_ROOT/old/state.json" >"$DIR/state"
pid=$(jq .pid "$OCI_ROOT/old/state.json")
cp "$DIR/state" "$OCI_ROOT/old/state.json"
same "$(oci state old | jq -r .status)" stopped
fails_with 'not running' oci kill old KILL
oci delete old
wait_until 5 gone "$pid"

note 'config.json: too large, no JSON, endless'
head -c 20000000 /dev/zero | tr '\0' ' ' >"$BUNDLE/config.json"
fails_with 'larger than' oci run --bundle "$BUNDLE" big
ln -sf /dev/zero "$BUNDLE/config.json"
fails_with 'config.json: ' oci run --bundle "$BUNDLE" endless
rm "$BUNDLE/config.json"
echo '{' >"$BUNDLE/config.json"
fails oci run --bundle "$BUNDLE" bad
fails_with 'container id' oci run --bundle "$BUNDLE" ../x
