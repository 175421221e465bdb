#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# For t-the-guest-reports-rightly.sh: passes, on a kernel that is not the host's.
# vm
. "${0%/*}/../../lib/lib.sh"
contains "$(uname -r)" -cloud-amd64
[ -b "$BERTH_DISK" ] || fail "no disk for the test"
note "the guest was here"
