#!/bin/bash
# Without Docker: netctl port add publishes ports of a namespace that is attached, by
# name, path and pid, on both dataplanes, over a killed daemon, until it is detached.
. "${0%/*}/lib.sh"
need curl jq

lan
start_daemon berth-ipam
start_daemon berth-bridge
"$NETCTL" network create --subnet 10.71.0.0/24 slow >/dev/null
"$NETCTL" network create --subnet 10.72.0.0/24 -o berth.dataplane=ebpf fast >/dev/null
new_ns web
new_ns db
"$NETCTL" attach slow --netns web -p 8080:80 >/dev/null
"$NETCTL" attach fast --netns db >/dev/null
for n in web db; do
	in_background "$n.log" nsenter "--net=/run/netns/$n" -- "$IT/lib/server" tcp 80 who
	wait_until 5 grep -q ready "$n.log"
done
client() {
	ns lan timeout 5 bash -c "exec 3<>/dev/tcp/192.0.2.1/$1; head -n1 <&3"
}
listed() {
	"$NETCTL" port ls "$1" --json |
		jq -r 'sort_by(.HostFirst)[] | "\(.HostFirst)\(if .Live then "+" else "" end)"' | paste -sd' '
}

same "$("$NETCTL" port add web 8081:80)" '*:8081 -> 10.71.0.2:80/tcp'
same "$("$NETCTL" port add /run/netns/db 8082:80)" '*:8082 -> 10.72.0.2:80/tcp'
same "$("$NETCTL" port add "$PID" 8083:80)" '*:8083 -> 10.72.0.2:80/tcp'
same "$(listed web)" '8080 8081+'
same "$(listed db)" '8082+ 8083+'
same "$("$NETCTL" ports --json | jq -r '.[] | "\(.Container) \(.HostFirst)"' | sort)" '/run/netns/db 8082
/run/netns/db 8083
/run/netns/web 8080
/run/netns/web 8081'
fails_with 'no namespace is attached as lan' "$NETCTL" port add lan 8084:80
for p in 8080 8081 8082 8083; do
	contains "$(client $p)" 192.0.2.2
done

kill9_daemon berth-bridge
start_daemon berth-bridge
for p in 8080 8081 8082 8083; do
	contains "$(client $p)" 192.0.2.2
done
"$NETCTL" port rm db 8083:80
"$NETCTL" port rm web 8081:80
fails client 8081
fails client 8083
contains "$(client 8080)" 192.0.2.2
contains "$(client 8082)" 192.0.2.2

# --- two networks: the way out is meant, or what --network says ------------------

"$NETCTL" attach fast --netns web >/dev/null
"$NETCTL" port add web 8081:80 >/dev/null
same "$("$NETCTL" port ls web --json | jq -r '.[] | select(.Live) | .Network')" slow
fails_with 'way out' "$NETCTL" port add web 8084:80 --network fast
fails_with 'on no network nowhere' "$NETCTL" port add web 8084:80 --network nowhere
"$NETCTL" detach fast --netns web

"$NETCTL" detach slow --netns web
"$NETCTL" detach fast --netns db
same "$("$NETCTL" ports --json | jq length)" 0
fails client 8081
same "$(api Berth.Check '{}' berth-bridge | jq -c .Problems)" '[]'
"$NETCTL" network rm slow >/dev/null
"$NETCTL" network rm fast >/dev/null
