#!/bin/bash
# With --ipam-opt berth.dhcp=on a macvlan container has the address that the LAN's
# udhcpd leases to it: docker inspect says it, it is renewed while the container runs,
# also after kill -9 of berth-ipam at each step, and given back when it stops; without a
# server the error says so in time, and a lease goes on as long as it is valid.
# time: 240
. "${0%/*}/../lib/lib.sh"
need docker jq udhcpd dumpleases

lan
start_daemon berth-macvlan
start_daemon berth-ipam
start_dockerd

# server SECONDS - udhcpd on the LAN, with leases that long.
server_up() {
	cat >udhcpd.conf <<-END
		interface eth0
		start 192.0.2.100
		end 192.0.2.110
		lease_file $DIR/leases
		pidfile $DIR/udhcpd.pid
		option subnet 255.255.255.0
		option router 192.0.2.2
		option lease $1
		min_lease 4
		offer_time 1
	END
	touch leases
	in_background udhcpd.log nsenter --net=/run/netns/lan -- udhcpd -f -a 50 "$DIR/udhcpd.conf"
	SERVER=$PID
	wait_until 5 grep -q started udhcpd.log
}
# What the server itself has leased, by its own account: "address state" a line.
leased() {
	rm leases
	kill -USR1 "$SERVER"
	wait_until 5 eval 'dumpleases -f leases >dumped 2>/dev/null'
	awk 'NR > 1 { print $2, $NF == "expired" ? "free" : "leased" }' dumped
}
is_leased() { # ADDRESS STATE
	[ "$(leased | awk -v a="$1" '$1 == a { print $2 }')" = "$2" ]
}
acks() {
	grep -c "sending ACK to $1" udhcpd.log
}
acked_more() { # ADDRESS THAN
	[ "$(acks "$1")" -gt "$2" ]
}
later_than() { # SECOND
	[ "$(date +%s)" -gt "$1" ]
}
lease() { # ADDRESS FIELD
	api Berth.IpamLeases '{}' berth-ipam |
		jq -r --arg a "$1/24" ".Leases[] | select(.Address == \$a).$2"
}
has() { # ADDRESS FIELD VALUE
	[ "$(lease "$1" "$2")" = "$3" ]
}
net() { # NAME OPTION...
	local name=$1
	shift
	docker network create -d berth-macvlan -o parent=up1 --ipam-driver berth-ipam \
		--ipam-opt berth.dhcp=on "$@" "$name" >/dev/null
}
up() { # CONTAINER FLAG...
	docker run -d --name "$1" --network n1 --stop-signal KILL "${@:2}" bb:1 sleep 999 >/dev/null
}

# What does not go together is refused.
fails_with 'berth.dhcp.parent=INTERFACE' net n1 --subnet 192.0.2.0/24
fails_with 'leave out --ip-range' net n1 --ipam-opt berth.dhcp.parent=up1 \
	--subnet 192.0.2.0/24 --ip-range 192.0.2.64/26

server_up 12
net n1 --ipam-opt berth.dhcp.parent=up1 --subnet 192.0.2.0/24 --gateway 192.0.2.2
up aa
a=$(ip_of aa n1)
note "leased: $a"
contains "$(docker exec aa ip addr show eth0)" "$a/24"
ns lan ping -q -c 1 -W 2 "$a" >/dev/null
is_leased "$a" leased || fail "the server does not know: $(leased)"
same "$(lease "$a" DhcpState) $(lease "$a" DhcpServer) $(lease "$a" DhcpParent)" \
	"bound 192.0.2.2 up1"
contains "$("$NETCTL" ipam leases)" bound
# The subnet was not said: the LAN's is found, but Docker wants to be told where this
# host has a route; so the error says what to write.
fails_with 'add --subnet 192.0.2.0/24 --gateway 192.0.2.2' \
	net n2 --ipam-opt berth.dhcp.parent=up1
fails_with 'is in use with berth.dhcp.parent=up1' docker network create -d berth-macvlan \
	-o parent=up1 --ipam-driver berth-ipam --subnet 192.0.2.0/24 --gateway 192.0.2.2 n2

# A certain address, and a MAC, which is the client's id: both over a restart.
taken=$(leased | cut -d' ' -f1)
b=$(printf '192.0.2.%d\n' {100..110} | grep -vxFm1 "$taken") || fail "taken: $taken"
up bb --ip $b
same "$(ip_of bb n1)" $b
fails_with 'instead of 192.0.2.99' docker run --rm --network n1 --ip 192.0.2.99 bb:1 true
fails_with "Address already in use: $b" \
	docker run --rm --network n1 --ip $b bb:1 true
docker rm -f bb >/dev/null
is_leased $b free || fail "not given back: $(leased)"
up mm --mac-address 02:aa:00:00:00:07
m=$(ip_of mm n1)
docker stop -t 0 aa mm >/dev/null
# To this server an address is not free before the next second.
wait_until 3 later_than "$(date +%s)"
docker start aa mm >/dev/null
same "$(ip_of mm n1)" "$m" "the address after a restart"
same "$(ip_of aa n1)" "$a" "that of one without a MAC of its own"
docker rm -f mm >/dev/null

# Renewed, by the daemon and by its next life: the lease is of 12 s.
n=$(acks "$a")
wait_until 14 acked_more "$a" "$n"
stop_daemon berth-ipam
BERTH_FP=dhcp.renewed:kill in_background renewed.log "$BIN/berth-ipam"
wait_until 14 gone "$PID"
n=$(acks "$a")
start_daemon berth-ipam
wait_until 14 acked_more "$a" "$n"
wait_until 3 has "$a" DhcpState bound

# It dies with a lease that nobody heard of, and with one that it is to give back: the
# server has them again after the next start.
for points in leased:release recorded:released; do
	stop_daemon berth-ipam
	BERTH_FP=dhcp.${points%:*}:kill start_daemon berth-ipam
	(docker run --rm --network n1 bb:1 true; echo $? >rc) >run.log 2>&1 &
	wait_until 10 gone "${DAEMON_PID[berth-ipam]}"
	BERTH_FP=dhcp.${points#*:}:kill start_daemon berth-ipam
	# dockerd asks again after 1, 3, 7, 15 and 31 s.
	wait_until 45 gone "${DAEMON_PID[berth-ipam]}"
	start_daemon berth-ipam
	wait_until 30 test -s rc
	same "$(cat rc)" 0 "a run beside kills at $points: $(cat run.log)"
	rm rc
	wait_until 10 eval '[ "$(leased | grep -c " leased")" = 1 ]'
	same "$(api Berth.IpamLeases '{}' berth-ipam |
		jq '[.Leases[] | select(.Use == "endpoint")] | length')" 1
done

# A failure at either leaves no lease behind.
stop_daemon berth-ipam
BERTH_FP=dhcp.leased:err=ENOSPC:nth=1,dhcp.recorded:err=ENOSPC:nth=1 start_daemon berth-ipam
for _ in 1 2; do
	fails_with 'No space left' docker run --rm --network n1 bb:1 true
	wait_until 3 eval '[ "$(leased | grep -c " leased")" = 1 ]'
done

# The server goes away: for a new container an error that names the interface, after
# 10 s and what docker run takes besides.  The lease is kept while it is valid, then it is lost, which is told; when the
# server is back the same address is asked for.
end "$SERVER"
has "$a" DhcpState lost && fail "lost at once"
then=$(now_ms)
fails_with 'no DHCP server answers on up1' docker run --rm --network n1 bb:1 true
at_most $(($(now_ms) - then)) 20000 "milliseconds until the error"
same "$(api Berth.IpamLeases '{}' berth-ipam | jq -r '.Leases[] | select(.Use == "endpoint").Address')" \
	"$a/24"
wait_until 20 has "$a" DhcpState lost
contains "$(api Berth.Check '{}' berth-ipam | jq -r '.Problems[]')" "DHCP lease of $a is lost"
contains "$("$NETCTL" ipam check || :)" "another host may get the address"
docker exec aa ping -q -c 1 -W 2 192.0.2.2 >/dev/null
server_up 3600
wait_until 30 has "$a" DhcpState bound
is_leased "$a" leased
same "$(api Berth.Check '{}' berth-ipam | jq -c .Problems)" '[]'

docker rm -f aa >/dev/null
is_leased "$a" free || fail "not given back: $(leased)"
docker network rm n1 >/dev/null
end "$SERVER"
