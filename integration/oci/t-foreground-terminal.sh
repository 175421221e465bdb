#!/bin/bash
# in turn
# time: 300
# run and exec -t in the foreground: its terminal is ours, by size, keys and status, and ours is put back.
. "${0%/*}/../lib/lib.sh"
. "$IT/oci/lib.sh"
need root busybox jq python3

cat >"$DIR/drive.py" <<'END_PY'
# drive.py COMMAND... - on a terminal of 33 x 77; what to do with it comes on stdin, a line each:
# "expect TEXT", "keys TEXT" (Python's escapes), "size ROWS COLS", "status N", "lines N".
import fcntl, os, pty, select, struct, sys, termios, time

TIOCSWINSZ = termios.TIOCSWINSZ
master, slave = pty.openpty()
fcntl.ioctl(slave, TIOCSWINSZ, struct.pack("HHHH", 33, 77, 0, 0))
before = termios.tcgetattr(slave)
pid = os.fork()
if pid == 0:
    os.setsid()
    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
    for i in range(3):
        os.dup2(slave, i)
    os.closerange(3, 100)
    os.execvp(sys.argv[1], sys.argv[1:])
seen = all_of_it = b""


def more(limit):
    global seen, all_of_it
    if not select.select([master], [], [], limit)[0]:
        return False
    got = os.read(master, 65536)
    seen += got
    all_of_it += got
    return True


def fail(text):
    os.kill(pid, 9)
    sys.exit("drive: %s; seen: %r" % (text, all_of_it[-2000:]))


def status():
    end = time.monotonic() + 60
    while time.monotonic() < end:
        done, code = os.waitpid(pid, os.WNOHANG)
        if done:
            while more(0):
                pass
            return os.waitstatus_to_exitcode(code)
        more(0.05)
    fail("did not end")


for line in sys.stdin:
    verb, _, rest = line.rstrip("\n").partition(" ")
    if verb == "expect":
        end = time.monotonic() + 60
        while rest.encode() not in seen:
            if time.monotonic() > end:
                fail("%r did not come" % rest)
            more(0.1)
        seen = seen.partition(rest.encode())[2]
    elif verb == "keys":
        os.write(master, rest.encode().decode("unicode_escape").encode())
    elif verb == "size":
        rows, cols = map(int, rest.split())
        fcntl.ioctl(slave, TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))
    elif verb == "status":
        code = status()
        if code != int(rest):
            fail("status %d, not %s" % (code, rest))
    elif verb == "lines":
        if all_of_it.count(b"\n") != int(rest):
            fail("%d lines, not %s" % (all_of_it.count(b"\n"), rest))
if termios.tcgetattr(slave) != before:
    sys.exit("drive: the terminal is not as it was")
END_PY
# drive COMMAND... - berth-oci on a terminal.
drive() {
	python3 "$DIR/drive.py" "$BIN/berth-oci" --root "$OCI_ROOT" "$@"
}
tty_config() {
	sh_config "$1"
	jq '.process.terminal = true' "$BUNDLE/config.json" >"$DIR/c"
	mv "$DIR/c" "$BUNDLE/config.json"
}
bundle
shows='test -t 0 && test -t 1 && test -t 2 && echo "all $(stty size) $(tty)"'
resized='trap "stty size; exit 6" WINCH; echo ready; while :; do sleep 0.1; done'
typed='trap "echo stopped; exit 9" INT; read -r x; echo "got $x"; while :; do sleep 0.1; done'

note run
tty_config "$shows; ls -l /dev/console | cut -c1; $resized"
drive run --bundle "$BUNDLE" size <<'END'
expect all 33 77 /dev/pts/0
expect c
expect ready
size 44 88
expect 44 88
status 6
END
tty_config "echo ready; $typed"
drive run --bundle "$BUNDLE" keys <<'END'
expect ready
keys hello\n
expect got hello
keys \x03
expect stopped
status 9
END
tty_config 'seq 1 20000; exit 3'
drive run --bundle "$BUNDLE" much <<'END'
status 3
lines 20000
END

note 'a program that writes more than it reads, and one that doesn'\''t read'
mkfifo "$DIR/in"
piped() { # SCRIPT - PID: run, which says "ready"; its input is descriptor 8
	tty_config "$1"
	"$BIN/berth-oci" --root "$OCI_ROOT" run --bundle "$BUNDLE" piped <"$DIR/in" >"$DIR/out" &
	PID=$!
	exec 8>"$DIR/in"
	wait_until 20 grep -q ready "$DIR/out"
}
ended() { # STATUS
	local rc=0
	wait_until 30 gone "$PID"
	wait "$PID" || rc=$?
	same "$rc" "$1" status
	exec 8>&-
}
piped 'stty raw -echo; echo ready; head -c 1100000 | sed p; exit 4'
{ yes 0123456789 || :; } | head -c 1100000 >&8
ended 4
same "$(wc -l <"$DIR/out")" 200001 'lines of output'
piped 'stty raw -echo; trap "exit 5" TERM; echo ready; while :; do sleep 0.1; done'
python3 -c 'import os, select
os.set_blocking(8, False)
while select.select([], [8], [], 0.5)[1]:
    os.write(8, b"x" * 4096)'
kill "$PID"
ended 5
fails_with 'process.terminal needs --console-socket' oci run --detach --bundle "$BUNDLE" detached
same "$(ls "$OCI_ROOT")" '' 'containers left'

note exec
sh_config 'sleep 1000'
oci run --detach --bundle "$BUNDLE" c </dev/null >/dev/null 2>&1
drive exec -t c sh -c "$shows; $resized" <<'END'
expect all 33 77 /dev/pts/0
expect ready
size 44 88
expect 44 88
status 6
END
drive exec -t c sh -c "echo ready; $typed" <<'END'
expect ready
keys hello\n
expect got hello
keys \x03
expect stopped
status 9
END
drive exec -t c sh -c 'seq 1 20000; exit 3' <<'END'
status 3
lines 20000
END
fails_with 'a detached terminal needs --console-socket' oci exec -t -d c true
oci delete --force c
