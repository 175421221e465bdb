#!/bin/bash
# Networks come, go, turn internal and lose their bridges while containers ask by UDP and TCP,
# with names of theirs and of the world: the one that stays is answered all the while.
# time: 120
. "${0%/*}/../lib/lib.sh"
need dig dnsnets python3

lan
bridge_up() { # N
	ip link add "br$1" type bridge
	ip link set "br$1" up
	ip addr add "10.9.$1.1/24" dev "br$1"
	ip link set "v$1" master "br$1"
}
for n in 1 2 3; do
	new_ns "c$n"
	ip link add "v$n" type veth peer name eth0 netns "c$n"
	ip link set "v$n" up
	bridge_up "$n"
	ns "c$n" ip addr add "10.9.$n.2/24" dev eth0
	ns "c$n" ip link set eth0 up
done

# A resolver that answers every third question.
cat >resolver.py <<'END'
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("192.0.2.2", 53))
print("ready", flush=True)
n = 0
while True:
    q, who = s.recvfrom(4096)
    n += 1
    if n % 3:
        continue
    end = q.index(0, 12) + 5
    s.sendto(q[:2] + b"\x81\x80\0\1\0\1\0\0\0\0" + q[12:end] +
             b"\xc0\x0c\0\1\0\1\0\0\0\5\0\4\xcb\0\x71\7", who)
END
in_background resolver.log nsenter --net=/run/netns/lan -- python3 resolver.py
wait_until 5 grep -q ready resolver.log
echo 'nameserver 192.0.2.2' >resolv
mount --bind "$PWD/resolv" "$(realpath /etc/resolv.conf)"
allow '^[-+] mount .*resolv' 'the box has its own'

mkfifo told
"$TOOLS/dnsnets" <told >served.log 2>&1 &
SERVER=$!
STARTED+=("$SERVER")
exec 7>told
declare -A NET=(
	[1]='net n.1 br1 - open 10.9.1.1 10.9.1.0/24'
	[2]='net n.2 br2 two open 10.9.2.1 10.9.2.0/24'
	[i]='net n.2 br2 two internal 10.9.2.1 10.9.2.0/24'
	[3]='net n.3 br3 - open 10.9.3.1 10.9.3.0/24'
)
tell() { # WHICH...
	local which
	for which; do
		printf '%s\n' "${NET[$which]}" "name n.${which/i/2} web 10.9.${which/i/2}.2" >&7
	done
	printf 'set\n' >&7
}
tell 1 2 3
wait_until 5 grep -q '^set' served.log

# Asks for SECONDS, by UDP and by as many connections as one may have.
cat >load.py <<'END'
import random, socket, struct, sys, time
at, seconds = (sys.argv[1], 53), float(sys.argv[2])
def query():
    name = random.choice([b"\3web\0", b"\3web\0", b"\4x%03d\2up\0" % random.randrange(1000)])
    return struct.pack(">H", random.randrange(65536)) + b"\1\0\0\1\0\0\0\0\0\0" + name + b"\0\1\0\1"
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.setblocking(False)
conns, got, end = [], 0, time.time() + seconds
while time.time() < end:
    for i in range(8):
        try:
            udp.sendto(query(), at)
        except OSError:
            pass
    try:
        while udp.recv(4096):
            got += 1
    except OSError:
        pass
    if len(conns) < 24:
        c = socket.socket()
        c.setblocking(False)
        c.connect_ex(at)
        conns.append(c)
    for c in random.sample(conns, min(4, len(conns))):
        try:
            q = query()
            c.send(struct.pack(">H", len(q)) + q)
            got += len(c.recv(4096)) > 0
        except BlockingIOError:
            pass
        except OSError:
            c.close()
            conns.remove(c)
    time.sleep(0.02)
print("answers", got, flush=True)
END
LOADS=()
for n in 1 2 3; do
	in_background "load-$n.log" nsenter --net="/run/netns/c$n" -- \
		python3 load.py "10.9.$n.1" 15
	LOADS+=("$PID")
done
asked=0
end=$(($(now_ms) + 13000))
while [ "$(now_ms)" -lt $end ]; do
	for step in '1 2 3' '1 i 3' '1 3' '1' '1 2' bridge '3 2 1'; do
		if [ "$step" = bridge ]; then
			ip link del br2
			bridge_up 2
			echo tick >&7
			continue
		fi
		# shellcheck disable=SC2086 # words
		tell $step
		same "$(ns c1 dig +time=3 +tries=2 +short @10.9.1.1 web)" 10.9.1.2 "while networks change"
		same "$(ns c1 dig +time=5 +tries=1 +short +tcp @10.9.1.1 web)" 10.9.1.2 "by TCP"
		asked=$((asked + 1))
	done
done
wait "${LOADS[@]}"
note "$asked changes of networks; $(cat load-*.log | tr '\n' ' ')"
for n in 1 2 3; do
	read -r _ got <"load-$n.log"
	[ "$got" -gt 100 ] || fail "network $n had $got answers: there was no load"
done
echo quit >&7
wait "$SERVER" || fail "the server: $(tail -40 served.log)"
fails grep -q 'WARNING: \|ERROR: ' served.log
exec 7>&-
ip link del br1
ip link del br2
ip link del br3
umount "$(realpath /etc/resolv.conf)"
