#!/bin/bash
# The unit tests that need quotas of ext4, xfs and btrfs pass on a kernel that has them.
# vm
# alone
. "${0%/*}/../lib/lib.sh"
need mkfs.ext4 mkfs.xfs mkfs.btrfs lsattr setpriv

[ -e /dev/loop-control ] || modprobe loop
for t in lib/test/test_prjquota lib/test/test_btrfs volplugins/named/test_named_project \
	volplugins/named/test_named_btrfs; do
	out=$("$BUILD/$t" 2>"$DIR/${t##*/}.log") || fail "$t: $out"
	lacks "$out" SKIP "$t"
	note "$t: $(grep -c '^ok' <<<"$out") passed"
done
