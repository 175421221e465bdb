#!/bin/bash
# An image is snapshotted, copied and rolled back, while it is used; on a host file system
# that shares blocks and on one that does not; a copy and its source are independent.
# in turn
# time: 400
# shellcheck disable=SC2034 # the included part uses them
. "${0%/*}/../lib/lib.sh"
need docker curl jq mkfs.xfs numfmt

# ext4 grows with CAP_SYS_RESOURCE only
case ${FS:=ext4} in
ext4)
	disk 'mkfs.ext4 -q'
	OPTS='-o backing=image' SIZE=24m LARGE=24m TOO_SMALL=20m FILL=12
	WHY='can grow but not shrink'
	;;
xfs)
	DISK_SIZE=6G disk 'mkfs.xfs -q -m reflink=1'
	OPTS='-o backing=image -o fs=xfs' SIZE=300m LARGE=310m TOO_SMALL=300m FILL=200
	WHY='can grow but not shrink'
	;;
esac
FULL='No space left'
. "${0%/*}/snapshots.sh"
same "$(losetup -ln -O BACK-FILE | grep "$DIR" | grep -cv /disk.img || :)" 0 'loop devices'
