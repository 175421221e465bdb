#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# For t-the-guest-reports-rightly.sh: the guest ends in good order, but no result.
# vm
. "${0%/*}/../../lib/lib.sh"
echo o >/proc/sysrq-trigger
never_within 60 false
