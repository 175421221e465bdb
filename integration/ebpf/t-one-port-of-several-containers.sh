#!/bin/bash
# netctl port add: one host port balanced over containers, TCP and UDP, IPv4 and IPv6, from
# LAN, host and container; one that is killed gets nothing more, and open connections to the
# others go on; so they do through kill -9 of the daemon.
# time: 120
export DATAPLANE=ebpf
. "${0%/*}/../lib/lib.sh"
need python3

berth_host
for n in 1 2; do
	docker network create -d berth-bridge --ipv6 --subnet "10.6$n.0.0/24" \
		--subnet "fd00:6$n::/64" "n$n" >/dev/null
done
docker network create -d berth-bridge --subnet 10.63.0.0/24 \
	-o berth.dataplane=nft slow >/dev/null
back() { # NAME NUMBER
	serve "$1" n1 80 --ip "10.61.0.$2" --ip6 "fd00:61::$2"
}
back web1 11
back web2 12
serve web3 n2 80 --ip 10.62.0.13 --ip6 fd00:62::13
serve old slow 80
export BERTH_DOCKER=${DOCKER_HOST#unix://}
port() {
	"$BIN/netctl" port "$@"
}
states() { # PORT: "web1 alive" lines
	port ls --json | jq -r --argjson p "$1" \
		'.[] | select(.HostPort == $p) | "\(.Container // "-") \(.State)"' | sort
}

# --- what can't be is refused, and says what to do ------------------------------

fails_with "which balances nothing: make it with -o berth.dataplane=ebpf" \
	port add 8080 --backend old:80
fails_with "no network of berth-bridge has that address" \
	port add 8080 --backend 10.99.0.1:80
fails_with "No such container" port add 8080 --backend nobody:80
fails_with "balances one" port add 8080
fails_with "no balanced port 8080: " port rm 8080
same "$(port ls --json | jq length)" 0 "nothing is left of what was refused"
fails curl -s --max-time 2 http://127.0.0.1:8080/

fails_with "no balanced port 8080: " port backend add 8080 web1:80

# --- spread -------------------------------------------------------------------

port add 8080 --backend web1:80 --backend web2:80 --backend web3:80
port add 8080 --backend web1:80 --backend web2:80 --backend web3:80 # twice
same "$(states 8080)" $'web1 alive\nweb2 alive\nweb3 alive'
fails_with "is balanced already, over other backends" \
	port add 8080 --backend web1:80
fails_with "web1:81 is no backend of port 8080" port backend rm 8080 web1:81

# asked WHERE HOST N - N connections, how many answered by whom.
asked() {
	local where=$1 url="http://$2:8080/" n=$3 urls=() i
	for ((i = 0; i < n; i++)); do urls+=("$url"); done
	# a connection each
	case $where in
	lan) ns lan curl -gsS --no-keepalive -H 'Connection: close' \
		--connect-timeout 5 "${urls[@]}" ;;
	host) curl -gsS -H 'Connection: close' --connect-timeout 5 \
		--noproxy '*' "${urls[@]}" ;;
	*) inns "$(pid_of "$where")" curl -gsS -H 'Connection: close' \
		--connect-timeout 5 "${urls[@]}" ;;
	esac | sort | uniq -c | awk '{print $2, $1}'
}
# A share of 90 is 30; three deviations of 4.5 to each side.
fair() { # TEXT NAME...
	local name n
	same "$(awk '{print $1}' <<<"$1" | xargs)" "${*:2}" "who answered"
	for name in "${@:2}"; do
		n=$(awk -v w="$name" '$1 == w {print $2}' <<<"$1")
		[ "$n" -ge $((90 / ($# - 1) - 15)) ] ||
			fail "$name had $n of 90: $1"
	done
}
fair "$(asked lan 192.0.2.1 90)" web1 web2 web3
fair "$(asked lan '[2001:db8:2::1]' 90)" web1 web2 web3
fair "$(asked host 127.0.0.1 90)" web1 web2 web3
fair "$(asked host '[::1]' 90)" web1 web2 web3
fair "$(asked host 192.0.2.1 90)" web1 web2 web3
fair "$(asked web1 192.0.2.1 90)" web1 web2 web3

# UDP: a client's socket stays with one container.
for w in web1 web2; do
	in_background "udp-$w.log" nsenter "--net=/proc/$(pid_of $w)/ns/net" -- \
		python3 -c "
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(('0.0.0.0', 5353))
print('ready', flush=True)
while True:
    data, who = s.recvfrom(100)
    s.sendto(b'$w', who)"
	wait_until 5 grep -q ready "$DIR/udp-$w.log"
done
port add 53530/udp --backend web1:5353 --backend web2:5353
cat >"$DIR/udp.py" <<'END'
import collections, socket, sys
seen = collections.Counter()
for i in range(40):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.settimeout(3)
    answers = set()
    for k in range(3):
        s.sendto(b"?", (sys.argv[1], 53530))
        data, who = s.recvfrom(100)
        assert who == (sys.argv[1], 53530), who
        answers.add(data.decode())
    assert len(answers) == 1, answers
    seen.update(answers)
print(*sorted(seen))
END
same "$(ns lan python3 "$DIR/udp.py" 192.0.2.1)" "web1 web2" "UDP, LAN"
same "$(python3 "$DIR/udp.py" 127.0.0.1)" "web1 web2" "UDP, host"

# --- a port has one holder ------------------------------------------------------

fails_with "is balanced over containers: 'netctl port rm 8080/tcp'" \
	docker run --rm --network n1 -p 8080:80 bb:1 true
serve single n1 80 -p 8081:80
fails_with "host port 8081/tcp is published by endpoint" \
	port add 8081 --backend web1:80
in_background holder.log "$IT/lib/server" tcp 8082 echo
holder=$PID
wait_until 5 grep -q ready "$DIR/holder.log"
fails_with "$holder" port add 8082 --backend web1:80
end "$holder"
fails "$IT/lib/server" tcp 8080 echo
docker rm -f single >/dev/null

# --- one dies, flows stay ---------------------------------------------------------

# Who has the connection: by its own socket in the container.
for w in web1 web2 web3; do server $w tcp 9000; done
port add 9000 --backend web1 --backend web2 --backend web3
lan_traffic stream 192.0.2.1 9000
flow=$PID
holder_of() {
	local w
	for w in web1 web2 web3; do
		inns "$(pid_of $w)" ss -Htn state established sport = :9000 |
			grep -q . && echo $w
	done
	:
}
wait_until 5 test -n "$(holder_of)"
stays=$(holder_of)
same "$(wc -w <<<"$stays")" 1 "one container has the connection"
others=$(printf '%s\n' web1 web2 web3 | grep -v "^$stays$")
dies=$(head -1 <<<"$others")
lives=$(tail -1 <<<"$others")
mapfile -t two < <(printf '%s\n' "$stays" "$lives" | sort)
docker kill "$dies" >/dev/null
wait_until 5 test "$(states 8080 | grep -c alive)" = 2
fair "$(asked lan 192.0.2.1 90)" "${two[@]}"
fair "$(asked host 127.0.0.1 90)" "${two[@]}"
kill -0 "$flow" || fail "the open connection to $stays ended"

# --- taken off the list it keeps what it has --------------------------------------

port backend rm 9000 "$stays"
ns lan python3 - <<'END'
import socket
for i in range(30):
    s = socket.create_connection(("192.0.2.1", 9000), 5)
    s.sendall(b"hello\n")
    assert s.recv(10)
END
same "$(holder_of)" "$stays" "the flow is where it was, alone"

# --- the daemon is killed ----------------------------------------------------------

for _ in 1 2; do
	kill9_daemon berth-bridge
	fair "$(asked lan 192.0.2.1 90)" "${two[@]}"
	start_daemon berth-bridge --dataplane ebpf
	fair "$(asked lan 192.0.2.1 90)" "${two[@]}"
done
fails_with "is balanced over containers" \
	docker run --rm --network n1 -p 8080:80 bb:1 true
# after the walk that ends flows of ports and containers that are no more
pause 3
traffic_end "$flow"
same "$(states 8080 | grep -c alive)" 2
same "$(api Berth.Check '{}' berth-bridge | jq -c .Problems)" "[]"

# --- it comes back, and is in again --------------------------------------------------

docker start "$dies" >/dev/null
wait_until 10 listens "$(pid_of "$dies")" 80
fair "$(asked lan 192.0.2.1 90)" web1 web2 web3

# --- members by name ----------------------------------------------------------------

fails_with "berth.service: " docker run --rm --network \
	name=n1,driver-opt=berth.service=web:x bb:1 true
fails_with "berth.service needs -o berth.dataplane=ebpf" docker run --rm --network \
	name=slow,driver-opt=berth.service=web bb:1 true
port add 8090 --service web
same "$(states 8090)" "- no backend"
fails ns lan curl -s --max-time 2 http://192.0.2.1:8090/
for i in 1 2; do
	docker run -d --name "m$i" --stop-signal KILL \
		--network "name=n1,driver-opt=berth.service=web:80" bb:1 \
		sh -c "echo m$i >/www/index.html; exec httpd -f -p 80 -h /www" >/dev/null
	wait_until 10 listens "$(pid_of "m$i")" 80
done
same "$(states 8090)" $'m1 alive\nm2 alive'
named() {
	local urls=() i
	for ((i = 0; i < 30; i++)); do urls+=(http://192.0.2.1:8090/); done
	ns lan curl -sS -H 'Connection: close' "${urls[@]}" | sort -u | xargs
}
same "$(named)" "m1 m2"
# A UDP socket of this host that connected leads to its container for good; when that
# goes it is told so, and the others' are not.
for m in m1 m2; do
	in_background "udp-$m.log" nsenter "--net=/proc/$(pid_of $m)/ns/net" -- \
		"$IT/lib/server" udp 80 echo
	wait_until 5 grep -q ready "$DIR/udp-$m.log"
done
port add 8090/udp --service web
cat >"$DIR/connected.py" <<'END'
import socket, sys
def dial():
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.settimeout(3)
    s.connect(("127.0.0.1", 8090))
    return s
def ask(s):
    s.send(b"?")
    return s.recv(100)
socks = [dial() for i in range(24)]
for s in socks:
    ask(s)
print("ready", flush=True)
sys.stdin.readline()
went = stayed = 0
for s in socks:
    try:
        ask(s)
        stayed += 1
    except socket.timeout:
        raise
    except OSError:
        ask(dial())
        went += 1
print("moved on" if went and stayed else f"{went} went, {stayed} stayed")
END
mkfifo "$DIR/go"
in_background connected.log sh -c "exec python3 '$DIR/connected.py' <'$DIR/go'"
exec 9>"$DIR/go"
wait_until 10 grep -q ready "$DIR/connected.log"
docker rm -f m1 >/dev/null
same "$(states 8090)" $'m2 alive\nm2 alive'
echo >&9
exec 9>&-
wait_until 10 grep -q 'moved on' "$DIR/connected.log"
port rm 8090/udp
same "$(states 8090)" "m2 alive"
same "$(named)" m2
docker restart -t 0 m2 >/dev/null
wait_until 10 listens "$(pid_of m2)" 80
same "$(named)" m2

# --- all gone: refused at once, and held ---------------------------------------------

docker rm -f m2 >/dev/null
start=$(now_ms)
fails ns lan curl -s --max-time 5 http://192.0.2.1:8090/
at_most $(($(now_ms) - start)) 2000 "ms until it was refused"
fails curl -s --max-time 5 http://127.0.0.1:8090/

# --- gone with its port ---------------------------------------------------------------

for p in 8080 8090 9000 53530/udp; do port rm "$p"; done
same "$(port ls --json | jq length)" 0
fails ns lan curl -s --max-time 2 http://192.0.2.1:8080/
fails curl -s --max-time 2 http://127.0.0.1:8080/
serve last n1 80 -p 8080:80
same "$(fetch http://127.0.0.1:8080/)" last
