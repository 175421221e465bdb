#!/bin/bash
# berth.encrypt=on: containers of two hosts reach each other and nothing of that is on the
# wire in clear; cleartext VXLAN with the network's VNI is dropped and counted, whoever sends
# it; with the WireGuard link down nothing leaves, and the daemon puts it back.
# vm
# time: 240
. "${0%/*}/../lib/lib.sh"
# shellcheck source=integration/lib/hosts
. "$IT/lib/hosts"
need curl jq ping nft wg python3

D=NetworkDriver
SECRET=7001 CLEAR=7002
declare -A KEY N=([a]=1 [b]=2)

ok() { # HOST METHOD JSON - it must succeed
	same "$(host_api "$1" "$2" "$3" berth-overlay | jq -r '.Err // .Error')" \
		null "$2 on $1"
}

id() {
	echo "$1" | sha256sum | cut -c1-64
}

create() { # HOST VNI OPTIONS
	echo "{\"NetworkID\":\"$(id "$2")\",\"Options\":{
		\"com.docker.network.enable_ipv6\":true,
		\"com.docker.network.generic\":{$3,
		\"com.docker.network.driver.overlay.vxlanid_list\":\"$2\"}},
		\"IPv4Data\":[{\"AddressSpace\":\"x\",\"Pool\":\"10.$(($2 - 7000)).0.0/24\",
		\"Gateway\":\"10.$(($2 - 7000)).0.1/24\"}],\"IPv6Data\":[{\"AddressSpace\":\"x\",
		\"Pool\":\"fd00:$(($2 - 7000))::/64\",\"Gateway\":\"fd00:$(($2 - 7000))::1/64\"}]}"
}

container() { # HOST VNI - namespace c<HOST><VNI>, .11 on a and .12 on b
	local host=$1 at=10.$(($2 - 7000)).0.1${N[$1]} at6=fd00:$(($2 - 7000))::1${N[$1]} e link
	local box=c$1$2
	e="\"NetworkID\":\"$(id "$2")\",\"EndpointID\":\"$(id "$1$2")\""
	ok "$host" $D.CreateEndpoint "{$e,\"Options\":{},\"Interface\":{
		\"Address\":\"$at/24\",\"AddressIPv6\":\"$at6/64\",
		\"MacAddress\":\"02:42:00:0$(($2 - 7000)):00:0${N[$1]}\"}}"
	new_ns "$box"
	link=$(host_api "$host" $D.Join "{$e,\"SandboxKey\":\"/run/netns/$box\",
		\"Options\":{}}" berth-overlay | jq -r .InterfaceName.SrcName)
	ns "$host" ip link set "$link" netns "$box" name eth0
	ns "$box" ip link set eth0 address "02:42:00:0$(($2 - 7000)):00:0${N[$1]}"
	ns "$box" ip addr add "$at/24" dev eth0
	ns "$box" ip addr add "$at6/64" dev eth0 nodad
	ns "$box" ip link set eth0 up
	ns "$box" nft "add table ip w; add counter ip w forged;
		add chain ip w c { type filter hook prerouting priority 0; };
		add rule ip w c udp sport 9 udp dport 9 counter name forged"
}

drop() { # HOST VNI
	local e
	e="\"NetworkID\":\"$(id "$2")\",\"EndpointID\":\"$(id "$1$2")\""
	ok "$1" $D.Leave "{$e}"
	ok "$1" $D.DeleteEndpoint "{$e}"
	ok "$1" $D.DeleteNetwork "{\"NetworkID\":\"$(id "$2")\"}"
}

reaches() { # VNI - a's container b's, by both families, with packets that just fit
	ns "ca$1" ping -qc2 -W4 "10.$(($1 - 7000)).0.12" &&
		ns "ca$1" ping -qc2 -W4 "fd00:$(($1 - 7000))::12" &&
		ns "ca$1" ping -qc1 -W4 -Mdo -s $(($2 - 28)) "10.$(($1 - 7000)).0.12"
}

# forge HOST SOURCE DESTINATION VNI - three VXLAN packets with a frame for b's container,
# written by hand: no kernel's table says where they go.
forge() {
	ns "$1" python3 - "$2" "$3" "$4" <<'END'
import ipaddress, socket, struct, sys
src, dst = (ipaddress.ip_address(a).packed for a in sys.argv[1:3])
vni, net = int(sys.argv[3]), int(sys.argv[3]) - 7000
def summed(data):
    n = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while n >> 16:
        n = (n & 0xffff) + (n >> 16)
    return ~n & 0xffff or 0xffff
ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 28, 1, 0, 9, 17, 0,
                 bytes((10, net, 0, 11)), bytes((10, net, 0, 12)))
frame = (bytes((2, 0x42, 0, net, 0, 2)) + bytes((2, 0x42, 0, net, 0, 1)) +
         b"\x08\x00" + ip[:10] + struct.pack("!H", summed(ip)) + ip[12:] +
         struct.pack("!HHHH", 9, 9, 8, 0))
inner = struct.pack("!II", 1 << 27, vni << 8) + frame
udp = struct.pack("!HHHH", 50000, 4789, 8 + len(inner), 0) + inner
pseudo = src + dst + struct.pack("!II", len(udp), 17)
udp = udp[:6] + struct.pack("!H", summed(pseudo + udp)) + udp[8:]
if len(src) == 4:
    family = socket.AF_INET
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0,
                       src, dst)
else:
    family = socket.AF_INET6
    head = struct.pack("!IHBB16s16s", 6 << 28, len(udp), 17, 64, src, dst)
s = socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_RAW)
for _ in range(3):
    try:
        s.sendto(head + udp, (sys.argv[2], 0))
    except PermissionError:  # the host's own rules dropped it
        pass
END
}

dropped() { # HOST COMMENT - packets
	ns "$1" nft -j list table inet berth-overlay-vxlan | jq --arg c "$2" \
		'[.nftables[].rule | select(.comment == $c) | .expr[].counter.packets // 0] | add'
}

received() { # VNI - forged frames that b's container got
	ns "cb$1" nft -j list counter ip w forged | jq '.nftables[1].counter.packets'
}

counted() { # NAME - what passed the wire
	ns wire nft -j list counter bridge w "$1" | jq '.nftables[1].counter.packets'
}

host_new a
host_new b
host_new x # a stranger
ns wire nft -f - <<END
table bridge w {
	counter tunnel { }
	counter clear { }
	chain c {
		type filter hook prerouting priority 0
		iifname { a, b } udp dport 51821 counter name tunnel
		iifname { a, b } udp dport 4789 @th,96,24 $SECRET counter name clear
	}
}
END
for h in a b; do
	host_daemon $h berth-overlay
	KEY[$h]=$(host_api $h Berth.Key '' berth-overlay | jq -r .Key)
	fails ns $h ip link show berth-wg # was there for a moment only
done
differ "${KEY[a]}" "${KEY[b]}" "two hosts' keys"
same "$(host_api a Berth.Key '' berth-overlay | jq -r .Key)" "${KEY[a]}" "key, asked again"
file=$DIR/hosts/a/berth/berth-overlay/wg.key
same "$(stat -c '%a %u' "$file")" "600 0" "the key's file"
same "$(wg pubkey <"$file")" "${KEY[a]}" "what wg makes of it"

note "refused: no key, a wrong one of this host's own, keys in clear"
peers=192.0.2.1=${KEY[a]},192.0.2.2=${KEY[b]}
say() { # JSON - the error
	host_api a $D.CreateNetwork "$1" berth-overlay | jq -r '.Err // .Error'
}
on='"berth.encrypt":"on","berth.peers":'
contains "$(say "$(create a $SECRET "$on\"192.0.2.1,192.0.2.2\"")")" "the key of 192.0.2.2"
contains "$(say "$(create a $SECRET "$on\"192.0.2.1=${KEY[b]},192.0.2.2\"")")" "${KEY[a]}, not"
contains "$(say "$(create a $SECRET "$on\"192.0.2.2=${KEY[a]}\"")")" "the key of this host"
contains "$(say "$(create a $SECRET "\"berth.peers\":\"$peers\"")")" "berth.encrypt=on"
contains "$(say "$(create a $SECRET "$on\"192.0.2.2=abc\"")")" "not a WireGuard key"
host_is_clean a || fail "a refused network left something"

for h in a b; do
	ok $h $D.CreateNetwork "$(create $h $SECRET "$on\"$peers\"")"
	ok $h $D.CreateNetwork "$(create $h $CLEAR '"berth.peers":"192.0.2.1,192.0.2.2"')"
	container $h $SECRET
	container $h $CLEAR
done
note "there and back, encrypted"
wait_until 10 reaches $SECRET 1370
wait_until 10 reaches $CLEAR 1450
differ "$(counted tunnel)" 0 "WireGuard packets on the wire"
same "$(counted clear)" 0 "cleartext packets of the network on the wire"
same "$(ns a wg show berth-wg allowed-ips | cut -f2)" "$(ns b ip -j -6 addr show berth-wg |
	jq -r '.[0].addr_info[] | select(.scope == "global") | .local')/128" "b's address, for a"
same "$(ns a ip -j link show berth-wg | jq '.[0].mtu')" 1440 "MTU of the link"
same "$(host_api a Berth.Check '{}' berth-overlay | jq -c .Problems)" '[]' "what doctor says, and gc would remove"

note "rules of the host that close its ports: found, and opened by what doctor says"
closed() { # - what it says to do, a line each
	local all
	all=$(host_exec a "$BIN/netctl" doctor --json || [ $? = 3 ])
	jq -r '.[] | select(.Check == "overlay-port" and .Level == "bad") | .Fix | sub(" \\(.*"; "")' <<<"$all" |
		sort
}
arrives() { ns ca$SECRET ping -qc1 -W1 10.1.0.12; }
ns a nft 'add table ip6 admin; add chain ip6 admin in { type filter hook input priority 0; }
	add rule ip6 admin in udp dport 51821 drop'
same "$(closed)" "" "closed to IPv6, where hosts go by IPv4"
ns a nft delete table ip6 admin
ns a nft 'add table inet admin; add chain inet admin in { type filter hook input priority 0; policy drop; }'
outside='nft insert rule inet admin in udp dport 51821 accept'
inside='nft insert rule inet admin in iifname berth-wg udp dport 4789 accept'
same "$(closed)" "$(printf '%s\n' "$inside" 'nft insert rule inet admin in udp dport 4789 accept' "$outside")" \
	"a policy closes all"
fails arrives
eval "ns a $outside"
fails arrives
eval "ns a $inside"
wait_until 10 arrives
same "$(closed)" 'nft insert rule inet admin in udp dport 4789 accept' "what is left, of the one in clear"
ns a nft delete table inet admin

note "forged in clear: from the peer's address, a stranger's, and to the address inside"
inside() {
	ns "$1" ip -j -6 addr show berth-wg |
		jq -r '.[0].addr_info[] | select(.scope == "global") | .local'
}
# the same by the network in clear arrives: what is forged is what would be taken
forge x 192.0.2.1 192.0.2.2 $CLEAR
wait_until 3 eval "[ \$(received $CLEAR) = 3 ]"
before=$(dropped b "in clear")
forge x 192.0.2.1 192.0.2.2 $SECRET
forge x 192.0.2.3 192.0.2.2 $SECRET
ns x ip -6 route add "$(inside b)/128" via 2001:db8:2::2
forge x "$(inside a)" "$(inside b)" $SECRET
forge x 2001:db8:2::1 2001:db8:2::2 $SECRET
wait_until 3 eval "[ \$(dropped b 'in clear') -ge $((before + 12)) ]"
same "$(received $SECRET)" 0 "forged packets at b's container"

note "by WireGuard: no other network's, and nothing but VXLAN"
forge a "$(inside a)" "$(inside b)" $CLEAR
wait_until 3 eval "[ \$(dropped b 'not of an encrypted network') -ge 3 ]"
same "$(received $CLEAR)" 3 "forged packets at b's other container"
fails ns a ping -qc1 -W1 "$(inside b)"
differ "$(dropped b 'only VXLAN comes by WireGuard')" 0 "dropped: what is no VXLAN"
forge a 192.0.2.1 192.0.2.2 $SECRET # of this host's own processes
differ "$(dropped a 'in clear')" 0 "dropped on its way out"

note "the link goes down, and away: a default route does not lead out in clear"
ns a ip -6 route add default via 2001:db8:2::3
host_stop a berth-overlay KILL
ns a ip link set berth-wg down
fails ns ca$SECRET ping -qc2 -W1 10.1.0.12
ns a ip link del berth-wg
fails ns ca$SECRET ping -qc2 -W1 10.1.0.12
host_daemon a berth-overlay
wait_until 10 reaches $SECRET 1370
ns a ip link set berth-wg down
wait_until 10 reaches $SECRET 1370
ns a ip link del berth-wg
wait_until 10 reaches $SECRET 1370
same "$(host_api a Berth.Key '' berth-overlay | jq -r .Key)" "${KEY[a]}" "key, after all that"
same "$(counted clear)" 0 "cleartext packets of the network on the wire"

note "with the last encrypted network the link goes"
for h in a b; do
	drop $h $SECRET
	fails ns $h ip link show berth-wg
	drop $h $CLEAR
done
lacks "$(cat "$DIR"/*.log)" "$(cat "$file")" "logs"
