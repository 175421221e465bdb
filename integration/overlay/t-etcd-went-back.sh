#!/bin/bash
# An etcd that lost its data is not believed: what runs goes on, nothing new is taken. After
# `netctl overlay adopt` on each host it has all again, and endpoints come and go as before.
. "${0%/*}/../lib/lib.sh"
# shellcheck source=integration/lib/hosts
. "$IT/lib/hosts"
need curl jq etcd etcdctl

for h in a b; do
	host_new $h
done
ETCDCTL_IN=b
hosts_etcd a
net() { # HOST
	echo "$1" | sha256sum | cut -c1-64
}
ask() { # HOST METHOD MORE - sets GOT
	GOT=$(host_api "$1" "NetworkDriver.$2" '{"NetworkID":"'"$(net "$1")"'",'"$3"'}' \
		berth-overlay)
}
endpoint() { # HOST N
	ask "$1" CreateEndpoint '"EndpointID":"'"$2"'","Options":{},
		"Interface":{"Address":"10.9.0.'"$2"'/24"}'
}
for h in a b; do
	host_daemon $h berth-overlay --underlay eth0 --store "$STORE" --node $h
	ask $h CreateNetwork '"Options":{},"IPv6Data":[],
		"IPv4Data":[{"Pool":"10.9.0.0/24","Gateway":"10.9.0.1/24"}]'
done
endpoint a 11
endpoint b 12
tables() {
	for h in a b; do
		ns $h bridge fdb show | grep 'dst\|static' | sort
		ns $h ip neigh show nud permanent | sort
	done
}
knows() { # HOST N
	ns "$1" ip neigh show nud permanent | grep -q "10.9.0.$2 "
}
wait_until 5 knows a 12
wait_until 5 knows b 11
before=$(tables)
contains "$(host_exec a "$BIN/netctl" overlay adopt)" 'nothing to adopt'

end "${ETCD[a]}" KILL
rm -r "$DIR/hosts/a/etcd"
hosts_member a
wait_until 20 etcdctl endpoint health
notices() { # HOST
	host_api "$1" Berth.Check '{}' berth-overlay | grep -q 'netctl overlay adopt'
}
for h in a b; do
	wait_until 15 notices $h
done
endpoint a 13
contains "$GOT" 'netctl overlay adopt' "why nothing new is taken"
same "$(tables)" "$before" "tables meanwhile"
same "$(etcdctl get --prefix --keys-only /berth/)" "" "what is written meanwhile"

for h in a b; do
	contains "$(host_exec $h "$BIN/netctl" overlay adopt)" 'as it is now'
done
told() { [ "$(etcdctl get --prefix --keys-only /berth/berth/addr/ | grep -c .)" = 2 ]; }
wait_until 10 told
as_before() { [ "$(tables)" = "$before" ]; }
wait_until 5 as_before
endpoint a 13
lacks "$GOT" Err
wait_until 5 knows b 13
ask a DeleteEndpoint '"EndpointID":"11"'
gone_from_b() { ! knows b 11; }
wait_until 5 gone_from_b

ask a DeleteEndpoint '"EndpointID":"13"'
ask b DeleteEndpoint '"EndpointID":"12"'
for h in a b; do
	ask $h DeleteNetwork '"Options":{}'
done
