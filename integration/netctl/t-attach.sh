#!/bin/bash
# Without Docker: netctl network create makes a network of any plugin, attach plugs network
# namespaces into it (by name, path and pid) with addresses, routes and published ports,
# detach and rm give everything back.
. "${0%/*}/lib.sh"
need curl jq

lan
start_daemon berth-ipam
start_daemon berth-bridge
start_daemon berth-macvlan
new_ns web
new_ns db

# --- a network as Docker makes it -------------------------------------------

id=$("$NETCTL" network create --subnet 10.70.0.0/16 --ip-range 10.70.4.0/24 \
	--gateway 10.70.0.254 --aux-address printer=10.70.4.1 \
	--ipv6 --subnet fd00:70::/64 -o com.docker.network.driver.mtu=1400 shop)
fails_with 'there is a network "shop"' "$NETCTL" network create shop
same "$("$NETCTL" network ls --json | jq -r '.[] | .Name, .NetworkID')" "shop
$id"
[ "$(api Berth.IpamLeases '{}' berth-ipam | jq -r '[.Leases[].Address] | sort | join(" ")')" \
	= '10.70.0.254/16 10.70.4.1/16 fd00:70::1/64' ] ||
	fail "leases: $(api Berth.IpamLeases '{}' berth-ipam)"

fails_with 'which namespace' "$NETCTL" attach shop
fails_with '/run/netns/none' "$NETCTL" attach shop --netns none
fails_with 'of the host itself' "$NETCTL" attach shop --netns /proc/self/ns/net
fails_with 'no network "shed"' "$NETCTL" attach shed --netns web
fails_with 'in no subnet' "$NETCTL" attach shop --netns web --ip 10.71.0.1
fails_with 'is no IPv6 address' "$NETCTL" attach shop --netns web --ip6 10.70.0.1
fails_with 'is no port to publish' "$NETCTL" attach shop --netns web -p x
same "$(ip -j -n web link | jq -r '.[].ifname')" lo

got=$("$NETCTL" attach shop --netns web -p 8080:80 --json)
same "$(jq -r '.Interface, .AddressIPv6, .DefaultRoute' <<<"$got")" "eth0
fd00:70::2/64
true"
addr=$(jq -r '.Address' <<<"$got")
contains "$addr" 10.70.4.
same "$(ip -j -n web addr show eth0 | jq -r '.[0].addr_info[] | select(.scope == "global") |
	"\(.local)/\(.prefixlen)"')" "$addr
$(jq -r .AddressIPv6 <<<"$got")"
same "$(ip -j -n web link show eth0 | jq -r '.[0] | .mtu, .address, .operstate')" "1400
$(jq -r .MacAddress <<<"$got")
UP"
same "$(ip -j -n web route show default | jq -r '.[].gateway')" 10.70.0.254
same "$(ip -j -n web -6 route show default | jq -r '.[].gateway')" fd00:70::1
fails_with 'attached to shop already, as eth0 '"${addr%/*}" "$NETCTL" attach shop --netns web

# by pid, with all of it said
in_background sleeper.log nsenter --net=/run/netns/db -- sleep 300
sleeper=$PID
"$NETCTL" attach shop --netns "$sleeper" --ip 10.70.9.9 --ip6 fd00:70::99 \
	--mac-address 02:11:22:33:44:55 --ifname lan0 >/dev/null
same "$(ip -j -n db addr show lan0 | jq -r '.[0] | .address, (.addr_info[] |
	select(.scope == "global") | .local)')" "02:11:22:33:44:55
10.70.9.9
fd00:70::99"
ns db ping -qc1 -W2 "${addr%/*}" >/dev/null
ns db ping -qc1 -W2 fd00:70::2 >/dev/null

# --- a published port, over a restart of the daemons ------------------------

in_background page.log nsenter --net=/run/netns/web -- "$IT/lib/server" tcp 80 who
server=$PID
wait_until 5 grep -q ready page.log
client() {
	ns lan timeout 5 bash -c 'exec 3<>/dev/tcp/192.0.2.1/8080; head -n1 <&3'
}
contains "$(client)" 192.0.2.2
contains "$("$NETCTL" ports)" '/run/netns/web'
kill9_daemon berth-bridge
kill9_daemon berth-ipam
start_daemon berth-ipam
start_daemon berth-bridge
contains "$(client)" 192.0.2.2
same "$(api Berth.Check '{}' berth-bridge | jq -c .Problems)" '[]'

# --- a second network does not take the default route -----------------------

"$NETCTL" network create -d berth-macvlan -o parent=up1 --subnet 192.0.2.0/24 \
	--gateway 192.0.2.2 --ip-range 192.0.2.128/25 near >/dev/null
"$NETCTL" attach near --netns web --ip 192.0.2.200 >/dev/null
same "$(ip -j -n web route show default | jq -r '.[].dev')" eth0
same "$(ip -j -n web addr show eth1 | jq -r '.[0].addr_info[0].local')" 192.0.2.200
ns lan ping -qc1 -W2 192.0.2.200 >/dev/null
fails_with 'in use by /run/netns/web' "$NETCTL" network rm near
"$NETCTL" detach near --netns web
same "$(ip -j -n web link | jq -r '[.[].ifname] | join(" ")')" 'lo eth0'
fails_with 'is not attached to near' "$NETCTL" detach near --netns web
"$NETCTL" network rm near >/dev/null

# --- what a driver refuses leaves nothing ------------------------------------

fails_with 'needs a subnet' "$NETCTL" network create -d berth-macvlan -o parent=up1 \
	--ipam-driver null bare
fails_with 'unknown' "$NETCTL" network create --subnet 10.72.0.0/16 -o no.such=1 bare
fails_with 'is in no --subnet' "$NETCTL" network create --subnet 10.72.0.0/16 \
	--gateway 10.73.0.1 bare
fails_with 'is inside dockerd' "$NETCTL" network create --ipam-driver default bare
fails_with 'overlap' "$NETCTL" network create --subnet 10.70.1.0/24 bare
same "$("$NETCTL" network ls --json | jq -r '.[].Name')" shop
same "$(api Berth.IpamPools '{}' berth-ipam | jq -r '.Pools[].Pool')" "10.70.0.0/16
fd00:70::/64"

# --- internal, and a namespace made again under its name ----------------------

"$NETCTL" network create --internal --subnet 10.76.0.0/24 vault >/dev/null
fails_with 'is internal: nothing comes in' "$NETCTL" attach vault --netns web -p 81:81
# its options are the driver's all the same
fails_with 'unknown option "no.such"' "$NETCTL" attach vault --netns web -o no.such=1
new_ns box
"$NETCTL" attach vault --netns /var/run/../run/netns/box --ip 10.76.0.7 >/dev/null
same "$(ip -j -n box route show default | jq -c .)" '[]'
ip netns exec box "$NETCTL" network prune --json >/dev/null # its own namespace lives
contains "$("$NETCTL" network ls)" vault
ip netns del box
ip netns add box
"$NETCTL" attach vault --netns box --ip 10.76.0.7 >/dev/null
same "$(ip -j -n box addr show eth0 | jq -r '.[0].addr_info[0].local')" 10.76.0.7
ip netns del box
"$NETCTL" detach vault --netns box
# attached by a pid that ends: others in the namespace keep it in use
new_ns box
in_background first.log nsenter --net=/run/netns/box -- sleep 300
first=$PID
in_background other.log nsenter --net=/run/netns/box -- sleep 300
other=$PID
"$NETCTL" attach vault --netns "$first" >/dev/null
end "$first" KILL
ip netns del box
fails_with 'is in use by' "$NETCTL" network rm vault
end "$other" KILL
"$NETCTL" network rm vault >/dev/null
fails_with 'is given twice' "$NETCTL" network create --subnet 10.77.0.0/24 \
	--gateway 10.77.0.1 --gateway 10.77.0.2 bare
fails_with 'overlap' "$NETCTL" network create --subnet 10.77.0.0/24 --subnet 10.77.0.0/16 bare

# --- what is gone is given back ---------------------------------------------

"$NETCTL" detach shop --netns db # attached by pid, the same namespace
same "$(ip -j -n db link | jq -r '.[].ifname')" lo
end "$sleeper" KILL
end "$server"
fails_with 'in use by /run/netns/web' "$NETCTL" network rm shop
"$NETCTL" network create --subnet 10.72.0.0/24 idle >/dev/null
same "$("$NETCTL" network prune --dry-run --json | jq -r '.[].Name')" idle
same "$("$NETCTL" network prune --json | jq -r '.[].Name')" idle
same "$("$NETCTL" network ls --json | jq -r '.[].Name')" shop
ip netns del web
same "$("$NETCTL" network rm shop)" "$id"
same "$("$NETCTL" network prune --json | jq -c .)" '[]'
same "$("$NETCTL" network ls --json | jq -c .)" '[]'
same "$(api Berth.IpamPools '{}' berth-ipam | jq -c .Pools)" '[]'
fails_with 'no Berth network "shop"' "$NETCTL" network rm shop
