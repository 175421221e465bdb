#!/bin/bash
# integration/ci that is stopped, or ends early, leaves no analyzer running.
. "${0%/*}/../lib/lib.sh"
need setsid pkill

# What it runs: an analyzer that takes long, as it is started for real, and a step
# that takes as long.
mkdir bin
cat >bin/make <<-'END'
	#!/bin/bash
	case $* in
	*fanalyzer*) echo 1 | xargs -n 1 sh -c 'timeout 300 sh -c "echo \$\$ >$PIDS; exec sleep 301"' ;;
	*CC=clang*) echo $$ >"$PIDS.step"; exec sleep 302 ;;
	esac
END
printf '#!/bin/sh\nexit 1\n' >bin/apt-get
chmod 755 bin/*

begin() { # NAME
	export PIDS=$DIR/$1
	PATH=$DIR/bin:$PATH O=$DIR/$1.build setsid env --default-signal=INT "$ROOT/integration/ci" analyze clang \
		>"$1.out" 2>&1 &
	ci=$!
	wait_until 60 test -s "$PIDS" -a -s "$PIDS.step"
	analyzer=$(cat "$PIDS")
	test -e "/proc/$analyzer"
}

ended() {
	! kill -0 "$ci" 2>/dev/null && ! kill -0 "$analyzer" 2>/dev/null
}

for signal in TERM HUP; do
	begin "$signal"
	kill -"$signal" "$ci"
	wait_until 60 ended
	kill "$(cat "$PIDS.step")"
done
begin INT
kill -INT -- "-$ci" # as the terminal does; the analyzers are not in its group
wait_until 60 ended

# A command that fails ends it at once.
begin early
rm "$DIR/early.build/ci/results"
mkdir "$DIR/early.build/ci/results"
kill "$(cat "$PIDS.step")"
wait_until 60 ended
