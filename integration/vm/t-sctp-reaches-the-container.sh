#!/bin/bash
# SCTP to a published port reaches the container, from the LAN and with the
# client's own address, over IPv4 and IPv6; unpublished, it does not any more.
# vm
. "${0%/*}/../lib/lib.sh"
need python3 curl jq nft

lan
start_daemon berth-bridge
id=$(echo sctp | sha256sum | cut -c1-64)
e="\"NetworkID\":\"$id\",\"EndpointID\":\"$(echo a | sha256sum | cut -c1-64)\""
say() {
	same "$(api "NetworkDriver.$1" "$2" berth-bridge | jq -r '.Err // .Error')" \
		null "$1"
}
say CreateNetwork "{\"NetworkID\":\"$id\",\"Options\":{
	\"com.docker.network.enable_ipv6\":true,\"com.docker.network.generic\":{}},
	\"IPv4Data\":[{\"AddressSpace\":\"x\",\"Pool\":\"10.84.0.0/24\",
	\"Gateway\":\"10.84.0.1/24\"}],\"IPv6Data\":[{\"AddressSpace\":\"x\",
	\"Pool\":\"fd00:84::/64\",\"Gateway\":\"fd00:84::1/64\"}]}"
say CreateEndpoint "{$e,\"Options\":{},\"Interface\":{\"Address\":\"10.84.0.2/24\",
	\"AddressIPv6\":\"fd00:84::2/64\"}}"
new_ns box
link=$(api NetworkDriver.Join "{$e,\"SandboxKey\":\"/run/netns/box\",\"Options\":{}}" \
	berth-bridge | jq -r .InterfaceName.SrcName)
ip link show "$link" >/dev/null
mac=$(api NetworkDriver.EndpointOperInfo "{$e}" berth-bridge | jq -r \
	'.Value["com.docker.network.endpoint.macaddress"] // empty')
ip link set "$link" netns box name eth0
[ -z "$mac" ] || ns box ip link set eth0 address "$mac"
ns box ip addr add 10.84.0.2/24 dev eth0
ns box ip addr add fd00:84::2/64 dev eth0 nodad
ns box ip link set eth0 up
ns box ip route add default via 10.84.0.1
ns box ip -6 route add default via fd00:84::1
say ProgramExternalConnectivity "{$e,\"Options\":{
	\"com.docker.network.portmap\":[{\"Proto\":132,\"IP\":\"\",\"Port\":77,
	\"HostIP\":\"\",\"HostPort\":7777,\"HostPortEnd\":7777}],
	\"com.docker.network.endpoint.exposedports\":[{\"Proto\":132,\"Port\":77}]}}"

in_background server nsenter --net=/run/netns/box -- \
	"$IT/lib/server" sctp 77 who
server=$PID
wait_until 5 grep -q ready "$DIR/server"
client() { # ADDRESS - what the server says of us
	ns lan python3 - "$1" <<'END'
import socket, sys
family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
s = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_SCTP)
s.settimeout(10)
s.connect((sys.argv[1], 7777))
print(s.recv(100).decode().split()[0])
END
}
same "$(client 192.0.2.1)" 192.0.2.2 "IPv4: the client as the container sees it"
same "$(client 2001:db8:2::1)" 2001:db8:2::2 "IPv6: the client as the container sees it"
# A longer talk: what is sent comes back.
end "$server"
in_background echo nsenter --net=/run/netns/box -- "$IT/lib/server" sctp 77 echo
wait_until 5 grep -q ready "$DIR/echo"
ns lan python3 - <<'END'
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_SCTP)
s.settimeout(10)
s.connect(("192.0.2.1", 7777))
for i in range(100):
    want = b"%d" % i * 300
    s.sendall(want)
    got = b""
    while len(got) < len(want):
        part = s.recv(65536)
        assert part, "closed after %d" % i
        got += part
    assert got == want, i
END
say RevokeExternalConnectivity "{$e}"
fails client 192.0.2.1
fails client 2001:db8:2::1
say Leave "{$e}"
ip netns del box
say DeleteEndpoint "{$e}"
say DeleteNetwork "{\"NetworkID\":\"$id\"}"
