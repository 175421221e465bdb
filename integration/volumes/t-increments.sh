#!/bin/bash
# Increments of volumes of each kind: they hold what was changed only, a chain of them makes
# the volume again, by netctl and by tar; one that is missing, cut, changed or in another
# order, and a restore that was killed, leaves nothing.
# in turn
# time: 600
. "${0%/*}/../lib/lib.sh"
need curl jq btrfs mkfs.btrfs mkfs.ext4 getfattr getfacl zstd

disk mkfs.btrfs commit=1
start_daemon berth-named
start_daemon berth-tmpfs

# mounted VOLUME - its files, in use by nobody but us; unmounted VOLUME.
mounted() {
	api VolumeDriver.Mount "{\"Name\":\"$1\",\"ID\":\"test\"}" "$DRIVER" |
		jq -re .Mountpoint
}

unmounted() {
	same "$(api VolumeDriver.Unmount "{\"Name\":\"$1\",\"ID\":\"test\"}" "$DRIVER")" '{}'
}

# look DIRECTORY - all that stat, getfattr and getfacl see.
look() {
	(
		cd "$1" || exit
		find . -printf '%p %y %m %U %G %l %T@ ' \
			\( -type d -printf '\n' -o -printf '%n %s\n' \) | sort
		find . ! -type l -print0 | sort -z | xargs -0 getfacl -np
		getfattr -Rhdm - -e hex . 2>/dev/null | sort
		find . -type f -print0 | sort -z | xargs -0 sha256sum
	)
}

# same_as VOLUME FILE - it looks like that.
same_as() {
	look "$(mounted "$1")" >got
	unmounted "$1"
	diff "$2" got
}

names() {
	netctl volume ls --json | jq -r '[.[].Name] | sort | join(" ")'
}

# backup FILE [SINCE] - of src; the count of files and of what was deleted.
backup() {
	netctl volume backup ${LIVE:+$LIVE} -o "$1" ${2:+--since "$2"} src 2>told |
		sed 's/.*: \([0-9]*\) files, \(\([0-9]*\) deleted, \)\?.*/\1 \3/'
}

restore() {
	# shellcheck disable=SC2086 # OPTS are words
	netctl volume restore --driver "$DRIVER" $OPTS "$@"
}

nothing_left() {
	same "$(names)" src "$1: volumes"
	same "$(api Berth.Check '{}' "$DRIVER" | jq -c .Problems)" '[]' "$1"
	same "$(find . -name '.*.part')" '' "$1"
}

unstaged() { # nobody fills "bad" any more
	restore full bad >/dev/null 2>&1 || return 1
	netctl volume rm bad
}

# scenario - with DRIVER, OPTS, LIVE.
scenario() {
	local at
	note "$DRIVER $OPTS"
	rm -rf "$DIR/work"
	mkdir "$DIR/work"
	cd "$DIR/work" || exit
	# shellcheck disable=SC2086 # OPTS are words
	netctl volume create --driver "$DRIVER" $OPTS src
	at=$(mounted src)
	(
		cd "$at" || exit
		mkdir -p d/e/f g many
		echo hello >file
		ln file d/hard
		for i in $(seq 200); do echo "$i" >"many/$i"; done
		head -c 2000000 /dev/urandom >random
		truncate -s 4M sparse
		echo end >>sparse
		setfacl -m u:4242:rw file
		setfattr -n trusted.x -v 1 g
		echo x >d/e/f/x
	)
	look "$at" >want.full
	same "$(backup full)" '211 '
	same "$(backup none full)" '0 ' 'nothing was changed'
	(
		cd "$at" || exit
		touch -r random "$OLDPWD/ref"
		echo XYZ | dd of=random bs=1 seek=5000 conv=notrunc 2>/dev/null
		touch -r "$OLDPWD/ref" random
		ln file g/link
		rm -r d/e
		echo a file >d/e
		echo 1.1 >many/1
		rm many/2
	)
	look "$at" >want.mon
	# ., random, g, g/link, d, d/e, many, many/1; d/e, many/2
	same "$(backup mon full)" '8 2' "Monday's"
	at_most "$(stat -c %s mon)" 2100000 'bytes of an increment'
	(
		cd "$at" || exit
		mv many few
		setfattr -x trusted.x g
		setfacl -b file
		chmod 700 d
		rm d/hard
		printf mid | dd of=sparse seek=1M oflag=seek_bytes conv=notrunc 2>/dev/null
	)
	look "$at" >want.tue
	[ -z "$LIVE" ] || unmounted src
	LIVE='' backup tue mon >/dev/null
	[ -n "$LIVE" ] || unmounted src

	restore full mon back >/dev/null
	same_as back want.mon
	netctl volume rm back
	restore full mon - back <tue >said
	same_as back want.tue
	contains "$(cat said)" "sha256 $(head -c -98 tue | sha256sum | cut -d' ' -f1)"
	# the chain goes on from what was restored
	at=$(mounted back)
	echo three >"$at/few/3"
	look "$at" >want.wed
	unmounted back
	same "$(netctl volume backup -o wed --since tue back | sed 's/.*: \([0-9]*\) files,.*/\1/')" 2
	netctl volume rm back
	restore full mon tue wed back >/dev/null
	same_as back want.wed
	netctl volume rm back

	# by plain tar, as docs/volumes/backup.md has it
	mkdir plain
	for inc in full mon; do
		if [ $inc != full ]; then
			contains "$(tar --zstd -xOf $inc --occurrence=1 ./.berth-since 2>/dev/null)" \
				"sha256 $(head -c -98 full | sha256sum | cut -d' ' -f1)"
			tar --zstd -xOf $inc --occurrence=1 ./.berth-deleted 2>/dev/null |
				(cd plain && xargs -0r rm -rf --)
		fi
		tar --zstd --exclude=./.berth-since --exclude=./.berth-deleted --xattrs \
			--xattrs-include='*' --acls --numeric-owner -xpf $inc -C plain 2>tar.log
	done
	look plain >got
	diff want.mon got

	# no chain
	fails_with 'tue: it follows the archive with sha256' restore full tue bad
	nothing_left 'one left out'
	fails_with 'one is missing, or the order is another' restore full tue mon bad
	nothing_left 'another order'
	fails_with 'name the whole backup first' restore mon tue bad
	nothing_left 'no whole one'
	fails_with 'can only be the first' restore full full bad
	nothing_left 'two whole ones'
	head -c -1000 mon >cut.arc
	fails_with 'it was cut' restore full cut.arc bad
	nothing_left 'a cut one'
	cp mon changed # but for one byte, whatever that is
	dd if=mon bs=1 skip=1000 count=1 2>/dev/null | tr '\0-\377' '\1-\377\0' |
		dd of=changed bs=1 seek=1000 conv=notrunc 2>/dev/null
	same "$(cmp -l mon changed | wc -l)" 1
	fails restore full changed tue bad
	nothing_left 'a changed one'
	fails_with 'nix: No such file' restore full nix bad
	fails_with 'cut.arc: the archive has no checksum' netctl volume backup -o x --since cut.arc src
	tar -C plain --zstd -cf other .
	fails_with 'other: the archive has no checksum' netctl volume backup -o x --since other src
	fails_with 'is no regular file' netctl volume backup -o x --since /dev/zero src
	fails_with 'is not replaced' netctl volume backup -o mon --since full src
	[ ! -e x ]
	nothing_left 'no archive'

	# killed between two archives, and in the second: it stands still for want of input
	for some in 0 500; do
		rm -f pipe
		mkfifo pipe
		in_background writer.log bash -c "exec >pipe; head -c $some mon; read -rt 600 <> <(:)"
		WRITER=$PID
		# shellcheck disable=SC2086 # OPTS are words
		in_background restore.log bash -c "exec netctl volume restore --driver $DRIVER $OPTS full - bad <pipe"
		RESTORE=$PID
		wait_until 10 being_restored
		kill -9 "$RESTORE"
		wait_until 20 unstaged
		end "$WRITER"
		nothing_left "killed after $some bytes"
	done
	netctl volume rm src
}

being_restored() { # it has the directory to fill open
	find "/proc/$RESTORE/fd" -mindepth 1 -xtype d 2>/dev/null | grep -q .
}

DRIVER=berth-named OPTS='' LIVE='' scenario
DRIVER=berth-named OPTS='-o backing=image -o size=64m' LIVE='' scenario
DRIVER=berth-named OPTS='-o backing=directory' LIVE=--live scenario
DRIVER=berth-tmpfs OPTS='-o size=64m -o berth.keep=on' LIVE=--live scenario
cd "$DIR" || exit
same "$(names)" ''
