#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# For t-the-guest-reports-rightly.sh: a claim that does not hold.
# vm
. "${0%/*}/../../lib/lib.sh"
same 1 2 "numbers"
