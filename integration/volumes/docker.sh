# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# What docker does with volumes of any driver; included by t-thin-as-any-volume.sh and
# t-tmpfs-as-any-volume.sh, which set DRIVER, FLAGS (the daemon's) and KEPT (options of a
# volume whose content outlives its users).
start_daemon "$DRIVER" "${FLAGS[@]}"
start_dockerd
create() { # VOLUME OPTION...
	docker volume create -d "$DRIVER" "${KEPT[@]}" -o size=32m "${@:2}" "$1"
}
run() { # VOLUME COMMAND
	docker run --rm --network none -v "$1:/d" bb:1 sh -c "$2"
}
up() { # CONTAINER ARGUMENT...
	docker run -d --name "$1" --network none --stop-signal KILL "${@:2}" bb:1 sleep 9999 >/dev/null
}
volumes() {
	docker volume ls -qf "driver=$DRIVER" | sort | paste -sd ' '
}

# Its size holds, is told, and holds again when it is made again; what is wrong is refused.
fill='dd if=/dev/zero of=/d/x bs=1M count=40 conv=fsync'
for _ in 1 2; do
	create vol >/dev/null
	same "$(run vol 'ls /d | grep -v lost+found || :')" ''
	fails_with 'No space left' run vol "$fill"
	same "$(docker volume inspect vol | jq '.[0].Status | [.size, .used > 16777216]' -c)" '[33554432,true]'
	docker volume rm vol >/dev/null
done
fails_with 'did you mean "size"' docker volume create -d "$DRIVER" -o sizes=1g wol
fails docker volume create -d "$DRIVER" -o size=-1 wol
same "$(volumes)" ''

# One without a name goes with --rm and rm -v, and stays with a plain rm, and with prune.
anonymous=(--mount "type=volume,dst=/d,volume-driver=$DRIVER")
[ ${#KEPT[@]} = 0 ] || anonymous=(--mount "type=volume,dst=/d,volume-driver=$DRIVER,volume-opt=${KEPT[1]}")
docker run --rm --network none "${anonymous[@]}" bb:1 sh -c 'echo x >/d/x && cat /d/x' >/dev/null
same "$(volumes)" '' 'after --rm'
up aa "${anonymous[@]}"
docker rm -fv aa >/dev/null
same "$(volumes)" '' 'after rm -v'
up aa "${anonymous[@]}"
docker exec aa sh -c 'echo kept >/d/x'
docker rm -f aa >/dev/null
v=$(volumes)
same "${#v}" 64 'length of the name'
docker volume prune -f >/dev/null
same "$(run "$v" 'cat /d/x')" kept

# Used by several: copied up once, :ro, nocopy, --volumes-from; the end of one leaves it to
# the others, and until the last it is not removed.
create vol >/dev/null
up aa -v vol:/etc
same "$(docker exec aa cat /etc/passwd)" 'root:x:0:0:root:/:/bin/sh'
docker exec aa sh -c 'echo mine >/etc/passwd'
up bb -v vol:/etc
same "$(docker exec bb cat /etc/passwd)" mine 'copied up again'
create plain >/dev/null
fails docker run --rm --network none -v plain:/etc:nocopy bb:1 grep root /etc/passwd
fails_with 'Read-only' docker run --rm --network none -v vol:/d:ro bb:1 touch /d/x
fails_with 'Read-only' docker run --rm --network none --volumes-from aa:ro bb:1 touch /etc/x
docker stop aa >/dev/null
same "$(docker exec bb cat /etc/passwd)" mine 'after another has ended'
fails_with 'in use' docker volume rm vol
docker rm -f aa bb >/dev/null

# Unused ones go by the documented line, and one that is gone is no error.
up cc -v plain:/d
docker volume prune -f >/dev/null
# shellcheck disable=SC2046 # names are words
docker volume rm $(docker volume ls -qf dangling=true -f "driver=$DRIVER") >/dev/null
same "$(volumes)" plain
docker rm -f cc >/dev/null
docker volume rm plain >/dev/null
docker volume rm -f plain >/dev/null
same "$(api VolumeDriver.Remove '{"Name":"plain"}' "$DRIVER")" '{}'
same "$(api Berth.Check '{}' "$DRIVER" | jq -c .Problems)" '[]'
stop_dockerd
stop_daemon "$DRIVER"
