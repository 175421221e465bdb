#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# For t-the-guest-reports-rightly.sh: nothing runs any more, the runner inside
# least of all.
# vm: limit=20
. "${0%/*}/../../lib/lib.sh"
echo "hung on purpose" >/dev/ttyS0
echo -1 >/proc/sys/kernel/sched_rt_runtime_us
chrt -f 99 sh -c 'while :; do :; done'
