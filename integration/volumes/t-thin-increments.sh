#!/bin/bash
# Increments of thin volumes: of one in use, of a snapshot, and after a rollback they hold
# what was changed only, and a chain of them makes the volume again.  xfs with SOAK=1.
# vm
# alone
# time: 150
. "${0%/*}/../lib/lib.sh"
. "${0%/*}/thin.sh"
need curl jq dmsetup mkfs.ext4 mkfs.xfs

look() { # DIRECTORY - without the time of the root, in which others made files
	(
		cd "$1" || exit
		find . -mindepth 1 -printf '%p %y %m %U %G %l %T@ %n ' \
			\( -type d -printf '\n' -o -printf '%s\n' \) | sort
		find . -type f -print0 | sort -z | xargs -0 sha256sum
	)
}

backup() { # FILE SINCE SOURCE - the count of files and of what was deleted
	netctl volume backup -o "$1" ${2:+--since "$2"} "$3" 2>told |
		sed 's/.*: \([0-9]*\) files, \(\([0-9]*\) deleted, \)\?.*/\1 \3/'
}

# The archives, in order, make what look() saw.
makes() { # WANT ARCHIVE...
	local want=$1 at
	shift
	netctl volume restore --driver berth-thin -o "size=$SIZE" -o "fs=$FS" "$@" back >/dev/null
	at=$(used back)
	look "$at" >got
	diff "$want" got
	unused back
	done_with VolumeDriver.Remove '{"Name":"back"}'
}

chain() { # FS SIZE
	local at
	FS=$1 SIZE=$2
	rm -rf "$DIR/work"
	mkdir "$DIR/work"
	cd "$DIR/work" || exit
	done_with VolumeDriver.Create "{\"Name\":\"src\",\"Opts\":{\"size\":\"$2\",\"fs\":\"$1\"}}"
	at=$(used src)
	(
		cd "$at" || exit
		mkdir -p d/e many
		echo hello >file
		ln file d/hard
		for i in $(seq 30); do echo "$i" >"many/$i"; done
		head -c 1000000 /dev/urandom >random
		truncate -s 4M sparse
		echo end >>sparse
		echo x >d/e/x
	)
	look "$at" >want.full
	same "$(backup full '' src)" '39 '
	same "$(backup none full src)" '0 ' 'nothing was changed'

	# In use; a file keeps its size and its time.
	(
		cd "$at" || exit
		touch -r random "$OLDPWD/ref"
		echo XYZ | dd of=random bs=1 seek=5000 conv=notrunc 2>/dev/null
		touch -r "$OLDPWD/ref" random
		echo 1.1 >many/1
		rm many/2
	)
	look "$at" >want.mon
	same "$(backup mon full src)" '4 1' '., random, many, many/1; many/2'
	echo 3.1 >"$at/many/3"
	sync
	at_most "$(stat -c %s mon)" 1100000 'bytes of an increment'

	# Of a snapshot; the volume goes on.
	look "$at" >want.tue
	done_with Berth.VolumeSnapshot '{"Name":"src","Snapshot":"s"}'
	echo 4.1 >"$at/many/4"
	rm -r "$at/d/e"
	backup tue mon src@s >/dev/null
	at_most "$(stat -c %s tue)" 20000 'bytes of an increment of a snapshot'
	unused src
	contains "$(backup wed tue src)" ' 1' 'deleted is d/e'
	at_most "$(stat -c %s wed)" 20000 'bytes of an increment'
	at=$(used src)
	look "$at" >want.wed
	unused src

	# What was rolled back is another change.
	done_with Berth.VolumeRollback '{"Name":"src","Snapshot":"s"}'
	backup thu wed src >/dev/null
	contains "$(jq -r '.Err // ""' <<<"$(call VolumeDriver.Remove '{"Name":"src"}')")" 'has 1 snapshot'
	done_with Berth.VolumeSnapshotRemove '{"Name":"src","Snapshot":"s"}'

	makes want.mon full mon
	makes want.wed full mon tue wed
	makes want.tue full mon tue wed thu
	fails_with 'one is missing, or the order is another' netctl volume restore \
		--driver berth-thin -o "size=$SIZE" full tue back
	same "$(call VolumeDriver.List '{}' | jq -r '.Volumes[].Name')" src
	done_with VolumeDriver.Remove '{"Name":"src"}'
	same "$(call Berth.Check '{}' | jq -c .Problems)" '[]'
	cd "$DIR" || exit
}

start_daemon berth-thin --pool-device "$BERTH_DISK"
chain ext4 32m
[ "$SOAK" != 1 ] || chain xfs 300m
same "$(dmsetup status --target thin-pool | awk '{ split($7, d, "/"); print d[1] }')" 0 'blocks in use'
stop_daemon berth-thin
