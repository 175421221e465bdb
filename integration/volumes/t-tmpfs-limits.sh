#!/bin/bash
# Options of berth-tmpfs hold: size and inodes to the byte and the file, owner, mode, flags
# and huge pages as findmnt and stat see them; in use it grows, and shrinks down to what is
# used; what is wrong is refused with the reason; Docker's spelling is the same volume.
# asan
# time: 600
. "${0%/*}/../lib/lib.sh"
need docker curl jq findmnt

start_daemon berth-tmpfs
start_dockerd
V=/run/berth/berth-tmpfs/volumes
vol() { # NAME OPTION...
	local o=() name=$1
	for i in "${@:2}"; do o+=(-o "$i"); done
	docker volume create -d berth-tmpfs "${o[@]}" "$name"
}
up() { # NAME VOLUME
	docker run -d --name "$1" --network none --stop-signal KILL -v "$2":/d bb:1 sleep 999 >/dev/null
}
figures() { # VOLUME
	docker volume inspect "$1" | jq -c '.[0].Status | [.used, .size]'
}
options() {
	findmnt -nro OPTIONS -M "$V/$1"
}

# Full is full.
vol mem size=1m inodes=5 mode=2770 uid=33 gid=34 noexec=on >/dev/null
same "$(figures mem)" '[0,1048576]' "before the first use"
up aa mem
same "$(docker exec aa stat -c '%a %u %g' /d)" '2770 33 34'
fails_with 'No space left' docker exec aa dd if=/dev/zero of=/d/x bs=64k count=20
same "$(docker exec aa stat -c %s /d/x)" 1048576
same "$(figures mem)" '[1048576,1048576]'
same "$(df --output=size -B1 $V/mem | tail -1 | tr -d ' ')" 1048576
fails_with 'No space left' docker exec aa touch /d/1 /d/2 /d/3 /d/4 /d/5
same "$(docker volume inspect mem | jq -c '.[0].Status | [.inodes, .inodes_used]')" '[5,5]'
for o in nosuid nodev noexec; do
	contains ",$(options mem)," ",$o,"
done
fails_with 'ermission denied' docker exec aa sh -c 'rm /d/1; echo "#!/bin/sh" >/d/p; chmod 755 /d/p; /d/p'

# Another size while it is used.
"$NETCTL" volume resize mem 2m
docker exec aa dd if=/dev/zero of=/d/x bs=64k count=24 2>/dev/null
fails_with '1572864 bytes are in use, more than 1048576' "$NETCTL" volume resize mem 1m
same "$(figures mem)" '[1572864,2097152]'
fails_with 'No space left' docker exec aa dd if=/dev/zero of=/d/x bs=64k count=40
docker exec aa sh -c 'rm /d/*'
"$NETCTL" volume resize mem 64k
fails_with 'No space left' docker exec aa dd if=/dev/zero of=/d/x bs=64k count=2
for o in nosuid nodev noexec mode=2770 uid=33 gid=34 nr_inodes=5; do
	contains ",$(options mem)," ",$o," "after a resize"
done
docker rm -f aa >/dev/null
same "$(figures mem)" '[0,65536]' "after the last user"
docker volume rm mem >/dev/null

# Docker's spelling is the same volume, also when it was resized and the daemon killed.
vol mem type=tmpfs device=tmpfs o=size=64k,uid=33,noexec >/dev/null
create() { # OPTIONS
	api VolumeDriver.Create "{\"Name\":\"mem\",\"Opts\":$1}" berth-tmpfs
}
same "$(create '{"size":"64k","uid":"33","noexec":"on","device":"tmpfs"}')" '{}'
contains "$(create '{"size":"128k","uid":"33","noexec":"on","device":"tmpfs"}')" 'other options'
contains "$(create '{}')" 'other options'
"$NETCTL" volume resize mem 128k
kill9_daemon berth-tmpfs
start_daemon berth-tmpfs
same "$(create '{"size":"128k","o":"noexec,uid=33","device":"tmpfs"}')" '{}'
up aa mem
same "$(findmnt -nro SOURCE -M $V/mem)" tmpfs
contains ",$(options mem)," ,size=128k,
docker rm -f aa >/dev/null
docker volume rm mem >/dev/null

# Parts of the host's memory, half of it without a size, more than there is.
memory=$(($(awk '/^MemTotal/ { print $2 }' /proc/meminfo) * 1024))
for o in 25:size=25% 25:o=size=25% 50: ; do
	vol mem ${o#*:} >/dev/null
	up aa mem
	size=$(figures mem | jq '.[1]')
	at_most $((size > memory * ${o%%:*} / 100 ? size - memory * ${o%%:*} / 100 : memory * ${o%%:*} / 100 - size)) \
		65536 "bytes beside ${o%%:*} % of the memory, ${o#*:}"
	same "$(df --output=size -B1 $V/mem | tail -1 | tr -d ' ')" "$size"
	docker rm -f aa >/dev/null
	docker volume rm mem >/dev/null
done
vol mem size=1p >/dev/null
same "$(docker run --rm --network none -v mem:/d bb:1 sh -c 'echo fits >/d/x; cat /d/x')" fits
same "$(figures mem)" '[0,1125899906842624]'
docker volume rm mem >/dev/null
vol mem size=1 >/dev/null
same "$(figures mem)" '[0,4096]' "one byte"
docker volume rm mem >/dev/null

# Huge pages, where there are any.
if [ -e /sys/kernel/mm/transparent_hugepage ]; then
	vol mem huge=within_size size=8m >/dev/null
	up aa mem
	contains ",$(options mem)," ,huge=within_size,
	same "$(docker volume inspect -f '{{.Status.huge}}' mem)" within_size
	docker rm -f aa >/dev/null
	docker volume rm mem >/dev/null
else
	fails_with 'this kernel has no huge pages' vol mem huge=always
fi

# Refused, and nothing is left of it.
fails_with '0 would be no limit' vol mem size=0
fails_with 'a size like' vol mem size=-1
fails_with 'in 1%..100%' vol mem size=120%
fails_with 'would be no limit' vol mem inodes=0
fails_with 'did you mean "size"' vol mem sizes=1g
fails_with 'given twice' vol mem size=1m o=size=1m
fails_with 'bind goes with type=none' vol mem o=bind,dev,suid device=/etc
fails_with '"remount" is refused' vol mem o=remount,size=1g
fails_with '"context" is refused' vol mem o=context=a:b:c
fails_with '"user_xattr" is not for type=tmpfs' vol mem o=user_xattr
fails_with 'berth-named mounts others' vol mem type=ext4 device=/dev/loop0
fails_with 'mpol' vol mem o=mpol=nonsense
fails_with 'volumes of berth-tmpfs cannot be copied' vol mem from=other
same "$(docker volume ls -qf driver=berth-tmpfs)" ''
same "$(ls $V)" ''
# A value stays a value.
vol mem 'device=a,size=1t,suid' size=64k >/dev/null
up aa mem
same "$(findmnt -nro SOURCE -M $V/mem)" 'a,size=1t,suid'
contains ",$(options mem)," ,size=64k,
contains ",$(options mem)," ,nosuid,
docker rm -f aa >/dev/null
for verb in 'snapshot mem s1' 'rollback mem@s1'; do
	# shellcheck disable=SC2086 # words
	fails "$NETCTL" volume $verb
done
docker volume rm mem >/dev/null
same "$(ls $V)" '' "at the end"
