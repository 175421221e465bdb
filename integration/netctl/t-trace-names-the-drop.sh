#!/bin/bash
# netctl trace names each dropped packet, the interface and the reason; once it has
# ended the programs tell nobody.
. "${0%/*}/../lib/lib.sh"
. "$IT/lib/iso.sh"

berth_host
netctl trace >"$DIR/none.out" 2>"$DIR/none.err" && fail "traced nothing at all"
grep -q "nothing to watch" "$DIR/none.err" ||
	fail "without a network: $(cat "$DIR/none.err")"

docker network create -d berth-bridge --subnet 10.65.0.0/24 n1 >/dev/null

container mallory n1
container victim n1
listening
port=$(port_of mallory)

in_background trace.log netctl trace --json
tracer=$PID
# the first events are from when the lease begins
traced() {
	at mallory "$IT/lib/forge" send eth0 udp src=10.65.0.77 \
		dst="$(ip_of victim n1)" dport=9 text=lie >/dev/null
	grep -q '"forged source address"' "$DIR/trace.log"
}
wait_until 10 traced
jq -es --arg port "$port" 'map(select(.Why == "forged source address"))[0]
	| .Interface == $port and .Where == "from the container"
	and .Kind == "udp" and (.From | startswith("10.65.0.77:"))
	and (.To | endswith(":9")) and .Length > 40' "$DIR/trace.log" >/dev/null ||
	fail "not what was sent: $(head -n 3 "$DIR/trace.log")"
note "$(head -n 1 "$DIR/trace.log")"

at mallory "$IT/lib/forge" send eth0 arp-request smac=02:00:00:00:00:99 \
	spa=10.65.0.2 tpa=10.65.0.3 text=mac >/dev/null
wait_until 5 grep -q '"forged MAC".*"02:00:00:00:00:99"' "$DIR/trace.log"

# only one listens
netctl trace >/dev/null 2>"$DIR/second.err" && fail "two traced at once"
grep -q "somebody else traces" "$DIR/second.err" || fail "$(cat "$DIR/second.err")"

kill -TERM "$tracer"
wait "$tracer" || fail "ended by TERM with status $?"
lines=$(wc -l <"$DIR/trace.log")
[ "$lines" -ge 2 ] || fail "only $lines lines"

netctl trace --for 1s >"$DIR/text.out"
grep -qv "10.65.0.77" "$DIR/text.out" && fail "what is that: $(cat "$DIR/text.out")"
for odd in "--for x" "berth-nothing" "a b"; do
	# shellcheck disable=SC2086 # words
	netctl trace $odd >/dev/null 2>"$DIR/odd.err" && fail "taken: trace $odd"
	[ -s "$DIR/odd.err" ] || fail "silent: trace $odd"
done
