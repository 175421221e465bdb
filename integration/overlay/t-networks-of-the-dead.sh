#!/bin/bash
# A network whose only host died keeps its subnet until `netctl overlay gc` says that it will
# not come back; one that a host has is left alone.
# time: 180
. "${0%/*}/../lib/lib.sh"
# shellcheck source=integration/lib/hosts
. "$IT/lib/hosts"
need curl etcd etcdctl

for h in a b; do
	host_new $h
done
hosts_etcd a
net() { # NUMBER
	printf "$1%.0s" {1..64}
}
network() { # HOST NUMBER SUBNET
	host_api "$1" NetworkDriver.CreateNetwork '{"NetworkID":"'"$(net "$2")"'","Options":{},
		"IPv6Data":[],"IPv4Data":[{"Pool":"'"$3"'","Gateway":"'"${3%.0/*}.1/${3#*/}"'"}]}' \
		berth-overlay
}
gc() { host_exec a "$BIN/netctl" overlay gc "$@"; }
for h in a b; do
	host_daemon $h berth-overlay --underlay eth0 --store "$STORE" --node $h
done
lacks "$(network a 1 10.9.1.0/24)" Err
lacks "$(network b 2 10.9.2.0/24)" Err
lacks "$(gc)" 10.9 "what goes while all live"

host_stop b berth-overlay KILL
lease=$(etcdctl get -w fields /berth/berth/node/b/host | awk '$1 == "\"Lease\"" { print $3 }')
etcdctl lease revoke "$(printf %x "$lease")" >/dev/null # what comes after 30 s
contains "$(network a 3 10.9.2.0/25)" 'overlaps 10.9.2.0/24' "whose subnet it is"
contains "$(gc --dry-run)" 'subnet 10.9.2.0/24, VNI' "what would go"
contains "$(network a 3 10.9.2.0/25)" 'overlaps 10.9.2.0/24' "whose subnet it still is"
got=$(gc)
contains "$got" 'subnet 10.9.2.0/24, VNI' "what goes"
lacks "$got" 10.9.1.0 "what goes"
lacks "$(network a 3 10.9.2.0/25)" Err

# It was not gone after all: refused while another has the subnet, then made anew.
host_daemon b berth-overlay --underlay eth0 --store "$STORE" --node b
contains "$(host_api b Berth.Info '{}' berth-overlay)" 'overlaps 10.9.2.0/25' "what b says"
leave() { # HOST NUMBER
	lacks "$(host_api "$1" NetworkDriver.DeleteNetwork '{"NetworkID":"'"$(net "$2")"'"}' \
		berth-overlay)" Err
}
leave a 3
has_it() { etcdctl get --keys-only /berth/berth/net/p.10.9.2.0-24 | grep -q .; }
wait_until 90 has_it
leave a 1
leave b 2
same "$(etcdctl get --prefix --keys-only /berth/berth/ | grep . | grep -v '/host$')" "" \
	"what is left"
