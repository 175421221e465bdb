#!/bin/bash
# On btrfs too: what t-volume-daemon-killed.sh says.
# in turn
# time: 400
# soak
. "${0%/*}/../lib/lib.sh"
need btrfs mkfs.btrfs

disk mkfs.btrfs
. "${0%/*}/../docker/t-volume-daemon-killed.sh"
same "$(btrfs subvolume list /var/lib/berth)" ''
