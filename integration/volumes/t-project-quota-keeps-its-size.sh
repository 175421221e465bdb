#!/bin/bash
# On ext4 and xfs with project quotas size= is kept by a project id: told in Status and
# by df in the container, kept again after rm and create, given free with the volume.
# vm
# alone
# time: 240
. "${0%/*}/../lib/lib.sh"
need docker curl jq mkfs.ext4 mkfs.xfs lsattr

volume() { # NAME FIELD
	docker volume inspect "$1" | jq -r ".[0].Status.$2"
}

run() { # VOLUME COMMAND
	docker run --rm --network none -v "$1:/d" bb:1 sh -c "$2"
}

# Limits there are, with no tool of ours: "ID LIMIT-KB" of our range.
limits() {
	xfs_quota -f -x -c 'report -p -N -n' "$at" | awk '$1 ~ /^#19/ && $4 > 0 { print substr($1, 2), $4 }'
}

on() { # FS "MKFS..." WHAT-A-WRITE-ABOVE-THE-LIMIT-SAYS
	local at=$DIR/$1 v id
	note "on $1"
	disk "$2" prjquota "$at"
	start_daemon berth-named --state-dir "$at"
	v=$at/berth-named/volumes

	docker volume create -d berth-named plain >/dev/null
	same "$(volume plain backing)" directory
	docker volume create -d berth-named -o size=10m vol >/dev/null
	same "$(volume vol backing)" project
	id=$(volume vol project)
	contains "$(lsattr -pd "$v/vol/_data")" "$id"
	same "$(limits)" "$id 10240"
	fails_with "$3" run vol 'dd if=/dev/zero of=/d/x bs=1M count=20'
	same "$(volume vol size)" 10485760
	at_most 9000000 "$(volume vol used)" 'used, at least'
	at_most "$(volume vol used)" 10485760 used
	same "$(run vol 'df -k /d' | awk 'END { print $2 }')" 10240 "size that df tells"
	run vol 'rm /d/x; mkdir -p /d/a/b; dd if=/dev/zero of=/d/a/b/x bs=1M count=8'
	run plain 'dd if=/dev/zero of=/d/x bs=1M count=30'

	docker volume create -d berth-named -o size=20m wol >/dev/null
	differ "$(volume wol project)" "$id"
	docker volume rm vol >/dev/null
	same "$(limits)" "$(volume wol project) 20480"
	docker volume create -d berth-named -o size=5m vol >/dev/null
	fails_with "$3" run vol 'dd if=/dev/zero of=/d/x bs=1M count=8'
	restart_daemon berth-named
	same "$(volume vol size)" 5242880

	# Out of its project by hand: said, with what to do about it.
	chattr -R -p 0 "$v/vol/_data"
	fails_with 'chattr -R -p' run vol true
	(cd "$v/vol" && chattr -R -p "$(volume vol project)" .)
	run vol true

	docker volume rm vol wol plain >/dev/null
	same "$(limits)" ''
	same "$(api Berth.Check '{}' berth-named | jq -c .Problems)" '[]'
	stop_daemon berth-named

	# Without the mount option: the reason, for who asks for it.
	umount "$at"
	disk "$2" rw "$at"
	start_daemon berth-named --state-dir "$at"
	fails_with 'option prjquota' docker volume create -d berth-named \
		-o backing=project -o size=10m vol
	stop_daemon berth-named
	umount "$at"
}

start_dockerd
on ext4 'mkfs.ext4 -q -O quota,project' 'quota exceeded'
on xfs 'mkfs.xfs -q -f' 'No space left'
