#!/bin/bash
# The unit tests of what talks to the kernel pass on 6.1 as well.
# vm
# time: 400
. "${0%/*}/../lib/lib.sh"

# Not those that measure, and none whose kernel is only a file system; nor those that
# have uplinks and ports without the driver's mark: both programs are at clsact here.
tests=(dataplane/test/test_{nft,portmap,publish}
	dataplane/ebpf/test/test_{sock,sock_addr,sock_entry,reinject,tc,load,guard,publish_bpf,publish_life,nat_source,nat_stat}
	lib/test/test_{nlk,nlk_stack,nlk_wg,nlk_xfrm,netns,ct,sockdiag,fw,fw_rule,fw_read,mounts})
# Those above load each rule and program there is, a test of these again and again: 10 of
# 14 minutes, for what is the same on each kernel.  In full at least.
[ "$SOAK" != 1 ] || tests+=(
	dataplane/test/test_{claim,dp_fail,dp_threads,foreign}
	dataplane/ebpf/test/test_{guard_rate,nat,nat_policy,publish_host,publish_rate,publish_stat}
	dataplane/ebpf/test/test_sock_life)
cd "$ROOT" || exit
failed=
for t in "${tests[@]}"; do
	log=$DIR/${t##*/}.tap rc=0 start=$(now_ms)
	"$BUILD/$t" >"$log" 2>&1 </dev/null || rc=$?
	note "$t: status $rc, $(grep -c '^ok' "$log" || :) ok, $(
		grep -c '^not ok' "$log" || :) not, $(($(now_ms) - start)) ms"
	grep '^# .*by the verifier' "$log" || :
	grep '^ok' "$log" >/dev/null || rc=1
	[ $rc = 0 ] || {
		grep -v '^ok' "$log" || :
		failed+=" $t"
	}
done
same "$failed" "" "unit tests that failed"
# A test sits in its own until it ends; elsewhere they go with the box.
find "$BERTH_V2" -maxdepth 1 -name 'berth-test-*' -exec rmdir {} +
