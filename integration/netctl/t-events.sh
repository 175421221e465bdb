#!/bin/bash
# netctl events tells what happens in all daemons, in order, that one was killed and is back,
# and how many were missed; what waits holds up no daemon.
. "${0%/*}/lib.sh"
need curl jq nft

fails_with 'driver=, type= or network=' "$NETCTL" events -f what=x
fails_with 'did you mean' "$NETCTL" events -f driver=berth-bride
fails_with 'is no option' "$NETCTL" events -f x

for d in berth-ipam berth-bridge berth-named; do
	start_daemon $d
done
in_background all.json "$NETCTL" events --json
all=$PID
in_background text.log "$NETCTL" events -f network=shop -f type=endpoint -f type=port
text=$PID
for f in all.json text.log; do
	wait_until 10 grep -q 'listening to berth-bridge, berth-ipam, berth-named' $f
done
events() { # JQ
	grep '^{' all.json | jq -s "$1"
}
has() { # JQ - is one like that
	[ "$(events "any(.[]; $1)")" = true ]
}

note "what is done is told, and in order"
"$NETCTL" network create --subnet 10.71.0.0/24 shop >/dev/null
"$NETCTL" volume create site >/dev/null
api VolumeDriver.Mount '{"Name":"site","ID":"job"}' berth-named >/dev/null
api VolumeDriver.Unmount '{"Name":"site","ID":"job"}' berth-named >/dev/null
new_ns web
"$NETCTL" attach shop --netns web -p 8080:80 >/dev/null
"$NETCTL" detach shop --netns web
"$NETCTL" volume rm site >/dev/null
wait_until 10 has '.Type == "volume" and .Action == "remove"'
want='network-create volume-create volume-mount volume-unmount endpoint-create endpoint-join
	port-publish port-unpublish endpoint-leave endpoint-remove volume-remove'
same "$(events '[.[] | select(.Driver != "berth-ipam") | .Type + "-" + .Action] | join(" ")' |
	jq -r .)" "$(echo $want)"
has '.Type == "pool" and .Action == "take" and (.ID | contains("10.71.0.0/24"))' || fail "no pool"
has '.Type == "address" and .Action == "take" and (.ID | startswith("10.71.0.2"))' || fail "no address"
has '.Type == "volume" and .Action == "mount" and .ID == "site" and .Of == "job"' || fail "no user"
id=$("$NETCTL" network ls --json | jq -r '.[0].NetworkID')
has ".Type == \"endpoint\" and .Of == \"$id\" and .Network == \"shop\"" || fail "no network"
same "$(events 'map(select(.Seq)) | group_by(.Driver) | all(map(.Seq) | . == sort and (unique | length) == length)')" true
same "$(events 'map(.TimeNs) | . == sort')" true "in order of time"
wait_until 5 grep -q ' endpoint remove ' text.log
same "$(grep -v '^netctl: ' text.log | awk '{ print $2, $3, $4, $6, $7 }')" \
	"$(printf 'berth-bridge %s of shop\n' 'endpoint create' 'endpoint join' 'port publish' \
		'port unpublish' 'endpoint leave' 'endpoint remove')"

note "rules that others removed"
nft delete table inet berth-bridge
wait_until 15 has '.Type == "rules" and .Action == "repair" and .Driver == "berth-bridge"'

note "a daemon that is killed and comes back"
kill9_daemon berth-bridge
wait_until 10 has '.Type == "daemon" and .Action == "down" and .ID == "berth-bridge"'
start_daemon berth-bridge
wait_until 10 has '.Type == "daemon" and .Action == "up" and .ID == "berth-bridge"'
"$NETCTL" attach shop --netns web >/dev/null
"$NETCTL" detach shop --netns web
wait_until 10 has '.Driver == "berth-bridge" and .Action == "leave" and .Seq < 10'

note "a reader who is late"
cat >many.py <<'END'
"""Mounts and unmounts a volume until so many events have been."""
import http.client, json, socket

class Plugin(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect("/run/docker/plugins/berth-named.sock")

c = Plugin("d")
for method in ["Create"] + ["Mount", "Unmount"] * 600 + ["Remove"]:
    c.request("POST", "/VolumeDriver." + method, json.dumps({"Name": "v", "ID": "x"}))
    assert not json.loads(c.getresponse().read()).get("Err")
END
kill -STOP "$all"
python3 many.py
kill -CONT "$all"
wait_until 15 has '.Type == "events" and .Action == "missed" and (.ID | tonumber) > 0'
missed=$(events '[.[] | select(.Action == "missed").ID | tonumber] | add')
caught_up() {
	[ "$(events '[.[] | select(.Driver == "berth-named" and .Seq) | .Seq] | max')" = 1206 ]
}
wait_until 15 caught_up
same "$(events '[.[] | select(.Driver == "berth-named" and .Seq)] | length')" $((1206 - missed)) "the rest"
same "$("$NETCTL" events --json --since 1h --for 1s -f driver=berth-named 2>/dev/null |
	jq -s 'length == 1024 and .[-1].Seq == 1206 and all(.Driver == "berth-named")')" true

note "eight wait at most, nobody else is kept waiting, and none keeps a daemon from ending"
run=$(api Berth.Events '{}' berth-named | jq .Run)
contains "$(api Berth.Events '{"WaitMs":5000}' berth-named)" 'not in 0..2000'
for i in 1 2 3 4 5 6 7 8 9 10; do
	in_background wait-$i.json curl -sS --unix-socket "$(sock berth-named)" \
		-d "{\"Run\":$run,\"After\":1206,\"WaitMs\":2000}" http://d/Berth.Events
done
refused() {
	[ "$(cat wait-*.json | grep -o EBUSY | wc -l)" -ge 2 ]
}
wait_until 5 refused
start=${EPOCHREALTIME/./}
same "$(api VolumeDriver.List '{}' berth-named | jq -r '.Err // ""')" ''
stop_daemon berth-named
at_most $(((${EPOCHREALTIME/./} - start) / 1000)) 1500 "ms to answer and stop"

for p in "$all" "$text"; do
	kill -TERM "$p"
	wait "$p" || fail "ended by TERM with status $?"
done
"$NETCTL" network rm shop >/dev/null
