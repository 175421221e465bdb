#!/bin/bash
# On btrfs a volume is snapshotted, copied and rolled back, by Docker's from= and by
# netctl, while it is used; a copy and its source are independent both ways.
# in turn
# time: 300
# shellcheck disable=SC2034 # the included part uses them
. "${0%/*}/../lib/lib.sh"
need docker curl jq btrfs mkfs.btrfs numfmt

disk mkfs.btrfs commit=1
OPTS='' SIZE=24m LARGE=60m TOO_SMALL=24m FILL=30
WHY='bytes are used, more than the 25165824' FULL='quota exceeded'
. "${0%/*}/snapshots.sh"
same "$(btrfs subvolume list /var/lib/berth)" ''
