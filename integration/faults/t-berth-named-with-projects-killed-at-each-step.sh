#!/bin/bash
# As t-berth-named-killed-at-each-step.sh, for what project quotas add: no limit is left.
# On ext4; on xfs, too, with SOAK=1.
# vm
# alone
# time: 200
. "${0%/*}/../lib/lib.sh"
need curl python3 xfs_quota mkfs.ext4 mkfs.xfs

lan
kinds=('mkfs.ext4 -q -O quota,project')
[ "$SOAK" != 1 ] || kinds+=('mkfs.xfs -q -f')
for fs in "${kinds[@]}"; do
	disk "$fs" prjquota
	# shellcheck disable=SC2046 # names are words
	"$IT/lib/killstep" "$BIN/berth-named" berth-named size "$DIR" \
		$("$BIN/berth-named" --list-failpoints | grep '^named\.project\.')
	same "$(xfs_quota -f -x -c 'report -p -N -n' /var/lib/berth |
		awk '$1 ~ /^#19/ && $4 > 0')" '' 'limits'
	umount /var/lib/berth
done
