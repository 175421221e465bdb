#!/bin/bash
# What happens to a test in the guest is what the runner says of it: it passed,
# failed, was skipped, left something, took too long, hung the guest, made its
# kernel panic, or made it stop.
# soak
# time: 900
. "${0%/*}/../lib/lib.sh"
need qemu-system-x86_64

self() {
	env -u BERTH_BOX -u KEEP -u VERBOSE "$IT/run" -j 2 --shared-host \
		--build "$BUILD" --results "$DIR/results" "$IT"/vm/self/*.sh \
		>"$DIR/said" 2>&1
}
rc=0
self || rc=$?
cat "$DIR/said"
same $rc 1 "status of the runner"
same "$(cut -d' ' -f1,2 "$DIR/results" | sort | tr '\n' ',')" \
	"fail vm/self/fails,fail vm/self/hangs,fail vm/self/leaves,fail vm/self/panics,fail vm/self/powers-off,fail vm/self/too-long,pass vm/self/passes,skip vm/self/skips,"
same "$(tail -1 "$DIR/said" | sed 's/ (.*//')" \
	"integration: 1 passed, 6 failed, 1 skipped"

# says NAME TEXT - the report of that test has it.
says() {
	contains "$(sed -n "\\,^[A-Za-z]*  *vm/self/$1[ :],,/^[A-Za-z]/p" "$DIR/said")" \
		"$2" "what is said of $1"
}
says fails "numbers: got '1', want '2'"
says fails "at integration/vm/self/fails.sh:7"
says skips "needs a-tool-nobody-has"
says leaves "+ loop"
says too-long "before the end"
says too-long "no result within"
says hangs "no result from the guest within 20 s"
says hangs "hung on purpose"
says panics "Kernel panic"
says panics "sysrq triggered crash"
says powers-off "stopped without a result"
