#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# For t-the-guest-reports-rightly.sh: passes, but leaves a loop device.
# vm
. "${0%/*}/../../lib/lib.sh"
truncate -s 1M "$DIR/image"
losetup -f "$DIR/image"
