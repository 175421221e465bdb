#!/bin/bash
# in turn
# time: 300
# netctl run's volumes, named by somebody, by nobody, or an image's: what is in them at first
# is what docker run puts there, and they go when Docker's go.
. "${0%/*}/lib.sh"
. "${0%/*}/box.sh"
need docker jq root strace chattr

rootfs
start_dockerd
start_daemon berth-named
docker run --name made --network none bb:1 sh -c '
	mkdir -p /data/sub/deep /data/empty
	echo one >/data/one; ln /data/one /data/sub/one; ln -s ../one /data/sub/link; ln -s /etc/passwd /data/out
	cp /bin/busybox /data/su; chown 80:81 /data/su; chmod 4755 /data/su; mkfifo -m 640 /data/fifo
	chown -R 80:81 /data/sub; chmod 1777 /data/sub/deep; touch -d "2001-02-03 04:05:06" /data/one /data/empty
	chown 7:8 /data; chmod 2750 /data; echo x >/file' >/dev/null
docker commit --change 'VOLUME ["/data", "/none/yet"]' --change 'CMD ["true"]' made img:1 >/dev/null
docker rm -v made >/dev/null
docker save -o img.tar img:1

volumes() {
	api Berth.Volumes '{}' berth-named | jq -r '.Volumes[] | "\(.Name) \(.Users)"'
}
# in_data FLAG... - what a container of img:1 sees in /data.
show='find /data -exec stat -c "%n %a %u %g %h %F %s" {} + | sed "s/ directory .*/ directory/" | sort
	stat -c %Y /data/one /data/empty; readlink /data/sub/link; readlink /data/out; md5sum /data/su; ls -d /none/yet'
in_docker() {
	docker run --rm --network none "$@" img:1 sh -c "$show"
}
in_ours() {
	run --rm "$@" img.tar sh -c "$show"
}

note 'what is in a volume at first'
for how in '' '-v /data' '-v v1:/data' '-v v1:/data:ro' '--tmpfs /data' '-v v2:/data:nocopy' '-v /data -v v3:/data/sub' \
	'-v v3:/data/sub' '-v /none/more'; do
	# shellcheck disable=SC2086 # flags are words
	in_docker $how >want 2>&1 || echo "$?" >>want
	# shellcheck disable=SC2086
	in_ours $how >got 2>&1 || echo "$?" >>got
	# of a filled one the mode is Docker's, of an empty one the driver's
	case $how in *nocopy* | *tmpfs*) sed -i '/^\/data [0-9]/d' want got ;; esac
	same "$(diff <(sort want) <(sort got))" "" "$how"
done
same "$(volumes | sort)" 'v1 0
v2 0
v3 0' 'anonymous ones go with --rm'
contains "$(run --rm -v v2:/data -v v3:/data/sub img.tar ls -A /data)" su 'an empty one is filled'
run --rm -v v1:/data img.tar sh -c 'rm -r /data/* && echo mine >/data/mine'
same "$(run --rm -v v1:/data img.tar ls -A /data)" mine 'one that is in use is left as it is'
fails_with 'Not a directory' run --rm -v /file img.tar true
same "$(volumes | wc -l)" 3

docker volume rm v1 v2 v3 >/dev/null

note '--mount'
mkdir -p /run/host/in /run/other
echo host >/run/host/file
mount -t tmpfs in /run/host/in
echo inner >/run/host/in/file
for how in type=tmpfs,dst=/m,tmpfs-size=64k,tmpfs-mode=1750 type=tmpfs,dst=/m,ro \
	type=bind,src=/run/host,dst=/m type=bind,src=/run/host,dst=/m,bind-nonrecursive \
	type=bind,src=/run/other,dst=/m,ro,bind-propagation=rslave type=bind,src=/run/host/file,dst=/m \
	src=v5,dst=/data src=v6,dst=/data,volume-nocopy dst=/data 'type=volume,src=v5,"dst=/m,n"' src=v5,dst=/m,readonly; do
	see='grep -E " /(m|data)[^ ]* " /proc/mounts | grep -o " /[^ ]* [^ ]* r[ow],.*size=[^,]*\| /[^ ]* [^ ]* r[ow]" |
		sed "s/ ext4 / fs /; s/ overlay / fs /"
		for d in /m /data /m,n; do stat -c "%n %a %u %g %F" $d; find $d/ -type f; cat $d $d/file $d/in/file; done
		touch /m/new && rm /m/new'
	docker run --rm --network none --mount "$how" img:1 sh -c "$see" >want 2>&1 || echo "$?" >>want
	run --rm --mount "$how" img.tar sh -c "$see" >got 2>&1 || echo "$?" >>got
	case $how in *nocopy*) sed -i '/^\/data [0-9]/d' want got ;; esac
	same "$(diff <(sort want) <(sort got))" '' "$how"
done
umount /run/host/in
# what Docker refuses, ours does
for how in type=bind,dst=/m type=bind,src=/none/at/all,dst=/m src=v5,dst=/m,tmpfs-size=1 type=tmpfs,src=v5,dst=/m \
	dst=/m,readonly src=v5 src=v5,dst=/m,nonsense=1 type=other,dst=/m type=bind,src=rel,dst=/m; do
	fails docker run --rm --network none --mount "$how" img:1 true
	fails run --rm --mount "$how" img.tar true
done
docker volume rm v5 v6 >/dev/null
mount -t tmpfs in /run/host/in
same "$(run --rm --mount type=bind,src=/run/host,dst=/m,ro,bind-recursive=writable img.tar \
	sh -c 'touch /m/new 2>/dev/null || echo ro; touch /m/in/new && echo rw' | paste -sd' ')" 'ro rw'
umount /run/host/in

note 'what a container has stays, whether it runs, has exited or waits for its next start'
# containers VOLUME - of dockerd's and ours, how many refer to it.
containers() {
	"$NETCTL" volume df "${docker[@]}" --json | jq --arg n "$1" '.[] | select(.Name == $n).Containers'
}
docker=()
"$NETCTL" volume prune --all --force >/dev/null
run --name was -v db:/x "$ROOTFS" sh -c 'echo data >/x/data'
docker create --name theirs -v db:/x bb:1 true >/dev/null
same "$(containers db)" 2
same "$("$NETCTL" volume prune --all --force --json | jq -c .)" '[]'
docker rm theirs >/dev/null
same "$("$NETCTL" volume prune --all --force --json | jq -c .)" '[]'
fails_with 'container was (exited) refers to it' "$NETCTL" volume rm db
fails_with 'container was (exited) refers to it' "$NETCTL" volume rename db bd
stop_dockerd
fails_with 'docker none' "$NETCTL" volume prune --all --force
docker=(--docker none)
same "$(containers db)" 1
same "$("$NETCTL" volume prune --all --force --docker none --json | jq -c .)" '[]'
fails_with 'container was (exited) refers to it' "$NETCTL" volume rm db
run -d --name waits --restart always -v live:/x "$ROOTFS" sh -c 'echo . >>/x/starts' >/dev/null
wait_until 20 is waits restarting
same "$("$NETCTL" volume prune --all --force --docker none --json | jq -c .)" '[]'
# a record that can't be read may be of one that has it
broken=/var/lib/berth/netctl/containers/$(printf '%064d' 7)
"$NETCTL" rm -f was >/dev/null
mkdir "$broken"
echo '{' >"$broken/record"
same "$("$NETCTL" volume prune --all --force --docker none --json 2>said | jq -c .)" '[]'
contains "$(cat said)" "$broken"
fails_with "$broken" "$NETCTL" volume rm db
rm -r "$broken"
# one that takes it while the question is asked
mkfifo answer
"$NETCTL" volume prune --all --docker none <answer >out 2>said &
prune=$!
exec 7>answer
wait_until 10 grep -q 'Go on' said
run --name late -v db:/x "$ROOTFS" true
echo y >&7
exec 7>&-
fails wait "$prune"
contains "$(cat said)" 'container late (exited) refers to it'
same "$("$NETCTL" rm late)" late
same "$("$NETCTL" volume prune --all --force --docker none --json | jq -r '.[].Name')" db
# one that is gone is not made again, empty
wait_until 60 is waits restarting
gone_now() { api VolumeDriver.Remove '{"Name": "live"}' berth-named | jq -e '(.Err // "") == ""' >/dev/null; }
wait_until 20 gone_now
wait_until 60 eval 'field waits Error | grep -q "no such volume"'
same "$(volumes)" ''
"$NETCTL" rm -f waits >/dev/null
nothing_left

note 'a part of a volume'
run --rm -v v8:/x "$ROOTFS" sh -c 'mkdir -p /x/a/b; echo part >/x/a/b/file; ln -s a /x/in; ln -s ../../../../../../etc /x/out; ln -s /etc /x/abs'
for sub in a/b in/b a/../a/b; do
	same "$(run --rm --mount "src=v8,dst=/m,volume-subpath=$sub" "$ROOTFS" cat /m/file)" part "$sub"
done
same "$(run --rm --mount src=v8,dst=/part,volume-subpath=a/b/file "$ROOTFS" cat /part)" part 'a file'
fails_with 'leads out of the volume' run --rm --mount src=v8,dst=/m,volume-subpath=out "$ROOTFS" true
fails_with 'leads out of the volume' run --rm --mount src=v8,dst=/m,volume-subpath=abs "$ROOTFS" true
fails_with 'cannot access path' run --rm --mount src=v8,dst=/m,volume-subpath=none "$ROOTFS" true
fails_with 'relative path' run --rm --mount src=v8,dst=/m,volume-subpath=../x "$ROOTFS" true
same "$(volumes | grep v8)" 'v8 0'
for point in boxvol.submounted boxvol.subunmounted; do
	for how in kill err=EIO; do
		BERTH_FP_LOG=$DIR/passed BERTH_FP=$point:$how run -d --name kk --mount src=v8,dst=/m,volume-subpath=a "$ROOTFS" sleep 300 >/dev/null 2>&1 || :
		"$NETCTL" rm -f kk >/dev/null 2>&1 || :
		lacks "$(cat /proc/self/mountinfo)" /sub- "$point $how"
		nothing_left
		same "$(volumes | grep v8)" 'v8 0' "$point $how"
	done
	grep -qx "$point" "$DIR/passed" || fail "$point: never passed"
done
at=$("$NETCTL" volume inspect v8 --json | jq -r .Mountpoint)
(
	while [ ! -e enough ]; do
		mv -T "$at/a" "$at/was"
		ln -s ../../../../../../../../etc "$at/a"
		rm "$at/a"
		mv -T "$at/was" "$at/a"
	done
) &
swaps=$!
seen=0
for ((i = 0; i < 20; i++)); do
	ls=$(run --rm --mount src=v8,dst=/m,volume-subpath=a "$ROOTFS" ls /m 2>said) || ls=
	case $ls in
	b) seen=$((seen + 1)) ;;
	'') grep -q 'leads out of the volume\|cannot access path' said || fail "$(cat said)" ;;
	*) fail "led out: $ls" ;;
	esac
done
: >enough
wait "$swaps"
note "led in: $seen of 20"
nothing_left
same "$(run --rm --mount 'src=v7,dst=/m,volume-nocopy,"volume-opt=mode=0711"' "$ROOTFS" stat -c %a /m)" 711
"$NETCTL" volume rm v8 >/dev/null
"$NETCTL" volume rm v7 >/dev/null

note 'once: what a container deletes is not there again'
run -d --name again --restart always -v v4:/data img.tar sh -c 'ls -A /data | wc -l; rm -rf /data/*; sleep 0.2' >/dev/null
wait_until 20 eval '[ "$("$NETCTL" logs again | wc -l)" -ge 2 ]'
differ "$("$NETCTL" logs again | sed -n 1p)" 0
same "$("$NETCTL" logs again | sed -n 2p)" 0
"$NETCTL" rm -fv again >/dev/null
same "$("$NETCTL" volume inspect v4 --json | jq -r .Name)" v4
nothing_left

note 'of a root directory'
echo page >"$ROOTFS/www/index.html"
same "$(run --rm -v /www/ "$ROOTFS" cat /www/index.html)" page
same "$(run --rm -v /www//./x/.. "$ROOTFS" sh -c 'echo other >/www/index.html; cat /www/index.html')" other
same "$(cat "$ROOTFS/www/index.html")" page

note 'rm leaves them, rm -v does not'
"$NETCTL" volume rm v4 >/dev/null
run -d --name aa -v /x -v kept:/y img.tar sleep 300 >/dev/null
same "$(volumes | wc -l)" 4
name=$(field aa 'Mounts[] | select(.Target == "/x").Name')
same "${#name}" 64
same "$("$NETCTL" inspect aa | jq -c '.[0].Mounts[] | select(.Target == "/x") | keys')" \
	'["Anonymous","Driver","MountID","Name","ReadOnly","Source","Target","Type"]'
"$NETCTL" rm -f aa >/dev/null
same "$(volumes | wc -l)" 4 'rm'
same "$(volumes | grep -c ' 0$')" 4
run -d --name aa -v "$name:/x" img.tar sleep 300 >/dev/null
"$NETCTL" rm -f --volumes aa >/dev/null
same "$(volumes | wc -l)" 4 'it was named, and is no anonymous one of this container'
for v in $(volumes | cut -d' ' -f1); do
	"$NETCTL" volume rm "$v" >/dev/null
done
run -d --name aa -v /x "$ROOTFS" sleep 300 >/dev/null
name=$(field aa 'Mounts[0].Name')
run -d --name bb -v "$name:/x" "$ROOTFS" sleep 300 >/dev/null
"$NETCTL" rm -fv aa >/dev/null
same "$(volumes)" "$name 1" 'another container has it'
"$NETCTL" rm -fv bb >/dev/null
"$NETCTL" volume rm "$name" >/dev/null
run --name aa -v /x "$ROOTFS" true
api VolumeDriver.Remove "{\"Name\": \"$(field aa 'Mounts[0].Name')\"}" berth-named >/dev/null
"$NETCTL" rm -v aa >/dev/null
same "$(volumes)" '' 'somebody else removed it'
nothing_left

note 'a volume that its driver does not let go keeps no container'
run --name aa -v /x -v /y "$ROOTFS" true
name=$(field aa 'Mounts[0].Name')
api VolumeDriver.Mount "{\"Name\": \"$name\", \"ID\": \"backup\"}" berth-named >/dev/null
"$NETCTL" rm -v aa >out 2>said
same "$(cat out)" aa
contains "$(cat said)" 'not all of its volumes'
nothing_left
same "$(volumes)" "$name 1" 'the other one is removed'
api VolumeDriver.Unmount "{\"Name\": \"$name\", \"ID\": \"backup\"}" berth-named >/dev/null
"$NETCTL" volume rm "$name" >/dev/null
run --name aa -v /x "$ROOTFS" true
name=$(field aa 'Mounts[0].Name')
stop_daemon berth-named
fails_with "'netctl rm -f' leaves them" "$NETCTL" rm -v aa
same "$(state aa 2>/dev/null)" removing
"$NETCTL" rm -f aa >/dev/null 2>&1
nothing_left
start_daemon berth-named
same "$(volumes)" "$name 0" 'without -v'
"$NETCTL" volume rm "$name" >/dev/null

note 'a fill that can not be undone keeps no container'
echo page >"$ROOTFS/www/index.html"
for how in go kill; do
	BERTH_FP=boxfill.copied:sleep=3000 "$NETCTL" run -d --name aa -v stuck:/www "$ROOTFS" true >said 2>&1 </dev/null &
	client=$!
	stage() { echo /var/lib/berth/berth-named/volumes/stuck/_data/.berth-fill-*/index.html; }
	wait_until 10 eval '[ "$(cat "$(stage)" 2>/dev/null)" = page ]'
	file=$(stage)
	chattr +i "$file"
	[ $how = go ] || kill -9 "$client" "$(monitor_of aa)"
	fails wait "$client"
	"$NETCTL" ps -a >/dev/null 2>>said
	contains "$(cat said /var/lib/berth/netctl/containers/*/monitor.log)" 'stays there, in .berth-fill-'
	same "$(state aa)" exited
	same "$(volumes)" 'stuck 0'
	"$NETCTL" rm aa >/dev/null
	nothing_left
	same "$(cat "$file")" page
	chattr -i "$file"
	"$NETCTL" volume rm stuck >/dev/null
done

note 'once, also where there was nothing to begin with, and for nothing nothing is written'
run -d --name again --restart always -v v4:/none/perm "$ROOTFS" \
	sh -c 'stat -c "%a %u" /none/perm; chown 80 /none/perm; chmod 700 /none/perm; sleep 0.2' >/dev/null
wait_until 20 eval '[ "$("$NETCTL" logs again | wc -l)" -ge 2 ]'
same "$("$NETCTL" logs again | sed -n 2p)" '700 80'
"$NETCTL" rm -f again >/dev/null
"$NETCTL" volume rm v4 >/dev/null
mkdir "$ROOTFS/empty"
chown 80:81 "$ROOTFS/empty"
chmod 2750 "$ROOTFS/empty"
# traced it can't look for leaks
same "$(ASAN_OPTIONS=${ASAN_OPTIONS:-}:detect_leaks=0 strace -f -qq -o calls -e trace=syncfs "$NETCTL" run --rm \
	-v v4:/empty "$ROOTFS" stat -c '%a %u %g' /empty)" '2750 80 81'
lacks "$(cat calls)" syncfs
"$NETCTL" volume rm v4 >/dev/null
nothing_left

note 'a driver that is away'
run -d --rm --name aa -v /x "$ROOTFS" sleep 300 >/dev/null
stop_daemon berth-named
"$NETCTL" stop -t 0 aa >/dev/null 2>&1 || :
start_daemon berth-named
"$NETCTL" ps >/dev/null
nothing_left
same "$(volumes)" '' 'the next netctl does the rest'
stop_daemon berth-named
fails_with "the image's VOLUME /data needs berth-named: 'netctl up berth-named', or cover it" run --rm img.tar true
run --rm -v /run/other:/data --tmpfs /none/yet img.tar true
start_daemon berth-named
fails_with 'berth-nobody' run --rm -v /x --volume-driver berth-nobody "$ROOTFS" true
nothing_left

note 'a tree too deep is refused, and a link is followed in the root'
(cd "$ROOTFS/www" && for ((i = 0; i < 300; i++)); do mkdir d && cd d || exit 1; done)
fails_with 'so many directories down' run --rm -v deep:/www "$ROOTFS" true
same "$("$NETCTL" volume inspect deep --json | jq -r .Name)" deep
path=$("$NETCTL" volume inspect deep --json | jq -r .Mountpoint)
same "$(ls -A "$path")" '' 'nothing of it is left'
rm -r "$ROOTFS/www/d"
ln -s /etc "$ROOTFS/link"
same "$(run --rm -v /link "$ROOTFS" sh -c 'ls /etc | sort')" "$(chroot "$ROOTFS" /bin/sh -c 'ls /etc; echo hostname; echo hosts; echo resolv.conf' | sort -u)" \
	'a link is followed in the root'
nothing_left
same "$(api Berth.Check '{}' berth-named | jq -c .Problems)" '[]'
