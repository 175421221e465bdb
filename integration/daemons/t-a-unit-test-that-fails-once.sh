#!/bin/bash
# A unit program that fails beside others and passes alone is named as unstable, with why;
# one that fails twice has failed; of three that fail none is run again.
. "${0%/*}/../lib/lib.sh"
need make

# A tree with the scripts of this one, whose "unit tests" are shell.
T=$DIR/tree
mkdir -p "$T/integration/checks" "$T/b/d" "$T/log"
cp -r "$ROOT/integration/unit" "$ROOT/integration/lib" "$T/integration/"
cp "$ROOT/integration/checks/tap" "$T/integration/checks/"
cat >"$T/Makefile" <<'END'
tests := $(patsubst %,d/%.c,$(PROGS))
check: $(tests:%.c=$O/%.ok)
$O/%.ok:
	@sh $(CURDIR)/$*.sh >$O/$*.log 2>&1 && touch $@ || { cat $O/$*.log; exit 1; }
print-tests:
	@echo $(tests)
END

mkdir "$T/d"
# program NAME TIMES [LINE...] - fails that many times, and says the lines then.
program() {
	local says
	says=$(printf "echo '%s'\n" "${@:3}")
	cat >"$T/d/$1.sh" <<END
n=\$(cat $T/$1.n 2>/dev/null || echo 0)
echo \$((n + 1)) >$T/$1.n
echo "ok 1 - easy"
[ \$n -ge $2 ] && echo "ok 2 - hard" && exit 0
printf 'not ok 2 - hard\n# it broke because of %s\n' $1
$says
exit 1
END
}

# unit PROGRAM... - the lines it leaves, sorted, on one.
unit() {
	rm -f "$T"/*.n
	(cd "$T" && env -u BERTH_BOX JOBS=2 integration/unit log u b PROGS="$*") || fail "unit: $?"
	sort "$T/log/u.tap" | tr '\n' ','
}

for t in test_good:0 test_once:1 test_twice:2 test_other:1 test_third:1; do
	program "${t%:*}" "${t#*:}"
done
same "$(unit test_good test_once)" \
	"pass test_good:easy,pass test_good:hard,pass test_once:easy,pass test_once:hard,unstable test_once," \
	"one that fails once"
contains "$(cat "$T/log/u-test_once.why")" "it broke because of test_once"
same "$(cat "$T/test_good.n")" 1 "runs of the one that passes"
same "$(unit test_once test_twice)" \
	"fail test_twice:hard,pass test_once:easy,pass test_once:hard,pass test_twice:easy,unstable test_once," \
	"one that fails twice"
contains "$(cat "$T/log/u-test_twice.why")" "it broke because of test_twice"
# a test that fails frees nothing; what else a sanitizer finds is there
program test_leak 1 '==7==ERROR: LeakSanitizer: detected memory leaks' \
	'SUMMARY: AddressSanitizer: 12432 byte(s) leaked in 31 allocation(s).'
program test_wild 1 '==7==ERROR: AddressSanitizer: heap-use-after-free on address 0x6' \
	'SUMMARY: AddressSanitizer: heap-use-after-free a.c:7 in f'
same "$(unit test_leak test_wild | grep -o '\(fail\|unstable\) [^,:]*' | sort -u | tr '\n' ',')" \
	"fail test_wild,unstable test_leak," "what sanitizers said"
same "$(unit test_once test_other test_third | grep -o 'fail\|unstable' | sort | uniq -c |
	tr -s ' ')" " 3 fail" "three that fail"
same "$(cat "$T/test_once.n")" 1 "runs of one of three"
