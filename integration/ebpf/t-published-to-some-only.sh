#!/bin/bash
# berth.allow, berth.deny and berth.limit: a published port answers to whom it is
# allowed and to nobody else, TCP and UDP, IPv4 and IPv6, from wires and containers; so
# it does after kill -9 and restart of the daemon, and after nft flush ruleset.
export DATAPLANE=ebpf
. "${0%/*}/../lib/lib.sh"
. "$IT/lib/iso.sh"

lan
lan other 2
berth_host
net() { # NAME N OPTION...
	local name=$1 n=$2
	shift 2
	docker network create -d berth-bridge --ipv6 --subnet "10.$n.0.0/24" \
		--subnet "fd00:$n::/64" "$@" "$name"
}
net n1 65 -o berth.dataplane=ebpf -o berth.allow=192.0.0.0/16,2001:db8::/32 \
	-o berth.deny=192.0.3.0/24,2001:db8:3::/64 >/dev/null
net n2 66 >/dev/null
net n3 67 -o berth.limit=1/s:3 >/dev/null

# What would promise more than it does is refused, and says what to do.
fails_with "berth.allow needs -o berth.dataplane=ebpf" net no 70 \
	-o berth.dataplane=nft -o berth.allow=10.0.0.0/8
fails_with "berth.dataplane=ebpf" net no 70 \
	-o berth.firewall=respect -o berth.deny=10.0.0.0/8
fails_with 'is not a network: write them as' net no 70 -o berth.allow=office
fails_with 'write 10.0.0.0/8' net no 70 -o berth.deny=10.1.2.3/8
fails_with 'write 20/s' net no 70 -o berth.limit=20
same "$(ip -j link | jq '[.[] | select(.ifname | startswith("bb-"))] | length')" 3

container web n1 -p 8080:80 -p 8080:80/udp
container own n1
container far n2 -p 8082:80
container busy n3 -p 8083:80
# A container's own list stands in place of its network's.
container vip name=n1,driver-opt=berth.allow=192.0.3.2 -p 8084:80
listening

judged() {
	note "$1"
	asks lan <<-'END'
	tcp/192.0.2.1/8080 web
	udp/192.0.2.1/8080 web
	tcp/2001:db8:2::1/8080 web
	udp/2001:db8:2::1/8080 web
	tcp/192.0.2.1/8082 far
	tcp/192.0.2.1/8084 -    # on the network's list alone
	END
	asks other <<-'END'
	tcp/192.0.3.1/8080 -
	udp/192.0.3.1/8080 -
	tcp/2001:db8:3::1/8080 -
	udp/2001:db8:3::1/8080 -
	tcp/192.0.3.1/8082 far
	tcp/192.0.3.1/8084 vip
	tcp/2001:db8:3::1/8084 -
	END
	asks far <<-'END'
	tcp/192.0.2.1/8080 -
	udp/192.0.2.1/8080 -
	tcp/2001:db8:2::1/8080 -
	tcp/192.0.2.1/8084 -
	END
	asks own <<-'END'
	tcp/192.0.2.1/8080 web
	tcp/2001:db8:2::1/8080 web
	END
	asks web <<-'END'
	tcp/192.0.2.1/8080 web
	END
	asks host <<-'END'
	tcp/127.0.0.1/8080 web
	tcp/::1/8080 web
	tcp/192.0.3.1/8080 web
	tcp/127.0.0.1/8084 vip
	END
}
judged "as made"

# No rule publishes what the programs judge; of the network without a list one does.
published() {
	nft -j list table inet berth-bridge | jq -c '[.nftables[].map?
		| select(.name == "any4").elem[]?[0] | .concat?[1]] | sort'
}
same "$(published)" '[8082]'

kill9_daemon berth-bridge
judged "without the daemon"
start_daemon berth-bridge --dataplane ebpf
same "$(published)" '[8082]'
judged "after its restart"
nft flush ruleset
judged "after a flush"
rules() { nft list table inet berth-bridge 2>/dev/null | grep -q 'chain publish'; }
wait_until 10 rules
same "$(published)" '[8082]'
judged "when the rules are back"
name=web
end "${LISTEN[$name]}"
docker rm -f $name >/dev/null
container $name n1 -p 8080:80 -p 8080:80/udp
listening
judged "when the container is another"

# Whom it refuses is told and counted.
in_background trace.log netctl trace --json
refused() {
	at other curl -s --max-time 1 http://192.0.3.1:8080/ >/dev/null
	grep -q 'not on the list of who may' "$DIR/trace.log"
}
wait_until 15 refused
jq -es 'map(select(.Why | startswith("not on the list")))[0] | .Interface == "up2"
	and (.From | startswith("192.0.3.2:")) and (.To | endswith(":8080"))' \
	"$DIR/trace.log" >/dev/null || fail "$(head -n 3 "$DIR/trace.log")"
counter() { api Berth.Counters '{}' berth-bridge | jq ".Counters[\"$1\"]"; }
[ "$(counter drop-policy)" -ge 10 ] || fail "drop-policy: $(counter drop-policy)"
contains "$(netctl network inspect n1)" 'berth.allow=192.0.0.0/16,2001:db8::/32'

# Ten at once: three pass, and what is due while they ask; later some again.
same "$(counter drop-limit)" 0
many=() && for _ in {1..10}; do many+=(tcp/192.0.2.1/8083); done
got=$(at lan "$IT/lib/probe" ask -t 1 "${many[@]}" | grep -c ' busy ') || :
[ "$got" -ge 3 ] && [ "$got" -le 6 ] || fail "$got of 10 at once"
note "$got of 10 at once"
[ "$(counter drop-limit)" -ge 4 ] || fail "drop-limit: $(counter drop-limit)"
asks other <<-'END'
	tcp/192.0.3.1/8083 busy
END
again() { at lan "$IT/lib/probe" ask -t 1 tcp/192.0.2.1/8083 | grep -q ' busy '; }
wait_until 10 again
asks host <<-'END'
	tcp/127.0.0.1/8083 busy
	tcp/127.0.0.1/8083 busy
	tcp/127.0.0.1/8083 busy
	tcp/127.0.0.1/8083 busy
END

same "$(api Berth.Check '{}' berth-bridge | jq -c .Problems)" '[]'
docker rm -f web own far busy vip >/dev/null
docker network rm n1 n3 >/dev/null
same "$(bpftool -j map dump pinned \
	/sys/fs/bpf/berth/v1/berth-bridge/nat_policy | jq length)" 0
docker network rm n2 >/dev/null
