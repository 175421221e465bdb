#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# For t-the-guest-reports-rightly.sh: takes the guest's kernel with it.
# vm
. "${0%/*}/../../lib/lib.sh"
echo c >/proc/sysrq-trigger
