#!/bin/bash
# The same as t-btrfs-backup.sh for an image on a file system that cannot share blocks.
# in turn
# time: 300
. "${0%/*}/../lib/lib.sh"
need curl jq getfattr getfacl zstd python3

disk 'mkfs.ext4 -q'
# shellcheck disable=SC2034 # the included part uses it
OPTS='-o backing=image'
. "${0%/*}/backup.sh"
same "$(losetup -ln -O BACK-FILE | grep "$DIR" | grep -cv /disk.img || :)" 0 'loop devices'
