#!/bin/bash
# A daemon takes its socket from LISTEN_FDS: systemd-socket-activate starts it on
# the first request, and the socket outlives the daemon.
. "${0%/*}/../lib/lib.sh"
need systemd-socket-activate curl jq

mkdir -p "$PLUGINS"
for d in "${DAEMONS[@]}"; do
	in_background "$d.activate.log" systemd-socket-activate \
		-l "$(sock "$d")" "$BIN/$d"
	activator=$PID
	wait_until 5 test -S "$(sock "$d")"
	no_process "$d" || fail "$d runs before the first request"
	contains "$(api Plugin.Activate '' "$d")" Implements "the first answer"
	contains "$(api Plugin.Activate '' "$d")" Implements "the second answer"
	# systemd-socket-activate became the daemon
	contains "$(readlink "/proc/$activator/exe")" "$d" "who answers"
	# whoever holds it: without its file nobody comes, and the doctor says so
	mv "$(sock "$d")" "$DIR/away"
	contains "$("$NETCTL" doctor || :)" \
		"$d runs, but the file of its socket is gone" doctor
	mv "$DIR/away" "$(sock "$d")"
	kill "$activator"
	rc=0
	wait "$activator" || rc=$?
	same $rc 0 "exit status of $d after SIGTERM"
	# the socket was not its own: left in place
	[ -S "$(sock "$d")" ] || fail "$d removed a socket that it was handed"
	rm "$(sock "$d")"
done
