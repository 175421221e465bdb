#!/bin/bash
# in turn
# time: 180
# Mounts as runc makes them: on links of an image that lead nowhere, and within a read-only tmpfs.
# shellcheck disable=SC2016 # scripts of the container
. "${0%/*}/../lib/lib.sh"
. "$IT/oci/lib.sh"
need root busybox jq

bundle
root=$BUNDLE/rootfs
echo ours >"$DIR/file"
mkdir "$DIR/dir"
echo ours >"$DIR/dir/file"
binds() { # SOURCE DESTINATION - a mount, as JSON
	jq -nc --arg s "$1" --arg d "$2" '{type: "bind", source: $s, destination: $d, options: ["rbind", "ro"]}'
}

note 'a destination that is a link to nowhere'
mkdir -p "$root/var"
ln -s ../run/resolve/stub.conf "$root/etc/resolv.conf"
ln -s /etc/one "$root/etc/hosts"
ln -s two "$root/etc/one"
ln -s ../run "$root/var/run"
ln -s /made/here "$root/link"
ln -s "../../../../../../../..$DIR/outside" "$root/up"
same "$(runs 'cat /etc/resolv.conf /run/resolve/stub.conf /etc/hosts /etc/two /var/run/x/file /made/here/y/file /up/file | sort | uniq -c' \
	".mounts += [$(binds "$DIR/file" /etc/resolv.conf), $(binds "$DIR/file" /etc/hosts),
		$(binds "$DIR/dir" /var/run/x), $(binds "$DIR/dir" /link/y), $(binds "$DIR/dir" /up)]" | xargs)" '7 ours'
[ ! -e "$DIR/outside" ] || fail 'made outside'
[ -d "$root$DIR/outside" ] || fail 'not made in the root'
ln -s loop2 "$root/loop1"
ln -s loop1 "$root/loop2"
refused 'Too many levels of symbolic links' ".mounts += [$(binds "$DIR/file" /loop1)]"
refused 'Too many levels of symbolic links' ".mounts += [$(binds "$DIR/dir" /loop1/x)]"

note 'a read-only tmpfs takes devices and mount points first'
dev='.mounts |= map(if .destination == "/dev" then .options += ["ro"] else . end)'
same "$(runs 'ls /dev/null /dev/fd/0 >/dev/null; touch /dev/new; grep -c " /dev tmpfs ro," /proc/mounts' "$dev" 2>"$DIR/said")" 1
contains "$(cat "$DIR/said")" 'Read-only file system' 'touch /dev/new'
for ro in ro rro; do
	same "$(runs 'cat /t/x/file; touch /t/new || echo no; touch /t/rw/new && echo yes' \
		".mounts += [{type: \"tmpfs\", source: \"t\", destination: \"/t\", options: [\"$ro\"]},
			$(binds "$DIR/dir" /t/x), {type: \"tmpfs\", source: \"t\", destination: \"/t/rw\"}]" \
		2>/dev/null | tr '\n' ' ')" 'ours no yes ' "$ro"
done
