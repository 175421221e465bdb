#!/bin/bash
# What does a name server answer a container: berth-dns beside dnsmasq, aardvark-dns,
# Docker's own, and the least that a server can do?  10,000 names.
# alone
# time: 600
. "${0%/*}/../integration/lib/lib.sh"
. "$ROOT/bench/lib/world.sh"
need dnsbench dnsmasq docker dig socat jq python3

NAMES=10000
BENCH=$TOOLS/dnsbench
address_of() { # I
	echo "10.91.$((10#$1 / 250 + 1)).$((10#$1 % 250 + 1))"
}
# All that serve at the gateway do so on one host, for one container behind one bridge:
# they share the way, with its rules.
start_daemon berth-bridge
start_daemon berth-ipam
start_daemon berth-dns
shop=$(netctl network create --subnet 10.91.0.0/16 --gateway 10.91.0.1 shop)
new_ns asker
netctl attach shop --netns asker >/dev/null
for ((i = 0; i < NAMES; i++)); do
	printf 'n%05d %s\n' $i "$(address_of $i)"
done >names

here() { # NAME PORT TITLE - at the gateway, asked from the container
	AT[$1]=10.91.0.1 AT_PORT[$1]=$2 FROM[$1]=asker TITLE[$1]=$3
}
PATHS=()
# works NAME - it answers, and by what it was told.
works() {
	local n got
	for n in 00000 00777 09999; do
		got=$(ns "${FROM[$1]}" dig +short +time=2 +tries=3 -p "${AT_PORT[$1]}" \
			"@${AT[$1]}" "n$n")
		same "$got" "${2:-$(address_of $n)}" "${TITLE[$1]}: n$n"
	done
	PATHS+=("$1")
}

here least 5301 "a responder that looks at no name"
in_background least.log "$BENCH" serve 5301
wait_until 10 grep -q ready "$DIR/least.log"

here dnsmasq 5302 dnsmasq
awk '{ print $2, $1 }' names >hosts
in_background dnsmasq.log dnsmasq -k -p 5302 --user=root --pid-file= --no-resolv --no-hosts \
	--addn-hosts="$DIR/hosts" --listen-address=10.91.0.1 --bind-interfaces
told() { # NAME
	ns "${FROM[$1]}" dig +short +time=1 +tries=1 -p "${AT_PORT[$1]}" "@${AT[$1]}" \
		n09999 | grep -q '^10'
}
wait_until 20 told dnsmasq
works dnsmasq

AARDVARK=/usr/lib/podman/aardvark-dns
if [ -x $AARDVARK ]; then
	here aardvark 5303 aardvark-dns
	mkdir aardvark
	{
		echo 10.91.0.1
		awk '{ printf "%064d %s  %s\n", NR, $2, $1 }' names
	} >aardvark/shop
	# it does not start without a log
	in_background log.log socat -u UNIX-RECV:/dev/log OPEN:/dev/null
	wait_until 5 test -S /dev/log
	in_background aardvark.log $AARDVARK --config "$DIR/aardvark" --port 5303 run
	wait_until 20 told aardvark
	works aardvark
else
	not_here aardvark-dns "the package is not there"
fi

here berth 53 "berth-dns, at the gateway"
python3 - "$shop" <<'END_PY'
import http.client, json, socket, sys


class Unix(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect("/run/docker/plugins/berth-dns.sock")


c = Unix("d")
for line in open("names"):
    name, address = line.split()
    c.request("POST", "/Berth.NameAdd", json.dumps(
        {"Network": sys.argv[1], "Name": name, "Address": address}))
    got = json.loads(c.getresponse().read())
    assert not got.get("Err"), (name, got)
END_PY
works berth

# At 127.0.0.11 of a container.
mkdir -p root/{bin,proc,sys,dev,etc}
cp /usr/bin/busybox root/bin/
netctl run -d --name inside --network shop "$DIR/root" /bin/busybox sleep 9999 >/dev/null
ip netns attach inside "$(netctl inspect inside | jq '.[0].Pid')"
AT[inside]=127.0.0.11 AT_PORT[inside]=53 FROM[inside]=inside
TITLE[inside]="berth-dns, at 127.0.0.11"
works inside

start_dockerd
docker network create theirs >/dev/null
aliases=()
while read -r name _; do
	aliases+=(--network-alias "$name")
done <names
docker run -d --name theirs --network theirs "${aliases[@]}" bb:1 sleep 9999 >/dev/null
ip netns attach theirs "$(pid_of theirs)"
AT[docker]=127.0.0.11 AT_PORT[docker]=53 FROM[docker]=theirs
TITLE[docker]="Docker's own, at 127.0.0.11"
works docker "$(ip_of theirs theirs)"

measure load answers/s least "${PATHS[@]}"
measure ask "answers/s, one at a time" least "${PATHS[@]}"
measure load answers/s dnsmasq berth inside
tell_end

netctl rm -f inside >/dev/null
docker rm -f theirs >/dev/null
