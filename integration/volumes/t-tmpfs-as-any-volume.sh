#!/bin/bash
# Docker does with volumes in memory what it does with any: sizes, anonymous ones, sharing,
# read-only and copied-up ones, removal and prune.
# time: 300
. "${0%/*}/../lib/lib.sh"
need docker curl jq
# shellcheck disable=SC2034 # the included part uses them
DRIVER=berth-tmpfs FLAGS=() KEPT=(-o berth.keep=on)
. "${0%/*}/docker.sh"
same "$(ls /run/berth/berth-tmpfs/volumes)" '' 'mounts'
