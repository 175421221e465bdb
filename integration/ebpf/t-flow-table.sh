#!/bin/bash
# --flow-table N is the room for established connections: changed, it costs the flows
# and nothing else, and says so; nearly full, the log says it once, doctor says what to
# do, and both are quiet again when there is room.
export DATAPLANE=ebpf
. "${0%/*}/../lib/lib.sh"

berth_host
for bad in 0 1023 4194305 -5 1e6 many 20k ''; do
	fails_with 'no number of flows from 1024 to 4194304' \
		"$BIN/berth-bridge" --flow-table "$bad"
done
contains "$("$BIN/berth-bridge" --help)" '--flow-table'
docker network create -d berth-bridge --subnet 10.65.0.0/24 n1 >/dev/null
docker run -d --name web --network n1 -p 8080:80 --stop-signal KILL bb:1 sleep 9999 >/dev/null
server web tcp 80 who
room() { # MAP
	bpftool -j map show pinned "/sys/fs/bpf/berth/v1/berth-bridge/$1" | jq .max_entries
}
same "$(room nat_flows) $(room nat_ring)" "327680 32768"
asks() { ns lan timeout 3 bash -c 'read -r who </dev/tcp/192.0.2.1/8080; echo "${who% *}"'; }
flows() { netctl ports --stats --json | jq '.[0].Stats.Flows'; }
same "$(asks)" 192.0.2.2
same "$(flows)" 1

stop_daemon berth-bridge
start_daemon berth-bridge --dataplane ebpf --flow-table 1024
same "$(room nat_flows) $(room nat_ring)" "2560 256"
same "$(grep -c 'event=flows-dropped.*--flow-table' "$DIR/berth-bridge.log")" 1
same "$(asks)" 192.0.2.2
same "$(flows)" 2 "the port goes on counting"
lacks "$(netctl doctor --json || :)" 'established flows'
# The socket hooks follow the host's addresses as before: nothing is masqueraded or
# proxied, so the server sees an address of the host.
ip addr add 203.0.113.9/32 dev lo
hooked() { bpftool -j map dump pinned /sys/fs/bpf/berth/v1/berth-bridge/nat_local | grep -q '"0x09"'; }
wait_until 10 hooked
inhook() { timeout 3 bash -c 'read -r who </dev/tcp/203.0.113.9/8080; echo "${who% *}"'; }
same "$(inhook)" 10.65.0.1
same "$(flows)" 3 "a hook counted it"
ip addr del 203.0.113.9/32 dev lo

stop_daemon berth-bridge
start_daemon berth-bridge --dataplane ebpf --flow-table 1024
same "$(grep -c event=flows-dropped "$DIR/berth-bridge.log")" 1 "the same size drops nothing"

# No container may have more than half of it: two.
for i in 1 2; do
	docker run -d --name hold$i --network n1 -p 808$i:81 --stop-signal KILL bb:1 sleep 9999 >/dev/null
	server hold$i tcp 81 echo
done
in_background crowd.log nsenter --net=/run/netns/lan -- python3 -c '
import socket, sys, time
held = []
for i in range(900):
    s = socket.create_connection(("192.0.2.1", 8081 + i % 2), 5)
    s.sendall(b"x")
    s.recv(1)
    held.append(s)
print("held", flush=True)
time.sleep(600)'
crowd=$PID
wait_until 30 grep -q held "$DIR/crowd.log"
told() { [ "$(grep -c event=flow-table-fills "$DIR/berth-bridge.log")" = 1 ]; }
wait_until 30 told
grep event=flow-table-fills "$DIR/berth-bridge.log" | grep -q 'room for 1024.*--flow-table' ||
	fail "$(grep flow-table-fills "$DIR/berth-bridge.log")"
doctor() { # it ends with status 3 when it found something
	local out
	out=$(netctl doctor --json || :)
	[[ $out == *'more than 80 % full'* ]]
}
wait_until 5 doctor
never_within 12 bash -c "[ \$(grep -c event=flow-table-fills '$DIR/berth-bridge.log') -gt 1 ]"

end "$crowd"
healed() { ! doctor; }
wait_until 40 healed
told || fail "said $(grep -c event=flow-table-fills "$DIR/berth-bridge.log") times"
