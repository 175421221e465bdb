#!/bin/bash
# A volume on btrfs is backed up while it is used, and restored, with all that tar,
# getfattr and getfacl see; interrupted at any point neither leaves anything.
# in turn
# time: 300
. "${0%/*}/../lib/lib.sh"
need curl jq btrfs mkfs.btrfs getfattr getfacl zstd python3

disk mkfs.btrfs commit=1
# shellcheck disable=SC2034 # the included part uses it
OPTS=''
. "${0%/*}/backup.sh"
same "$(btrfs subvolume list /var/lib/berth)" ''
