#!/bin/bash
# type, o and device work as with Docker's local driver: a bind, memory with a limit,
# a device read-only; what cannot be done is an error that says what would be right.
# asan
. "${0%/*}/../lib/lib.sh"
need docker curl jq findmnt mkfs.ext4 losetup

start_daemon berth-named
start_dockerd
vol() { # NAME TYPE O DEVICE
	docker volume create -d berth-named -o type="$2" -o o="$3" -o device="$4" "$1"
}
run() {
	docker run --rm --network none "$@"
}
at() {
	docker volume inspect -f '{{.Mountpoint}}' "$1"
}
options() {
	findmnt -nro OPTIONS -M "$(at "$1")"
}

# A directory of this host.
mkdir -p "$DIR/srv"
echo old >"$DIR/srv/file"
vol bind none bind "$DIR/srv" >/dev/null
same "$(run -v bind:/d bb:1 sh -c 'cat /d/file; echo new >/d/file')" old
same "$(cat "$DIR/srv/file")" new
fails findmnt -M "$(at bind)"
vol bindro none bind,ro "$DIR/srv" >/dev/null
fails_with 'Read-only' run -v bindro:/d bb:1 touch /d/x
docker run -d --name sh --network none --stop-signal KILL -v bind:/d bb:1 sleep 999 >/dev/null
contains ",$(options bind)," ,nosuid,
contains ",$(options bind)," ,nodev,
same "$(findmnt -nro PROPAGATION -M "$(at bind)")" private
vol suid none bind,suid "$DIR/srv" >/dev/null
docker run -d --name bb --network none --stop-signal KILL -v suid:/d bb:1 sleep 999 >/dev/null
lacks ",$(options suid)," ,nosuid,
contains ",$(options suid)," ,nodev,
docker rm -f bb >/dev/null
fails_with 'in use' docker volume rm bind
docker rm -f sh >/dev/null
docker volume rm bind bindro suid >/dev/null
same "$(cat "$DIR/srv/file")" new "the source after its volumes are removed"

# Memory: full is full, and it lives from the first user to the last.
vol mem tmpfs size=1m,mode=0770,uid=33 tmpfs >/dev/null
docker run -d --name aa --network none --stop-signal KILL -v mem:/d bb:1 sleep 999 >/dev/null
fails_with 'No space left' docker exec aa dd if=/dev/zero of=/d/x bs=64k count=20
same "$(docker exec aa stat -c '%a %u' /d)" '770 33'
same "$(docker volume inspect mem | jq -c '.[0].Status | [.used, .size, .backing]')" \
	'[1048576,1048576,"mount"]'
docker run -d --name bb --network none --stop-signal KILL --volumes-from aa:ro bb:1 sleep 999 >/dev/null
docker rm -f aa >/dev/null
same "$(docker exec bb stat -c %s /d/x)" 1048576
docker rm -f bb >/dev/null
same "$(run -v mem:/d bb:1 ls /d)" ''
docker volume rm mem >/dev/null
docker volume create -d berth-named -o type=tmpfs -o device=tmpfs -o size=64k mem >/dev/null
fails_with 'No space left' run -v mem:/d bb:1 dd if=/dev/zero of=/d/x bs=64k count=2
docker volume rm mem >/dev/null

# A device.
truncate -s 32m "$DIR/disk"
mkfs.ext4 -q "$DIR/disk"
loop=$(losetup -f --show "$DIR/disk")
# shellcheck disable=SC2016 # for the inner shell
in_background loop.log bash -c 'trap "losetup -d \"$0\"; exit" TERM; while :; do read -rt 1 <> <(:) || :; done' "$loop"
vol disk ext4 noatime "$loop" >/dev/null
run -v disk:/d bb:1 sh -c 'echo on-disk >/d/file'
docker volume rm disk >/dev/null
ln -s "$loop" "$DIR/by-name"
vol diskro ext4 ro,noload "$DIR/by-name" >/dev/null
same "$(run -v diskro:/d bb:1 cat /d/file)" on-disk
fails_with 'Read-only' run -v diskro:/d bb:1 touch /d/x
docker run -d --name aa --network none --stop-signal KILL -v diskro:/d bb:1 sleep 999 >/dev/null
same "$(findmnt -nro SOURCE,FSTYPE -M "$(at diskro)")" "$loop ext4"
contains ",$(findmnt -nro FS-OPTIONS -M "$(at diskro)")," ,ro,
docker rm -f aa >/dev/null
docker volume rm diskro >/dev/null
end "$PID"
fails losetup "$loop"

# Errors, as a user sees them.
fails_with 'did you mean "noatime"' vol bad none bind,noatme "$DIR/srv"
fails_with 'it is for type=nfs' vol bad none bind,nfsvers=4 "$DIR/srv"
fails_with 'absolute path' vol bad none bind srv
fails_with 'one of none, bind, tmpfs, nfs' vol bad sshfs x y
fails_with 'not 0, which would be no limit' vol bad tmpfs size=0 tmpfs
fails_with 'created; remove it' vol bad none bind,remount "$DIR/srv"
fails_with 'credentials=FILE' vol bad cifs username=joe,password=hunter2 //nas/share
lacks "$(cat "$DIR/berth-named.log")" hunter2 "the daemon's log"
fails grep -rqa hunter2 /var/lib/berth /run/berth
same "$(docker volume ls -q)" '' "volumes that were refused"
vol gone none bind "$DIR/nowhere" >/dev/null
fails_with 'nowhere: No such file' run -v gone:/d bb:1 sleep 0
vol own none bind "$(at gone)" >/dev/null
fails_with 'by its name' run -v own:/d bb:1 sleep 0
same "$(docker volume inspect -f '{{.Status.users}} {{.Status.mounted}}' gone)" '0 false'

# Again with other options: an error, and nothing is lost.
contains "$(api VolumeDriver.Create \
	'{"Name":"gone","Opts":{"type":"tmpfs","device":"tmpfs"}}' berth-named)" 'other options'
contains "$(api VolumeDriver.Create '{"Name":"gone"}' berth-named)" 'other options'
same "$(api VolumeDriver.Create "{\"Name\":\"gone\",\"Opts\":{\"type\":\"none\",\"o\":\"bind\",\"device\":\"$DIR/nowhere\"}}" berth-named)" '{}'
docker volume rm gone own >/dev/null
same "$(ls /var/lib/berth/berth-named/volumes)" ''
same "$(api Berth.Check '{}' berth-named | jq -c .Problems)" '[]'
