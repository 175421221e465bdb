#!/bin/bash
# A host that saves its ruleset with our tables in it boots with it: nft reads back what it
# lists, of every driver.
. "${0%/*}/../lib/lib.sh"
# shellcheck source=integration/lib/hosts
. "$IT/lib/hosts"
need jq nft

host_new a
id() { # DIGIT
	printf "$1%.0s" {1..64}
}
api() { # DRIVER METHOD JSON
	host_api a "NetworkDriver.$2" "$3" "$1" | jq -e '.Err // "" | . == ""' >/dev/null ||
		fail "$1: $2"
}
network() { # DRIVER SUBNETBYTE OPTIONS
	host_daemon a "$1" ${4:+$4 $5}
	api "$1" CreateNetwork '{"NetworkID":"'"$(id "$2")"'","Options":{
		"com.docker.network.enable_ipv6":true,"com.docker.network.generic":{'"$3"'}},
		"IPv4Data":[{"Pool":"10.'"$2"'.0.0/24","Gateway":"10.'"$2"'.0.1/24"}],
		"IPv6Data":[{"Pool":"fd00:'"$2"'::/64","Gateway":"fd00:'"$2"'::1/64"}]}'
}
endpoint() { # DRIVER SUBNETBYTE
	api "$1" CreateEndpoint '{"NetworkID":"'"$(id "$2")"'","EndpointID":"'"$(id "$2")"'",
		"Interface":{"Address":"10.'"$2"'.0.2/24","AddressIPv6":"fd00:'"$2"'::2/64",
		"MacAddress":"02:42:0a:09:00:02"},"Options":{"com.docker.network.portmap":[
		{"Proto":6,"Port":80,"HostPort":80'"$2"',"HostPortEnd":80'"$2"'}]}}'
}
network berth-overlay 9 '"berth.peers":"192.0.2.1,192.0.2.2"' --underlay eth0
network berth-bridge 8 ''
endpoint berth-overlay 9
endpoint berth-bridge 8

ns a nft list ruleset >"$DIR/saved"
for t in 'inet berth-bridge' 'bridge berth-bridge' 'inet berth-overlay' 'bridge berth-overlay' \
	'inet berth-overlay-vxlan' 'bridge berth-overlay-vxlan'; do
	grep -qxF "table $t {" "$DIR/saved" || fail "no table $t"
done
new_ns boot
ns boot nft -f "$DIR/saved" || fail "nft does not read what it listed"
ns boot nft list ruleset >"$DIR/again"
# what goes by itself
sed -i 's/ expires [0-9a-z]*//g' "$DIR/saved" "$DIR/again"
diff -u0 "$DIR/saved" "$DIR/again" || fail "nft reads another ruleset than it listed"

# ... and what was read is what we make: a VNI is compared as it is on the wire
ns a nft -j list map inet berth-overlay-vxlan vnis | grep -q '"goto"' || fail "no VNI's verdict"

away() { # DRIVER SUBNETBYTE
	api "$1" DeleteEndpoint '{"NetworkID":"'"$(id "$2")"'","EndpointID":"'"$(id "$2")"'"}'
	api "$1" DeleteNetwork '{"NetworkID":"'"$(id "$2")"'"}'
}
away berth-overlay 9
away berth-bridge 8
