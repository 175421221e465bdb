#!/bin/bash
# netctl top shows what interfaces and ports counted, on both dataplanes, over a killed
# daemon and one that hangs; on a terminal it is drawn, fits, and gives the terminal back.
. "${0%/*}/lib.sh"
need curl jq python3

lan
fails_with 'no network daemon has a socket' "$NETCTL" top --once
fails_with 'bytes, packets, conns or name' "$NETCTL" top --once -s x
fails_with 'a number from 1 on' "$NETCTL" top -n 0
fails_with '100ms to 1h' "$NETCTL" top -d 1ms

start_daemon berth-ipam
start_daemon berth-bridge
start_daemon berth-macvlan
"$NETCTL" network create --subnet 10.71.0.0/24 slow >/dev/null
"$NETCTL" network create --subnet 10.72.0.0/24 -o berth.dataplane=ebpf fast >/dev/null
for n in web db idle; do
	new_ns $n
done
"$NETCTL" attach slow --netns web -p 8080:80 >/dev/null
"$NETCTL" attach fast --netns db -p 8081:80 >/dev/null
"$NETCTL" attach slow --netns idle >/dev/null
mkdir www
head -c 3000000 /dev/zero >www/big
cat >serve.py <<'END'
"""Serves the directory www; http.server.HTTPServer would look its own name up."""
import functools, http.server, socketserver

handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory="www")
socketserver.ThreadingTCPServer(("0.0.0.0", 80), handler).serve_forever()
END
for n in web db; do
	in_background $n.log nsenter "--net=/run/netns/$n" -- python3 serve.py
	wait_until 5 ns $n curl -sf --noproxy '*' -o /dev/null http://127.0.0.1/
done

# get PORT - 3 MB out of the container, as the lan gets them; once a call.
get() {
	same "$(ns lan curl -sS --noproxy '*' --max-time 10 -o /dev/null \
		-w '%{num_connects} %{size_download}' "http://192.0.2.1:$1/big")" "1 3000000"
}
# counted NETNS FIELD - of eth0 there, by ip.
counted() {
	ip -n "$1" -s -j link show eth0 | jq ".[0].stats64.$2"
}
# of LIST NAME FIELD [FILE] - of the last look.
of() {
	tail -n1 "${4-top.json}" | jq --arg l "$1" --arg n "$2" --arg f "$3" '.[$l][]
		| select(.Container == "/run/netns/" + $n or .Network == $n and $l == "Networks")[$f]'
}

note "totals are those of the interfaces, and of the ports where eBPF carries them"
for p in 8080 8081; do
	get $p
done
quiet() {
	local was
	was="$(counted web tx.bytes) $(counted db tx.bytes)"
	pause 0.3
	[ "$was" = "$(counted web tx.bytes) $(counted db tx.bytes)" ]
}
wait_until 10 quiet
"$NETCTL" top --json --once -d 300ms >top.json
for n in web db; do
	same "$(of Endpoints $n BytesOut)" "$(counted $n tx.bytes)" "$n out"
	same "$(of Endpoints $n BytesIn)" "$(counted $n rx.bytes)" "$n in"
	same "$(of Endpoints $n PacketsIn)" "$(counted $n rx.packets)" "$n packets in"
	[ "$(of Endpoints $n BytesOut)" -gt 3000000 ] || fail "less than was fetched"
done
same "$(of Endpoints web Conns)" null
same "$(of Endpoints db Conns)" 1
same "$(of Ports web BytesOut)" null
same "$(of Ports db Conns)" 1
[ "$(of Ports db BytesOut)" -gt 3000000 ] || fail "$(cat top.json)"
same "$(of Networks fast BytesOut)" "$(counted db tx.bytes)"
same "$(of Networks slow BytesOut)" $(($(counted web tx.bytes) + $(counted idle tx.bytes)))
same "$(of Endpoints idle BytesOutRate)" 0
same "$(of Networks slow Endpoints)" 2
same "$(jq -c .Problems top.json)" '[]'

# Two fetches a second of 3 MB, for as long as it lasts.
cat >pull.sh <<END
while :; do
	curl -s --noproxy '*' --max-time 10 -o /dev/null http://192.0.2.1:8080/big
	curl -s --noproxy '*' --max-time 10 -o /dev/null http://192.0.2.1:8081/big
	sleep 0.3
done
END
note "rates are what the totals grew by"
in_background pull.log nsenter --net=/run/netns/lan -- bash pull.sh
puller=$PID
"$NETCTL" top --json -d 500ms -n 7 >top.json
end "$puller"
same "$(wc -l <top.json)" 7
jq -es --argjson tolerance 0.15 '. as $all | [.[0], .[-1]] |
	map(INDEX(.Endpoints[], .Ports[]; .Container + (.Host // ""))) as [$a, $b] |
	($all[1:] | map(INDEX(.Endpoints[], .Ports[]; .Container + (.Host // "")))) as $looks |
	[$a | keys[] | select($a[.].BytesOut and (test("idle") | not))] |
	length >= 3 and all(. as $k | ["BytesOut", "PacketsIn"] | all(. as $f |
		($b[$k][$f] - $a[$k][$f]) as $grew |
		($looks | map(.[$k][$f + "Rate"] * 0.5) | add) as $sum |
		$grew > 100 and $sum > $grew * (1 - $tolerance) and $sum < $grew * (1 + $tolerance)))' \
	top.json >/dev/null || fail "rates and totals differ: $(cat top.json)"
jq -es '[.[].Ports[] | select(.HostFirst == 8081).ConnsRate] | add > 0' top.json >/dev/null ||
	fail "no connections"
"$NETCTL" top --once -d 200ms >top.txt
grep -qE '^/run/netns/db +fast ' top.txt || fail "$(cat top.txt)"
grep -qE '^\*:8080/tcp .* -$' top.txt || fail "$(cat top.txt)"
grep -qE '^slow +berth-bridge ' top.txt || fail "$(cat top.txt)"

note "a daemon that is killed and made again: it is said, and no rate is out of bounds"
in_background top.json "$NETCTL" top --json -d 200ms
top=$PID
has() { # JQ - one of the last looks
	tail -n 3 top.json | jq -es "any($1)" >/dev/null 2>&1
}
wait_until 10 has '.Endpoints | length == 3'
kill9_daemon berth-bridge
wait_until 10 has '.Problems | any(test("berth-bridge"))'
wait_until 10 has '.Endpoints | length == 0'
ns lan curl -s --noproxy '*' --max-time 5 -o /dev/null http://192.0.2.1:8081/big
start_daemon berth-bridge
wait_until 10 has '(.Endpoints | length == 3) and .Problems == []'
note "an endpoint made again begins anew"
"$NETCTL" detach fast --netns db
"$NETCTL" attach fast --netns db -p 8081:80 >/dev/null
wait_until 10 ns lan curl -sf --noproxy '*' --max-time 5 -o /dev/null http://192.0.2.1:8081/
wait_until 10 has '.Endpoints | length == 3'

note "one that hangs keeps nobody waiting"
kill -STOP "${DAEMON_PID[berth-macvlan]}"
wait_until 10 has '.Problems | any(test("berth-macvlan: no answer for"))'
has '.Endpoints | length == 3' || fail "the others are gone: $(tail -n1 top.json)"
lines=$(wc -l <top.json)
more() {
	[ "$(wc -l <top.json)" -ge $((lines + 5)) ]
}
wait_until 3 more
start=${EPOCHREALTIME/./}
kill -TERM "$top"
wait "$top" || fail "ended by TERM with status $?"
at_most $(((${EPOCHREALTIME/./} - start) / 1000)) 1000 "ms to end while one hangs"
kill -CONT "${DAEMON_PID[berth-macvlan]}"
jq -es 'map([.Networks, .Endpoints, .Ports] | .[][] | to_entries[]
	| select(.key | endswith("Rate")).value | select(. != null)) | all(. >= 0 and . < 1e9)' \
	top.json >/dev/null || fail "a rate out of bounds: $(cat top.json)"

note "on a terminal"
cat >term.py <<'END'
"""Drives "netctl top" on a terminal and says what is wrong."""
import fcntl, os, pty, re, select, signal, struct, subprocess, sys, termios, time

netctl = sys.argv[1]


def size(fd, rows, cols):
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))


def until(fd, text, got):
    end = time.monotonic() + 15
    while text not in got[0]:
        assert time.monotonic() < end, (text, got[0][-2000:])
        if select.select([fd], [], [], 0.2)[0]:
            try:
                got[0] += os.read(fd, 65536)
            except OSError:  # nobody has the other end any more
                assert text in got[0], (text, got[0][-2000:])
    return got[0]


def frames(data):
    return [re.sub(rb"\x1b\[[0-9;?]*[a-zA-Z]", b"", f).split(b"\r\n")
            for f in data.split(b"\x1b[H")[1:-1]]


for how in ("q", signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    master, slave = pty.openpty()
    size(master, 16, 90)
    was = termios.tcgetattr(slave)
    p = subprocess.Popen([netctl, "top", "-d", "200ms"], stdin=slave, stdout=slave,
                         stderr=slave, start_new_session=True)
    got = [b""]
    until(master, b"\x1b[?1049h", got)
    until(master, b"slow", got)
    assert not termios.tcgetattr(slave)[3] & (termios.ECHO | termios.ICANON), "echo"
    for frame in frames(got[0]):
        assert len(frame) <= 16 and max(map(len, frame)) <= 90, frame
    got = [b""]
    size(slave, 8, 24)
    os.kill(p.pid, signal.SIGWINCH)
    until(master, b"\x1b[H", got)
    got = [b""]
    until(master, b"\x1b[H", got)
    got[0] = got[0][got[0].index(b"\x1b[H"):]
    until(master, b"more", got)
    for frame in frames(got[0]):
        assert len(frame) <= 8 and max(map(len, frame)) <= 24, frame
    if how == "q":
        os.write(master, b"q")
    else:
        os.kill(p.pid, how)
    until(master, b"\x1b[?25h\x1b[?1049l", got)
    assert p.wait(10) == 0, how
    assert termios.tcgetattr(slave) == was, "the terminal is not as it was"
    os.close(master)
    os.close(slave)
END
python3 term.py "$NETCTL" || fail "on a terminal"

for n in web idle; do
	"$NETCTL" detach slow --netns $n
done
"$NETCTL" detach fast --netns db
"$NETCTL" network rm slow >/dev/null
"$NETCTL" network rm fast >/dev/null
