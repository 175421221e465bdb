#!/bin/bash
# Options are done or refused with the reason; a volume's data are closed to the
# users of this host; names do not lead out of the directory.
. "${0%/*}/../lib/lib.sh"
need docker curl jq setpriv

start_daemon berth-named
start_dockerd
docker volume create -d berth-named -o uid=1000 -o gid=1000 -o mode=2770 vol >/dev/null
path=$(docker volume inspect -f '{{.Mountpoint}}' vol)
same "$(stat -c '%u %g %a' "$path")" '1000 1000 2770'
same "$(docker volume inspect -f '{{.Status.backing}} {{.Status.users}}' vol)" 'directory 0'
differ "$(docker volume inspect -f '{{.CreatedAt}}' vol)" ''
docker run --rm --network none -u 1000:1000 -v vol:/d bb:1 sh -c 'cp /bin/busybox /d/sh; chmod 4755 /d/sh'
docker volume rm vol >/dev/null

docker volume create -d berth-named vol >/dev/null
docker run --rm --network none -v vol:/d bb:1 sh -c 'cp /bin/busybox /d/sh; chmod 4755 /d/sh'
path=$(docker volume inspect -f '{{.Mountpoint}}' vol)
test -u "$path/sh"
fails setpriv --reuid 1000 --clear-groups "$path/sh" true
fails setpriv --reuid 1000 --clear-groups stat "$path"

fails_with 'has no limit' docker volume create -d berth-named -o size=1g -o backing=directory wol
fails_with 'a size like' docker volume create -d berth-named -o size=all wol
fails_with 'at least 16m' docker volume create -d berth-named -o size=1 wol
fails_with 'size: missing' docker volume create -d berth-named -o backing=image wol
fails_with 'did you mean "size"' docker volume create -d berth-named -o sizes=1g wol
fails_with 'is what they mount' docker volume create -d berth-named -o type=none -o o=bind -o device=/etc -o backing=image wol
fails_with 'did you mean "mode"' docker volume create -d berth-named -o mod=0755 wol
fails_with 'octal' docker volume create -d berth-named -o mode=rwx wol
for name in .. . a/b ../x /abs -x '%2e%2e' "$(printf 'n%.0s' {1..256})"; do
	contains "$(api VolumeDriver.Create "{\"Name\":\"$name\"}" berth-named)" EBADMSG "$name"
	contains "$(api VolumeDriver.Mount "{\"Name\":\"$name\",\"ID\":\"a\"}" berth-named)" EBADMSG "$name"
	contains "$(api VolumeDriver.Remove "{\"Name\":\"$name\"}" berth-named)" EBADMSG "$name"
done
# Docker thinks it knows the volume and does not ask; we refuse to change it.
docker volume create -d berth-named -o uid=5 vol >/dev/null
contains "$(api VolumeDriver.Create '{"Name":"vol","Opts":{"uid":"5"}}' berth-named)" 'other options'
test -u "$path/sh"
docker volume rm vol >/dev/null
same "$(ls /var/lib/berth/berth-named/volumes)" ''
