#!/bin/bash
# One network over three hosts, each with its own dockerd: containers reach each other by
# both families, with large packets, through a daemon's death, a host cut off and back; a
# published port leads to the container on its host.
# time: 240
. "${0%/*}/../lib/lib.sh"
# shellcheck source=integration/lib/hosts
. "$IT/lib/hosts"
need docker curl jq ping

start=$(now_ms)
for h in a b c; do
	host_new $h
	host_daemon $h berth-overlay
done
hosts_docker a b c
note "three hosts in $(($(now_ms) - start)) ms"
peers=$(host_address a),$(host_address b),$(host_address c)
i=0
for h in a b c; do
	i=$((i + 1))
	host_docker $h network create -d berth-overlay --ipv6 \
		--subnet 10.9.0.0/24 --gateway 10.9.0.1 --ip-range "10.9.0.$((i * 64))/26" \
		--subnet fd00:9::/64 --gateway fd00:9::1 \
		-o berth.peers="$peers" ov >/dev/null
	host_docker $h run -d --name "c$h" --network ov --ip "10.9.0.$((i * 64 + 5))" \
		--ip6 "fd00:9::$i:5" --stop-signal KILL -p "80$i:80" bb:1 \
		sh -c "echo $h >/www/index.html; exec httpd -f -p 80 -h /www" >/dev/null
done

in_c() { # HOST COMMAND... - in the network of its container
	inns "$(host_pid_of "$1" "c$1")" "${@:2}"
}

for h in a b c; do
	for i in 1 2 3; do
		in_c $h ping -qc1 -W2 "10.9.0.$((i * 64 + 5))" >/dev/null ||
			fail "$h does not reach host $i"
		in_c $h ping -qc1 -W2 "fd00:9::$i:5" >/dev/null ||
			fail "$h does not reach host $i by IPv6"
	done
	in_c $h ping -qc1 -W2 10.9.0.1 >/dev/null || fail "$h has no gateway"
done

# Overlay MTU is the wire's less 50; a packet as large as that passes whole, one byte
# more is refused where it is sent; 1 MiB by TCP.
same "$(in_c a ip -j link show eth0 | jq '.[0].mtu')" 1450 "MTU of a container"
in_c a ping -qc1 -W2 -M "do" -s 1422 10.9.0.133 >/dev/null || fail "1450 bytes do not pass"
fails in_c a ping -qc1 -W2 -M "do" -s 1423 10.9.0.133
head -c 1048576 /dev/urandom >"$DIR/mib"
host_docker b cp "$DIR/mib" cb:/www/mib
for url in http://10.9.0.133/mib 'http://[fd00:9::2:5]/mib'; do
	in_c a curl -gsS --max-time 10 -o "$DIR/got" "$url"
	cmp "$DIR/mib" "$DIR/got" || fail "1 MiB by $url"
done

# A published port leads to the container on its host, and the client is seen.
same "$(host_exec b curl -s --max-time 5 "http://$(host_address a):801/")" a
same "$(host_exec c curl -s --max-time 5 "http://$(host_address b):802/")" b
same "$(host_exec a curl -s --max-time 5 http://127.0.0.1:801/)" a
fails host_exec b curl -s --max-time 1 http://10.9.0.69/ # b's own gateway: only a's

# Nothing of the gateway is on the wire: each host answers for itself.
for h in a b c; do
	same "$(in_c $h ip -j neigh show 10.9.0.1 | jq -r '.[0].lladdr[0:8]')" 02:76:78 \
		"MAC of the gateway"
done

# The daemon of a host dies: its containers go on.  Back, everything is as it was.
tables() {
	ns b bridge fdb show | sed 's/ extern_learn//' | grep -v '33:33\|01:00:5e' | sort
	ns b ip -d -j link show type vxlan | jq -c '.[0].linkinfo.info_data | del(.ageing)'
	ns b nft list table inet berth-overlay-vxlan | sed 's/packets.*bytes [0-9]*//'
	ns b nft list table bridge berth-overlay-vxlan | sed 's/packets.*bytes [0-9]*//' |
		grep -v expires
}
before=$(tables)
host_stop b berth-overlay KILL
in_c a ping -i 0.05 -c 20 -W 1 10.9.0.133 >"$DIR/ping.log" || fail "dead daemon: $(cat "$DIR/ping.log")"
in_background ping2.log in_c a ping -i 0.02 -c 100 -W 1 10.9.0.133
host_daemon b berth-overlay
after=$(tables)
wait "$PID" || fail "at the daemon's start: $(cat "$DIR/ping2.log")"
cat "$DIR/ping2.log" >>"$DIR/ping.log"
same "$(grep -c ' 0% packet loss' "$DIR/ping.log")" 2 "pings without loss meanwhile"
same "$after" "$before" "tables of b after its daemon's death"

# Cut off and back.
host_cut c
fails in_c a ping -qc1 -W1 10.9.0.197
host_heal c
wait_until 5 in_c a ping -qc1 -W1 10.9.0.197

# The container goes to another host with its address.
host_docker c rm -f cc >/dev/null
host_docker b run -d --name moved --network ov --ip 10.9.0.199 --stop-signal KILL bb:1 \
	sleep 999 >/dev/null
wait_until 5 in_c a ping -qc1 -W1 10.9.0.199

# Who writes what differs from the others' is told.
fails_with 'berth.peers' host_docker a network create -d berth-overlay \
	--subnet 10.8.0.0/24 nopeers
fails_with 'is that of network' host_docker a network create -d berth-overlay \
	--subnet 10.8.0.0/24 -o berth.peers="$peers" \
	-o com.docker.network.driver.overlay.vxlanid_list="$(ns a ip -d -j link show \
		type vxlan | jq '.[0].linkinfo.info_data.id')" same-vni
