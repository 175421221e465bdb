#!/bin/bash
# netctl top shows what interfaces and ports counted, on both dataplanes, over a killed
# daemon and one that hangs; on a terminal it is drawn, fits, and gives the terminal back.
#
# alone
# time: 600
. "${0%/*}/lib.sh"
need curl jq python3

lan
fails_with 'no network daemon has a socket' "$NETCTL" top --once
fails_with 'bytes, packets, conns or name' "$NETCTL" top --once -s x
fails_with 'a number from 1 on' "$NETCTL" top -n 0
fails_with '100ms to 1h' "$NETCTL" top -d 1ms
fails_with '100ms to 1h' "$NETCTL" top -d 0

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
	wait_until 30 ns $n curl -sf --noproxy '*' -o /dev/null http://127.0.0.1/
done

# get PORT - 3 MB out of the container, as the lan gets them; once a call.
get() {
	same "$(ns lan curl -sS --noproxy '*' --max-time 60 -o /dev/null \
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
# all_counted - what ip says of all of them.
all_counted() {
	local n
	for n in web db idle; do
		echo "$n $(counted $n tx.bytes) $(counted $n rx.bytes) $(counted $n rx.packets)"
	done
}
# A look at what did not move meanwhile, with a look before it that had all rows.
settled() {
	was=$(all_counted)
	"$NETCTL" top --json --once -d 300ms >top.json
	[ "$was" = "$(all_counted)" ] && jq -e '.Problems == [] and
		[(.Networks, .Endpoints, .Ports) | length] == [2, 3, 2] and
		all(.Endpoints[]; .BytesOutRate != null)' top.json
}
wait_until 60 settled
while read -r n out in packets; do
	same "$(of Endpoints "$n" BytesOut)" "$out" "$n out"
	same "$(of Endpoints "$n" BytesIn)" "$in" "$n in"
	same "$(of Endpoints "$n" PacketsIn)" "$packets" "$n packets in"
	[ "$n" = idle ] || [ "$out" -gt 3000000 ] || fail "less than was fetched"
done <<<"$was"
same "$(of Endpoints web Conns)" null
same "$(of Endpoints db Conns)" 1
same "$(of Ports web BytesOut)" null
same "$(of Ports db Conns)" 1
[ "$(of Ports db BytesOut)" -gt 3000000 ] || fail "$(cat top.json)"
for n in fast:db slow:web,idle; do
	same "$(of Networks ${n%:*} BytesOut)" \
		"$(awk -v of=",${n#*:}," 'index(of, "," $1 ",") { n += $2 } END { print n }' <<<"$was")"
done
same "$(of Endpoints idle BytesOutRate)" 0
same "$(of Networks slow Endpoints)" 2

# Two fetches a second of 3 MB, for as long as it lasts.
cat >pull.sh <<END
while :; do
	curl -s --noproxy '*' --max-time 60 -o /dev/null http://192.0.2.1:8080/big
	curl -s --noproxy '*' --max-time 60 -o /dev/null http://192.0.2.1:8081/big
	sleep 0.3
done
END
note "rates are what the totals grew by"
in_background pull.log nsenter --net=/run/netns/lan -- bash pull.sh
puller=$PID
# Between two looks a total grew by its rate times the time between their readings, which
# we are not told: it has to be one time for all that is read at once, and all of them
# together no longer than the command took.
cat >rates.jq <<'END'
[.[] | INDEX(.Endpoints[], .Ports[]; .Container + (.Host // ""))] as $looks |
[$looks[-1] | to_entries[] | select(.value.BytesOut and (.key | test("idle") | not)) | .key] |
map(. as $k | [range(1; $looks | length) | $looks[. - 1][$k] as $a | $looks[.][$k] as $b |
	select($a.BytesOut and $b.BytesOut) |
	[("BytesOut", "PacketsIn") as $f | ($b[$f] - $a[$f]) as $grew |
		$b[$f + "Rate"] as $rate | select($grew > 0 and $rate > 0.1) | # to 0.05
		{ least: ($grew / ($rate + 0.051)), most: ($grew / ($rate - 0.051)) }] |
	select(length > 0)] |
	{ agree: all(.[]; (map(.least) | max) <= (map(.most) | min)),
		seconds: (map(map(.least) | max) | add // 0) })
END
# rates_are_right - and is it a run of which much can be said?  A machine that stands still
# now and then may keep us from that, not from the rest.
rates_are_right() {
	local start=${EPOCHREALTIME/./} took
	"$NETCTL" top --json -d 500ms -n 7 >top.json
	took=$((${EPOCHREALTIME/./} - start))
	same "$(wc -l <top.json)" 7
	jq -cs -f rates.jq top.json >rates.json
	jq -e --argjson us $took 'all(.agree and .seconds <= $us / 1e6)' rates.json >/dev/null ||
		fail "rates and totals differ, in $took us: $(cat rates.json top.json)"
	jq -e 'length >= 3 and all(.seconds > 2)' rates.json >/dev/null &&
		jq -es '[.[].Ports[] | select(.HostFirst == 8081).ConnsRate] | add > 0' \
			top.json >/dev/null
}
for try in {1..20}; do
	! rates_are_right || break
	[ "$try" != 20 ] || fail "hardly any rate: $(cat rates.json top.json)"
done
end "$puller"
tables() {
	"$NETCTL" top --once -d 200ms >top.txt
	grep -qE '^/run/netns/db +fast ' top.txt && grep -qE '^\*:8080/tcp .* -$' top.txt &&
		grep -qE '^slow +berth-bridge ' top.txt
}
wait_until 60 tables

note "a daemon that is killed and made again: it is said, and no rate is out of bounds"
in_background top.json "$NETCTL" top --json -d 200ms
top=$PID
has() { # JQ - one of the last looks
	tail -n 3 top.json | jq -es "any($1)" >/dev/null 2>&1
}
wait_until 60 has '.Endpoints | length == 3'
kill9_daemon berth-bridge
wait_until 60 has '.Problems | any(test("berth-bridge"))'
wait_until 60 has '.Endpoints | length == 0'
ns lan curl -s --noproxy '*' --max-time 60 -o /dev/null http://192.0.2.1:8081/big
start_daemon berth-bridge
wait_until 60 has '(.Endpoints | length == 3) and .Problems == []'
note "an endpoint made again begins anew"
"$NETCTL" detach fast --netns db
"$NETCTL" attach fast --netns db -p 8081:80 >/dev/null
wait_until 60 ns lan curl -sf --noproxy '*' --max-time 10 -o /dev/null http://192.0.2.1:8081/
wait_until 60 has '.Endpoints | length == 3'

note "one that hangs keeps nobody waiting"
kill -STOP "${DAEMON_PID[berth-macvlan]}"
wait_until 60 has '.Problems | any(test("berth-macvlan: no answer for"))'
wait_until 60 has '(.Endpoints | length == 3) and
	(.Problems | any(test("berth-macvlan: no answer for")))' # the others are still there
lines=$(wc -l <top.json)
more() {
	[ "$(wc -l <top.json)" -ge $((lines + 5)) ]
}
wait_until 60 more
start=${EPOCHREALTIME/./}
kill -TERM "$top"
rc=0
wait "$top" || rc=$?
same "$rc" $((128 + 15)) "status of one that TERM ended"
at_most $(((${EPOCHREALTIME/./} - start) / 1000)) 10000 "ms to end while one hangs"
kill -CONT "${DAEMON_PID[berth-macvlan]}"
jq -es 'map([.Networks, .Endpoints, .Ports] | .[][] | to_entries[]
	| select(.key | endswith("Rate")).value | select(. != null)) | all(. >= 0 and . < 1e9)' \
	top.json >/dev/null || fail "a rate out of bounds: $(cat top.json)"

note "one whose output nobody reads ends by TERM"
"$IT/lib/full-pipe" "$NETCTL" top --json -d 100ms

note "on a terminal"
cat >term.py <<'END'
"""Drives "netctl top" on a terminal and says what is wrong."""
import fcntl, os, pty, re, select, signal, struct, subprocess, sys, termios, time

netctl, hangs = sys.argv[1], int(sys.argv[2])
for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
    signal.signal(number, signal.SIG_DFL)  # they may be ignored where the tests began


def size(fd, rows, cols):
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))


def until(fd, text, got):
    end = time.monotonic() + 60
    while text not in got[0]:
        assert time.monotonic() < end, (text, got[0][-2000:])
        if select.select([fd], [], [], 0.2)[0]:
            try:
                got[0] += os.read(fd, 65536)
            except OSError:  # nobody has the other end any more
                assert text in got[0], (text, got[0][-2000:])
    return got[0]


def frames(data):
    """The complete ones of them; the terminal puts a CR of its own before each LF."""
    return [re.sub(rb"\x1b\[[0-9;?]*[a-zA-Z]|\r", b"", f).split(b"\n")
            for f in data.split(b"\x1b[H")[1:-1]]


def until_frames(fd, enough, data=b""):
    end = time.monotonic() + 60
    while not enough(frames(data)):
        assert time.monotonic() < end, data[-2000:]
        if select.select([fd], [], [], 0.2)[0]:
            data += os.read(fd, 65536)
    return data


def fits(frame):
    return len(frame) <= 8 and max(map(len, frame)) <= 24 and b"more" in b"".join(frame)


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
    # Frames of the size before may be under way; after the first that fits all have to.
    data = until_frames(master, lambda f: any(map(fits, f)))
    while not fits(frames(data)[0]):
        data = data[data.index(b"\x1b[H", data.index(b"\x1b[H") + 1):]
    for frame in frames(until_frames(master, lambda f: len(f) >= 3, data)):
        assert fits(frame), frame
    if how == "q":
        os.write(master, b"q")
    else:
        os.kill(p.pid, how)
    until(master, b"\x1b[?25h\x1b[?1049l", got)
    assert p.wait(60) == 0, how
    assert termios.tcgetattr(slave) == was, "the terminal is not as it was"
    os.close(master)
    os.close(slave)


def has_state(pid, states):
    with open("/proc/%d/stat" % pid) as f:
        return f.read().rpartition(")")[2].split()[0] in states


def signals(pid, key):
    with open("/proc/%d/status" % pid) as f:
        return int(re.search(key + r":\s*(\w+)", f.read())[1], 16)


def wait_until(what):
    end = time.monotonic() + 60
    while not what():
        assert time.monotonic() < end, what
        time.sleep(0.01)


# What is ignored stays so, as by nohup.
master, slave = pty.openpty()
size(master, 16, 90)
p = subprocess.Popen([netctl, "top", "-d", "200ms"], stdin=slave, stdout=slave,
                     stderr=slave, start_new_session=True,
                     preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
until(master, b"\x1b[?1049h", [b""])
assert signals(p.pid, "SigIgn") & 1
os.kill(p.pid, signal.SIGHUP)
until_frames(master, lambda f: len(f) >= 5)
os.write(master, b"q")
assert p.wait(60) == 0
os.close(master)
os.close(slave)

# Stopped before the screen was taken: one that hangs keeps the first look waiting.
os.kill(hangs, signal.SIGSTOP)
master, slave = pty.openpty()
size(master, 16, 90)
was = termios.tcgetattr(slave)
p = subprocess.Popen([netctl, "top", "-d", "200ms"], stdin=slave, stdout=slave,
                     stderr=slave, start_new_session=True)
wait_until(lambda: signals(p.pid, "SigBlk") >> signal.SIGTSTP - 1 & 1)
os.kill(p.pid, signal.SIGTSTP)
wait_until(lambda: has_state(p.pid, "T"))
assert termios.tcgetattr(slave) == was, "the terminal of one that is stopped"
os.kill(p.pid, signal.SIGCONT)
got = [b""]
until(master, b"no answer for", got)
assert got[0].count(b"\x1b[?1049h") == 1, got[0]
os.write(master, b"q")
assert p.wait(60) == 0
assert termios.tcgetattr(slave) == was, "the terminal after a stop"
os.kill(hangs, signal.SIGCONT)
END
python3 term.py "$NETCTL" "${DAEMON_PID[berth-macvlan]}" || fail "on a terminal"

for n in web idle; do
	"$NETCTL" detach slow --netns $n
done
"$NETCTL" detach fast --netns db
"$NETCTL" network rm slow >/dev/null
"$NETCTL" network rm fast >/dev/null
