#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# For t-the-guest-reports-rightly.sh: what it needs exists nowhere.
# vm
. "${0%/*}/../../lib/lib.sh"
need a-tool-nobody-has
