#!/bin/bash
# The same as t-image-snapshots.sh where the host's file system can share blocks.
# in turn
# time: 400
# soak
# shellcheck disable=SC2034 # the included part uses it
FS=xfs
. "${0%/*}/t-image-snapshots.sh"
