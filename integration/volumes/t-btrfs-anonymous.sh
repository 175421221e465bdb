#!/bin/bash
# On btrfs too: what t-volume-anonymous.sh says.
# in turn
. "${0%/*}/../lib/lib.sh"
need btrfs mkfs.btrfs

disk mkfs.btrfs
. "${0%/*}/../docker/t-volume-anonymous.sh"
