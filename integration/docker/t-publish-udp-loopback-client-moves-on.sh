#!/bin/bash
# A program on the host that keeps a connected UDP socket to 127.0.0.1 or ::1 is told
# when the container behind the port goes, and reaches the next one.
# asan
. "${0%/*}/../lib/lib.sh"
. "$IT/lib/iso.sh"

berth_host
docker network create -d berth-bridge --ipv6 --subnet 10.65.0.0/24 \
	--subnet fd00:65::/64 n1 >/dev/null
docker network create -d berth-bridge --subnet 10.66.0.0/24 four >/dev/null
container first n1 -p 5140:81/udp
container other n1 -p 5150:81/udp
container first4 four -p 5160:81/udp
listening
cat >"$DIR/client.py" <<'END'
import socket, sys

def to(host, port):
    s = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET,
                      socket.SOCK_DGRAM)
    s.settimeout(2)
    s.connect((host, port))
    return s

def ask(name):
    host, port = name
    for again in range(2):
        try:
            socks[name].send(b"x\n")
            print(host, port, socks[name].recv(100).split()[0].decode(), flush=True)
            return
        except OSError as e:
            print(host, port, e.strerror or e, flush=True)
            socks[name] = to(host, port)

names = [(h, p) for p in (5140, 5150, 5160) for h in ("127.0.0.1", "::1")]
socks = {n: to(*n) for n in names}
for line in sys.stdin:
    for n in names:
        ask(n)
    print("end", line.strip(), flush=True)
END
mkfifo "$DIR/go"
python3 "$DIR/client.py" <"$DIR/go" >"$DIR/client.out" &
client=$!
exec 7>"$DIR/go"
echo 1 >&7
wait_until 20 grep -q "end 1" "$DIR/client.out"
same "$(sed '/^end 1/q' "$DIR/client.out" | xargs)" "127.0.0.1 5140 first ::1 5140 first\
 127.0.0.1 5150 other ::1 5150 other 127.0.0.1 5160 first4 ::1 5160 first4 end 1"

old=$(ip_of first n1)
for c in first first4; do
	end "${LISTEN[$c]}"
	docker rm -f "$c" >/dev/null
	unset "BOX[$c]"
done
docker run -d --name squatter --network n1 --ip "$old" --stop-signal KILL bb:1 \
	sleep 999 >/dev/null
container second n1 -p 5140:81/udp
container second4 four --ip 10.66.0.9 -p 5160:81/udp
listening
echo 2 >&7
wait_until 20 grep -q "end 2" "$DIR/client.out"
same "$(sed '1,/^end 1/d' "$DIR/client.out" | grep -v '^end' | xargs)" \
	"127.0.0.1 5140 Destination address required 127.0.0.1 5140 second\
 ::1 5140 Destination address required ::1 5140 second\
 127.0.0.1 5150 other ::1 5150 other\
 127.0.0.1 5160 Destination address required 127.0.0.1 5160 second4\
 ::1 5160 Destination address required ::1 5160 second4"
exec 7>&- # the listeners have it, too
end "$client"
