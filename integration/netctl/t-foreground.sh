#!/bin/bash
# netctl up --foreground stays, says READY=1 when all is ready, logs to stderr and ends
# everything on SIGTERM.
. "${0%/*}/lib.sh"
need root curl jq python3

cat >"$DIR/notify.py" <<'P'
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
s.settimeout(20)
print(s.recv(100).decode(), flush=True)
P
in_background notify.log python3 "$DIR/notify.py" "$DIR/n.sock"
notify=$PID
wait_until 5 test -S "$DIR/n.sock"
NOTIFY_SOCKET=$DIR/n.sock in_background up.log "$NETCTL" up --foreground
wait "$notify"
same "$(cat "$DIR/notify.log")" READY=1
pid_named berth-bridge >/dev/null
contains "$(cat "$DIR/up.log")" 'berth-bridge is ready'
fails_with 'runs already' "$NETCTL" up --foreground
contains "$("$NETCTL" up)" 'was ready'
end "$PID"
fails pgrep -x berth-bridge
[ ! -e "$(sock berth-bridge)" ] || fail "the socket is left"

# what can't start is never said to be ready
cat >"$DIR/unready.py" <<'P'
import os, socket, subprocess, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
s.setblocking(False)
done = subprocess.run(sys.argv[2:], env=dict(os.environ, NOTIFY_SOCKET=sys.argv[1]),
                      stderr=subprocess.DEVNULL)
try:
    print(s.recv(100).decode())
except BlockingIOError:
    print("silent, status", done.returncode)
P
mkdir "$DIR/half"
cp "$NETCTL" "$(command -v berth-bridge)" "$DIR/half/"
printf '#!/bin/sh\nexit 2\n' >"$DIR/half/berth-named"
chmod +x "$DIR/half/berth-named"
same "$(python3 "$DIR/unready.py" "$DIR/u.sock" \
	"$DIR/half/netctl" up --foreground berth-bridge berth-named)" "silent, status 1"
fails pgrep -x berth-bridge

# and ends it with an error
fails_with 'exited with status 2' "$NETCTL" up --foreground berth-bridge -- --nonsense
fails pgrep -x berth-bridge
