#!/bin/bash
# Docker does with thin volumes what it does with any: sizes, anonymous ones, sharing,
# read-only and copied-up ones, removal and prune.
# vm
# alone
# time: 300
. "${0%/*}/../lib/lib.sh"
need docker curl jq dmsetup mkfs.ext4
# shellcheck disable=SC2034 # the included part uses them
DRIVER=berth-thin FLAGS=(--pool-device "${BERTH_DISK-}") KEPT=()
. "${0%/*}/docker.sh"
same "$(dmsetup ls | grep berth || :)" '' 'devices'
