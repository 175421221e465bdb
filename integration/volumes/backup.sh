# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# Backup and restore of a volume that can be snapshotted; included by t-btrfs-backup.sh and
# t-image-backup.sh, which set OPTS (netctl volume create's).
start_daemon berth-named
V=/var/lib/berth/berth-named/volumes

# mounted VOLUME - its files, in use by nobody but us; unmounted VOLUME.
mounted() {
	api VolumeDriver.Mount "{\"Name\":\"$1\",\"ID\":\"test\"}" berth-named |
		jq -re .Mountpoint
}

unmounted() {
	same "$(api VolumeDriver.Unmount "{\"Name\":\"$1\",\"ID\":\"test\"}" berth-named)" '{}'
}

# look DIRECTORY - all that stat, getfattr and getfacl see.
look() {
	(
		cd "$1" || exit
		find . ! -type s -printf '%p %y %m %U %G %l %T@ ' \
			\( -type d -printf '\n' -o -printf '%n %s\n' \) | sort |
			sed 's/^\(\. d .*\) [0-9.]* $/\1/' # others made files in it
		find . ! -type s ! -type l -print0 | sort -z | xargs -0 getfacl -np
		getfattr -Rhdm - -e hex . 2>/dev/null | sort
		find . -type f -print0 | sort -z | xargs -0 sha256sum
		find . -type b -o -type c | sort | xargs stat -c '%n %t:%T'
	)
}

swept() { # what was empty goes in the background
	[ -z "$(ls -A $V/.trash)" ]
}

nothing_left() {
	wait_until 30 swept
	same "$(ls -A $V/.staging)" ''
	same "$(find $V -name '.backup-*' -o -name .new)" ''
	same "$(api Berth.Check '{}' berth-named | jq -c .Problems)" '[]'
	same "$(api Berth.Gc '{"DryRun":true}' berth-named | jq -c .Removed)" '[]'
	same "$(find . -name '.*.part')" ''
}

# shellcheck disable=SC2086 # OPTS are words
netctl volume create $OPTS -o size=40m src
at=$(mounted src)
(
	cd "$at" || exit
	mkdir -p d/e/f
	chown 7:8 d
	chmod 3751 d
	echo hello >file
	ln file d/hard
	ln -s ../nowhere d/soft
	mknod d/null c 1 3
	mkfifo d/fifo
	printf x >d/suid
	chmod 4711 d/suid
	truncate -s 64M sparse
	printf end >>sparse
	setfattr -n user.colour -v blue file
	setfattr -n trusted.thing -v 0x0001ff d/e
	setfacl -m u:4242:rw file
	setfacl -d -m g:77:rx d
	head -c 3000000 /dev/urandom >random
	touch -d '2001-02-03 04:05:06.789' file d/e
	touch "$(printf 'a\377b')" 'new
line' 'ä'
	chmod 2755 .
	chown 12:13 .
	python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("sock")'
)
look "$at" >want

# In use, and while somebody writes to it: of one moment.
in_background writer.log bash -c "exec 3>>$at/log; while :; do echo \$((++i)) >&3; done"
wait_until 5 test -s "$at/log"
netctl volume backup -o busy.tar.zst src >said 2>told
end "$PID"
rm "$at/log"
contains "$(cat told)" 'left out: ./sock: a socket'
contains "$(cat said)" "sha256 $(head -c -98 busy.tar.zst | sha256sum | cut -d' ' -f1)"
nothing_left
netctl volume restore -o size=60m $OPTS busy.tar.zst live >/dev/null
# (A moment may be in the middle of a line, where that goes over two pages.)
sed '$d' "$(mounted live)/log" >lines
awk '$1 != NR { print NR ": " $0; exit 1 }' lines
unmounted live
netctl volume rm live

# Not in use; to a directory, from a snapshot, through a pipe.
unmounted src
netctl volume snapshot src@keep >/dev/null
mkdir arcs
file=$(netctl volume backup -o arcs src 2>/dev/null | cut -d: -f1)
contains "$file" arcs/src-20
test -s "$file"
at=$(mounted src)
rm -r "$at/d" "$at/random"
unmounted src
netctl volume backup -o - src@keep 2>/dev/null | netctl volume restore $OPTS -o size=40m - piped >/dev/null
netctl volume restore $OPTS -o size=40m "$file" copy >/dev/null
for v in piped copy; do
	look "$(mounted $v)" >got
	diff want got
	unmounted $v
done
test "$(du -k "$(mounted copy)/sparse" | cut -f1)" -lt 1000
unmounted copy
nothing_left

# A plain tar reads it.
mkdir plain
tar --zstd --xattrs --xattrs-include='*' --acls --numeric-owner -xpf "$file" -C plain 2>tar.log
look plain >got
diff want got

# Never over something.
fails_with 'is not replaced' netctl volume backup -o "$file" src
fails_with 'there is a volume copy already' netctl volume restore $OPTS "$file" copy
fails_with 'needs VOLUME' netctl volume backup
fails_with 'has no snapshot nix' netctl volume backup -o x src@nix
[ ! -e x ]

# What was cut, changed or is too large leaves no volume.
head -c 1000000 "$file" >cut.tar.zst
fails_with 'it was cut' netctl volume restore $OPTS -o size=40m cut.tar.zst bad
{ head -c -98 "$file" && tail -c 98 busy.tar.zst; } >other.tar.zst
fails_with 'was changed since it was written' netctl volume restore $OPTS -o size=40m other.tar.zst bad
head -c 60000000 /dev/urandom >big
mkdir large
mv big large/
tar -C large --zstd -cf - . >large.tar.zst
fails netctl volume restore $OPTS -o size=20m large.tar.zst bad
same "$(netctl volume ls --json | jq -r '.[].Name' | tr '\n' ' ')" 'copy piped src '
nothing_left

# A full disk where the archive goes to.
mkdir tiny
mount -t tmpfs -o size=1m none tiny
fails_with 'No space left' netctl volume backup -o tiny/x src@keep
same "$(ls -A tiny)" ''
umount tiny
nothing_left

# Interrupted and killed, on both ways: nothing is left, and the daemon takes its part back.
slow() { # a pipe that takes no more: the backup stands still in the middle
	rm -f pipe
	mkfifo pipe
	in_background reader.log bash -c 'exec 3<pipe; head -c 100000 <&3 >/dev/null; read -rt 600 <> <(:)'
	READER=$PID
	in_background backup.log bash -c 'exec netctl volume backup -o - src@keep >pipe'
	BACKUP=$PID
	wait_until 10 refused "is being read by process"
}
refused() { # TEXT - why the volume can't be removed
	api VolumeDriver.Remove '{"Name":"src"}' berth-named | grep -q "$1"
}
slow
contains "$(api Berth.VolumeSnapshotRemove '{"Name":"src","Snapshot":"keep"}' berth-named)" \
	'src@keep is being read by process'
kill -9 "$BACKUP"
wait_until 5 gone "$BACKUP"
end "$READER"
wait_until 10 refused 'has 1 snapshot'
netctl volume rollback src@keep
# the volume itself: a snapshot of its own goes
in_background reader.log bash -c 'exec 3<pipe; read -rt 600 <> <(:)'
READER=$PID
in_background backup.log bash -c 'exec netctl volume backup -o - src >pipe'
BACKUP=$PID
own_snapshot() {
	find $V/src/snapshots -name '.backup-*' | grep -q .
}
no_own_snapshot() {
	! own_snapshot
}
wait_until 10 own_snapshot
same "$(netctl volume snapshot ls --json src | jq -r '.[].Name')" keep
kill -9 "$BACKUP"
wait_until 10 no_own_snapshot
end "$READER"
# and by the user
in_background reader.log bash -c 'exec 3<pipe; read -rt 600 <> <(:)'
READER=$PID
in_background backup.log bash -c 'exec netctl volume backup -o file.tar.zst src'
BACKUP=$PID
kill -INT "$BACKUP"
wait "$BACKUP" 2>/dev/null || :
end "$READER"
wait_until 10 no_own_snapshot
rm -f file.tar.zst
# the daemon is killed in the middle
in_background reader.log bash -c 'exec 3<pipe; read -rt 600 <> <(:)'
READER=$PID
in_background backup.log bash -c 'exec netctl volume backup -o - src >pipe'
BACKUP=$PID
wait_until 10 own_snapshot
kill9_daemon berth-named
restart_daemon berth-named
no_own_snapshot || fail 'the snapshot of a backup outlived the daemon'
end "$BACKUP" KILL
end "$READER"
nothing_left
# a restore that is cut off
in_background writer.log bash -c "exec >pipe; head -c 1000000 $file; read -rt 600 <> <(:)"
WRITER=$PID
in_background restore.log bash -c "exec netctl volume restore $OPTS -o size=40m - half <pipe"
RESTORE=$PID
staged() {
	test -d $V/.staging/half
}
wait_until 10 staged
contains "$(api VolumeDriver.Create '{"Name":"half"}' berth-named)" 'is being restored'
fails_with 'is being restored already' netctl volume restore $OPTS -o size=40m "$file" half
kill -9 "$RESTORE"
unstaged() {
	[ ! -e $V/.staging/half ] && [ -z "$(ls -A $V/.trash)" ]
}
wait_until 10 unstaged
end "$WRITER"
in_background writer.log bash -c "exec >pipe; head -c 1000000 $file; read -rt 600 <> <(:)"
WRITER=$PID
in_background restore.log bash -c "exec netctl volume restore $OPTS -o size=40m - half <pipe"
RESTORE=$PID
wait_until 10 staged
kill9_daemon berth-named
restart_daemon berth-named
wait_until 10 unstaged
end "$WRITER"
wait "$RESTORE" && fail 'a restore succeeded, whose daemon was killed'
same "$(netctl volume ls --json | jq -r '.[].Name' | tr '\n' ' ')" 'copy piped src '
netctl volume restore $OPTS -o size=40m "$file" half >/dev/null
nothing_left

# Killed, and failing, at each step of it: the same.
for point in $("$BIN/berth-named" --list-failpoints | grep -E '^vol\.(view|restore)\.'); do
	for what in kill err=ENOSPC; do
		stop_daemon berth-named
		BERTH_FP="$point:$what:nth=1" start_daemon berth-named
		rc=0
		netctl volume backup -o fault.tar.zst src >fault.log 2>&1 &&
			netctl volume restore $OPTS -o size=40m fault.tar.zst fault >>fault.log 2>&1 || rc=$?
		if [ $what = kill ]; then
			wait_until 5 gone "${DAEMON_PID[berth-named]}"
			wait "${DAEMON_PID[berth-named]}" || :
			unset "DAEMON_PID[berth-named]"
		else
			stop_daemon berth-named
		fi
		start_daemon berth-named
		nothing_left
		note "$point:$what: status $rc, $(tail -n 1 fault.log)"
		# whole, or not there
		if api Berth.Volumes '{}' berth-named | jq -e '.Volumes[] | select(.Name == "fault")' >/dev/null; then
			look "$(mounted fault)" >got
			unmounted fault
			look "$(mounted src)" >fault.want
			unmounted src
			diff fault.want got
			netctl volume rm fault
		fi
		rm -f fault.tar.zst
	done
done
for v in half copy piped src; do netctl volume rm --snapshots $v; done
nothing_left
same "$(ls $V)" ''
