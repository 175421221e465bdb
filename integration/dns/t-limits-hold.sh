#!/bin/bash
# One container that floods, holds connections or sends slowly takes nothing from
# another; guessed answers of resolvers are dropped.
# time: 120
. "${0%/*}/../lib/lib.sh"
need dig dnsnets python3

lan
ip link add br1 type bridge
ip link set br1 up
ip addr add 10.9.1.1/24 dev br1
for c in 2 3; do
	new_ns c$c
	ip link add v$c type veth peer name eth0 netns c$c
	ip link set v$c master br1 up
	ns c$c ip addr add 10.9.1.$c/24 dev eth0
	ns c$c ip link set eth0 up
done

# A resolver that sends four wrong answers before the right one, and none at all to
# names that begin with "hang".
cat >liar.py <<'END'
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("192.0.2.2", 53))
other = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
other.bind(("192.0.2.2", 5353))
def answer(q, head, question, last):
    return head + b"\x81\x80\0\1\0\1\0\0\0\0" + question + \
        b"\xc0\x0c\0\1\0\1\0\0\0\5\0\4\xcb\0\x71" + bytes([last])
print("ready", flush=True)
while True:
    q, who = s.recvfrom(4096)
    end = q.index(0, 12) + 5
    if q[13:17] == b"hang":
        continue
    question = q[12:end]
    s.sendto(answer(q, bytes([q[0] ^ 1, q[1]]), question, 66), who)
    s.sendto(answer(q, q[:2], question.swapcase(), 66), who)
    s.sendto(answer(q, q[:2], b"\4evil\0\0\1\0\1", 66), who)
    other.sendto(answer(q, q[:2], question, 66), who)
    s.sendto(answer(q, q[:2], question, 7), who)
END
in_background liar.log nsenter --net=/run/netns/lan -- python3 liar.py
wait_until 5 grep -q ready liar.log
echo 'nameserver 192.0.2.2' >resolv
mount --bind "$PWD/resolv" "$(realpath /etc/resolv.conf)"

mkfifo told
# With the limit of descriptors that most hosts give is less than it may have waiting.
(ulimit -Sn 128 && exec "$TOOLS/dnsnets") <told >served.log 2>&1 &
SERVER=$!
STARTED+=("$SERVER")
exec 7>told
printf '%s\n' 'net n br1 - open 10.9.1.1 10.9.1.0/24' 'name n web 10.9.1.2' set >&7
wait_until 5 grep -q '^set' served.log

short() { # NAMESPACE ARG...
	ns "$1" dig +time=5 +tries=1 +short @10.9.1.1 "${@:2}"
}
for i in $(seq 20); do
	same "$(short c3 "Name$i.Example")" 203.0.113.7 "past guessed answers"
done

# --- a flood of questions that hang -----------------------------------------
cat >flood.py <<'END'
import socket, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.connect(("10.9.1.1", 53))
s.setblocking(False)
n, codes, end = 0, {}, time.time() + 3
while time.time() < end:
    for i in range(20):
        name = b"hang%06d" % n
        q = bytes([n >> 8 & 255, n & 255]) + b"\1\0\0\1\0\0\0\0\0\0" + \
            bytes([len(name)]) + name + b"\0\0\1\0\1"
        try:
            s.send(q)
            n += 1
        except OSError:
            break
    try:
        while True:
            code = s.recv(4096)[3] & 15
            codes[code] = codes.get(code, 0) + 1
    except OSError:
        pass
    time.sleep(0.001)
print("sent", n, "refused", codes.get(5, 0), "servfail", codes.get(2, 0), flush=True)
END
in_background flood.log nsenter --net=/run/netns/c2 -- python3 flood.py
FLOOD=$PID
slow=0 wrong=0
for i in $(seq 40); do
	ns c3 dig +time=5 +tries=1 @10.9.1.1 "during$i.example" >during || :
	t=$(sed -n 's/.*Query time: \([0-9]*\) msec/\1/p' during)
	[ "${t:-9999}" -le 250 ] || slow=$((slow + 1))
	grep -q 'IN.*A.*203\.0\.113\.7' during || wrong=$((wrong + 1))
done
at_most $slow 4 "of 40 forwarded for another took more than 250 ms"
at_most $wrong 0 "of them were not answered, or not rightly"
wait "$FLOOD"
note "$(cat flood.log)"
read -r _ sent _ refused _ servfail <flood.log
[ "$sent" -gt 10000 ] || fail "the flood was none: $sent"
[ "$refused" -gt 1000 ] || fail "nothing was refused"
[ "$servfail" -gt 256 ] || fail "nothing met the limit of those that wait"

# --- TCP --------------------------------------------------------------------
cat >tcp.py <<'END'
import select, socket, struct, time
def dial():
    s = socket.create_connection(("10.9.1.1", 53), 2)
    s.settimeout(8)
    return s
def query(n, name=b"\3web\0"):
    m = bytes([0, n]) + b"\1\0\0\1\0\0\0\0\0\0" + name + b"\0\1\0\1"
    return struct.pack(">H", len(m)) + m
def answer(s):
    head = s.recv(2, socket.MSG_WAITALL)
    if len(head) < 2:
        return None
    return s.recv(struct.unpack(">H", head)[0], socket.MSG_WAITALL)
def closed(s):
    try:
        return s.recv(1) == b""
    except ConnectionError:
        return True
s = dial()
s.sendall(b"".join(query(n) for n in range(20)))
assert [answer(s)[1] for n in range(20)] == list(range(20)), "pipelined"
s.sendall(b"\0\0")
assert closed(s), "a length of 0"
s = dial()
s.sendall(b"\0\x19")
s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
s.close()
held = [dial() for n in range(40)]
time.sleep(0.3)
alive = 0
for h in held:
    try:
        h.sendall(query(7))
        alive += answer(h) is not None
    except ConnectionError:
        pass
print("alive", alive, flush=True)
t = time.time()
slow = [h for h in held if select.select([h], [], [], 0)[0] == []][0]
for byte in query(9):
    try:
        slow.sendall(bytes([byte]))
    except OSError:
        break
    if select.select([slow], [], [], 0.7)[0]:
        break
assert closed(slow), "a byte at a time"
print("seconds", int(time.time() - t), flush=True)
for h in held:
    assert closed(h), "idle"
print("done", flush=True)
END
in_background tcp.log nsenter --net=/run/netns/c2 -- python3 tcp.py
TCP=$PID
wait_until 10 grep -q alive tcp.log
same "$(short c3 +tcp web)" 10.9.1.2 "another, beside 40 connections"
wait "$TCP" || fail "$(cat tcp.log)"
alive=$(sed -n 's/^alive //p' tcp.log)
at_most "$alive" 32 "connections of one source, of 40"
at_most 30 "$alive" "of them there are at least 30" # one that was reset may count yet
at_most "$(sed -n 's/^seconds //p' tcp.log)" 11 "s for a byte at a time"
# with nothing to do it does nothing
ticks() {
	awk '{ print $14 + $15 }' "/proc/$SERVER/stat"
}
was=$(ticks)
never_within 2 false
at_most $(($(ticks) - was)) 2 "ticks of 10 ms in 2 idle seconds"
echo quit >&7
wait_until 5 gone "$SERVER"
exec 7>&-

# --- out of descriptors: who comes is turned away at once, and nothing spins ---
(ulimit -n 24 && exec "$TOOLS/dnsnets") <told >few.log 2>&1 &
SERVER=$!
STARTED+=("$SERVER")
exec 7>told
printf '%s\n' 'net n br1 - open 10.9.1.1 10.9.1.0/24' 'name n web 10.9.1.2' set >&7
wait_until 5 grep -q '^set' few.log
cat >few.py <<'END'
import select, socket, time
held = [socket.create_connection(("10.9.1.1", 53), 2) for n in range(24)]
end = time.time() + 3
while time.time() < end:
    shut = [h for h in held if select.select([h], [], [], 0)[0]]
    if len(shut) >= 4:
        break
    time.sleep(0.05)
print("shut", len(shut), flush=True)
time.sleep(2)
END
was=$(ticks)
in_background few-tcp.log nsenter --net=/run/netns/c2 -- python3 few.py
FEW=$PID
wait_until 5 grep -q shut few-tcp.log
same "$(short c3 web)" 10.9.1.2 "by UDP, without descriptors"
wait "$FEW"
at_most 4 "$(sed -n 's/^shut //p' few-tcp.log)" "turned away at once, at least 4"
at_most $(($(ticks) - was)) 20 "ticks of 10 ms meanwhile"
same "$(short c3 +tcp web)" 10.9.1.2 "by TCP, when they are back"
echo quit >&7
wait_until 5 gone "$SERVER"
exec 7>&-
ip link del br1
umount "$(realpath /etc/resolv.conf)"
