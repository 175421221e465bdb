#!/bin/bash
# in turn
# time: 400
# The tests of Debian's crun, run against berth-oci: what fails is what crun-suite.list
# says, with the reason, and nothing else.
. "${0%/*}/../lib/lib.sh"
need root python3 gcc

SUITE=$ROOT/build/suite/crun
[ -f "$SUITE/tests/tests_utils.py" ] ||
	skip "no source of crun here (integration/suite build/suite fetches it)"
cp -r "$SUITE/tests" "$DIR/tests"
mkdir "$DIR/include"
echo '#define HAVE_SECCOMP 1' >"$DIR/include/config.h"
gcc -static -I"$DIR/include" -o "$DIR/tests/init" "$DIR/tests/init.c"

# crun's options that runc has not
cat >"$DIR/runtime" <<END
#!/bin/bash
args=()
while [ \$# -gt 0 ]; do
	case \$1 in
	--cgroup-manager) shift ;;
	--config) [ "\$2" = config.json ] || cp "\$2" config.json; shift ;;
	*) args+=("\$1") ;;
	esac
	shift
done
exec "$BIN/berth-oci" "\${args[@]}"
END
chmod +x "$DIR/runtime"

# one expects a pid of five digits
echo 20000 >/proc/sys/kernel/ns_last_pid

cd "$DIR" || exit
for t in tests/test_*.py; do
	name=${t##*/}
	name=${name%.py}
	case $name in test_delete | test_seccomp) continue ;; esac
	OCI_RUNTIME=$DIR/runtime INIT=$DIR/tests/init timeout 100 python3 "$t" \
		>"$DIR/$name.out" 2>"$DIR/$name.err" </dev/null || :
	same "$(grep -c '^\(not \)*ok ' "$DIR/$name.out")" \
		"$(sed -n 's/^1\.\.//p' "$DIR/$name.out")" "results of $name"
	sed -n "s/^not ok [0-9]* - /$name:/p" "$DIR/$name.out"
done >"$DIR/failed"
sort "$DIR/failed" >"$DIR/got"
sed -n 's/^\([^# ][^ ]*\) .*/\1/p' "$ROOT/integration/oci/crun-suite.list" | sort >"$DIR/want"
for name in $(comm -23 "$DIR/got" "$DIR/want"); do
	echo "--- $name"
	tail -n 20 "$DIR/${name%%:*}.out" "$DIR/${name%%:*}.err"
done
same "$(cat "$DIR/got")" "$(cat "$DIR/want")" "what fails, against crun-suite.list"
ok=$(cat "$DIR"/test_*.out | grep '^ok' | grep -vc SKIP)
note "$ok passed, $(grep -c '' "$DIR/got") do not apply, $(cat "$DIR"/test_*.out | grep -c SKIP) skipped by themselves"
[ "$ok" -ge 60 ] || fail "only $ok tests passed"
