#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# For t-the-guest-reports-rightly.sh: does not end; the runner inside ends it.
# vm
# time: 2
. "${0%/*}/../../lib/lib.sh"
note "before the end"
never_within 999 false
