# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2034
#
# paths.sh - the ways to a container: path_KIND NAME PORT [LAST [STEP]] makes world NAME,
# in which the LAN reaches the server at AT[NAME], AT_PORT[NAME].  What needs a
# package that is not there says so with not_here(), and makes nothing.
#
# Each path has a container port of its own, and equal host ports: the same client
# and the same 4-tuple at the server by two ways would meet TIME_WAIT (with other
# timestamps), and the rate would fall to a hundredth.
DOCKERS=() # worlds with a dockerd

# What is made by hand on a host: a bridge, a veth, no rules.
by_hand() { # NAME
	ip -n "$1.host" link add br0 type bridge
	ip -n "$1.host" addr add 10.90.0.1/24 dev br0
	ip -n "$1.host" link set br0 up
	ip link add ct netns "$1.host" type veth peer name eth0 netns "$1.ct"
	ip -n "$1.host" link set ct master br0 up
	container_address "$1"
	ns "$1.host" sysctl -qw net.ipv4.ip_forward=1
}

container_address() { # NAME
	ip -n "$1.ct" addr add 10.90.0.2/24 dev eth0
	ip -n "$1.ct" link set eth0 up
	ip -n "$1.ct" route add default via 10.90.0.1
}

ports_of() { # PORT [LAST [STEP]]
	echo "$1${2:+-$2}${3:+/$3}"
}

published() { # NAME PORTS - at the host's address
	AT[$1]=192.0.2.1 AT_PORT[$1]=$2 TRACKED[$1]=$1.host
}

# The limit: the client's cable ends in the container.
path_hop() {
	world "$1" "one hop: the client's veth ends in the container"
	ip -n "$1.host" link set up1 netns "$1.ct"
	ip -n "$1.ct" link set up1 name eth0
	ip -n "$1.ct" addr add 192.0.2.1/24 dev eth0
	ip -n "$1.ct" link set eth0 up
	world_serve "$1" "$(ports_of "${@:2}")"
	published "$1" "$(ports_of "${@:2}")"
	TRACKED[$1]=''
}

path_direct() {
	world "$1" "direct routing, no NAT, no rules"
	by_hand "$1"
	ip -n "$1.lan" route add 10.90.0.0/24 via 192.0.2.1
	world_serve "$1" "$(ports_of "${@:2}")"
	AT[$1]=10.90.0.2 AT_PORT[$1]=$(ports_of "${@:2}")
}

path_conntrack() {
	path_direct "$@"
	TITLE[$1]="direct routing and conntrack"
	TRACKED[$1]=$1.host
	ns "$1.host" nft -f - <<'END'
table ip t {
	chain forward {
		type filter hook forward priority filter
		ct state established,related accept
		ct state new accept
	}
}
END
}

# As short as nftables can have it: one map, one rule.
path_map() {
	path_direct "$@"
	TITLE[$1]="nft map by hand"
	published "$1" "${AT_PORT[$1]}"
	ns "$1.host" nft -f - <<END
table ip t {
	map ports {
		type inet_service : ipv4_addr
		elements = { $(seq -s ', ' -f '%.0f : 10.90.0.2' "$2" "${3:-$2}") }
	}
	chain prerouting {
		type nat hook prerouting priority dstnat
		fib daddr type local dnat to tcp dport map @ports
	}
}
END
}

# --- Docker's own bridge ----------------------------------------------------

# A dockerd on the world's host.
docker_host() { # NAME FLAG...
	local w=$1 dir=$DIR/docker/$1
	shift
	mkdir -p "$dir"
	in_background "dockerd-$w.log" nsenter "--net=/run/netns/$w.host" -- dockerd \
		-H "unix:///run/$w.sock" --data-root "$dir" --exec-root "/run/docker-$w" \
		--pidfile "/run/$w.pid" --exec-opt native.cgroupdriver=cgroupfs \
		--cgroup-parent "/$BERTH_BOX-docker" "$@"
	disown "$PID" # it is killed at the end, and no word of it
	DOCKERS+=("$w")
	wait_until 60 docker_of "$w" version
	DOCKER_HOST=unix:///run/$w.sock image
}

docker_of() { # NAME ARG...
	local w=$1
	shift
	/usr/bin/docker -H "unix:///run/$w.sock" "$@"
}

path_docker() { # NAME PORT [LAST]; DOCKERD: flags
	local ports
	ports=$(ports_of "${@:2}")
	if ! [ -x /usr/bin/docker ] || ! command -v dockerd >/dev/null; then
		not_here "docker -p" "no docker.io"
		return
	fi
	world "$1" "docker -p"
	# shellcheck disable=SC2086 # flags are words
	docker_host "$1" --bip 10.90.0.1/24 ${DOCKERD-}
	docker_of "$1" run -d --name "$1" -p "$ports:$ports" --stop-signal KILL bb:1 \
		sleep 99999 >/dev/null
	ip netns del "$1.ct"
	ip netns attach "$1.ct" "$(docker_of "$1" inspect -f '{{.State.Pid}}' "$1")"
	world_serve "$1" "$ports"
	published "$1" "$ports"
}

path_docker_noproxy() {
	DOCKERD=--userland-proxy=false path_docker "$@"
	[ -z "${TITLE[$1]-}" ] || TITLE[$1]="docker -p, --userland-proxy=false"
}

# --- CNI, netavark ----------------------------------------------------------

cni() { # NAME PLUGIN - ADD, configuration from stdin
	ns "$1.host" env CNI_COMMAND=ADD CNI_CONTAINERID="$1" CNI_IFNAME=eth0 \
		CNI_NETNS="/run/netns/$1.ct" CNI_PATH=/usr/lib/cni "/usr/lib/cni/$2"
}

path_portmap() {
	local got ports p
	ports=$(ports_of "${@:2}")
	if ! [ -x /usr/lib/cni/portmap ]; then
		not_here "CNI bridge and portmap" "no containernetworking-plugins"
		return
	fi
	world "$1" "CNI bridge and portmap"
	p=$(seq "$2" "${3:-$2}" | jq -cn '[inputs |
		{hostPort: ., containerPort: ., protocol: "tcp"}]')
	ns "$1.host" sysctl -qw net.ipv4.ip_forward=1
	got=$(cni "$1" bridge <<END
{"cniVersion":"0.4.0","name":"net","type":"bridge","bridge":"cni0","isGateway":true,
 "ipMasq":true,"ipam":{"type":"host-local","dataDir":"$DIR/cni-$1",
 "subnet":"10.90.0.0/24","routes":[{"dst":"0.0.0.0/0"}]}}
END
	)
	jq -n --argjson prev "$got" --argjson ports "$p" '{cniVersion: "0.4.0", name: "net",
		type: "portmap", prevResult: $prev, runtimeConfig: {portMappings: $ports}}' |
		cni "$1" portmap >/dev/null
	world_serve "$1" "$ports"
	published "$1" "$ports"
}

path_netavark() {
	local ports bin=/usr/lib/podman/netavark
	ports=$(ports_of "${@:2}")
	if ! [ -x "$bin" ]; then
		not_here netavark "no netavark"
		return
	fi
	world "$1" netavark
	ns "$1.host" sysctl -qw net.ipv4.ip_forward=1
	mkdir -p "$DIR/netavark-$1"
	ns "$1.host" "$bin" --config "$DIR/netavark-$1" setup "/run/netns/$1.ct" \
		>"$DIR/netavark-$1.log" 2>&1 <<END
{"container_id":"$1","container_name":"$1","port_mappings":[{"container_port":$2,
 "host_ip":"","host_port":$2,"protocol":"tcp","range":$((${3:-$2} - $2 + 1))}],
 "networks":{"net":{"interface_name":"eth0","static_ips":["10.90.0.2"]}},
 "network_info":{"net":{"name":"net","id":"$(id_of net)","driver":"bridge",
 "created":"2022-01-01T00:00:00Z","dns_enabled":false,"internal":false,
 "ipam_options":{"driver":"host-local"},"ipv6_enabled":false,
 "network_interface":"br0","subnets":[{"gateway":"10.90.0.1","subnet":"10.90.0.0/24"}]}}}
END
	world_serve "$1" "$ports"
	published "$1" "$ports"
}

# --- ours -------------------------------------------------------------------

id_of() {
	echo "$1" | sha256sum | cut -c1-64
}

# berth_say NAME METHOD JSON - to the world's berth-bridge; the answer, or the end.
berth_say() {
	local got
	got=$(echo "$3" | curl -sS --max-time 120 -d @- \
		--unix-socket "$DIR/$1/plugins/berth-bridge.sock" "http://plugin/$2")
	[ "$(jq -r '.Err // ""' <<<"$got")" = "" ] || fail "$2: $got"
	echo "$got"
}

# berth_start NAME [FLAG...] - a berth-bridge on the world's host.  Its socket hooks see
# only a cgroup of the world's: clients of other worlds do not pay for them.
berth_start() {
	local d=$DIR/$1 cg=$BERTH_V2/bench-$1
	mkdir -p "$d/plugins" "$cg" "/sys/fs/bpf/$1"
	in_background "berth-$1.log" nsenter "--net=/run/netns/$1.host" -- \
		"$BIN/berth-bridge" --plugin-dir "$d/plugins" --state-dir "$d/state" \
		--run-dir "$d/run" --bpf-dir "/sys/fs/bpf/$1" --cgroup "$cg" "${@:2}"
	wait_until 20 curl -sS --unix-socket "$d/plugins/berth-bridge.sock" -d '' \
		http://plugin/Plugin.Activate
}

network_of() { # DATAPLANE - what CreateNetwork is asked; nft is the default
	jq -cn --arg id "$(id_of net)" --arg plane "$1" '{NetworkID: $id, IPv6Data: [],
		IPv4Data: [{AddressSpace: "x", Pool: "10.90.0.0/24", Gateway: "10.90.0.1/24"}],
		Options: {"com.docker.network.generic":
			(if $plane == "nft" then {} else {"berth.dataplane": $plane} end)}}'
}

# berth_endpoint NAME ENDPOINT ADDRESS - made and joined; prints the link's name and MAC.
berth_endpoint() {
	local who got mac
	who="\"NetworkID\":\"$(id_of net)\",\"EndpointID\":\"$(id_of "$2")\""
	got=$(berth_say "$1" NetworkDriver.CreateEndpoint "{$who,\"Options\":{},
		\"Interface\":{\"Address\":\"$3/24\"}}")
	mac=$(jq -r .Interface.MacAddress <<<"$got")
	got=$(berth_say "$1" NetworkDriver.Join "{$who,\"Options\":{},
		\"SandboxKey\":\"/run/netns/$1.ct\"}")
	echo "$(jq -r .InterfaceName.SrcName <<<"$got") $mac"
}

# port_list PORT [LAST [STEP [HOST-ADDRESS]]] - as dockerd writes it: an entry a port.
port_list() {
	seq "$1" "${3:-1}" "${2:-$1}" | jq -cn --arg ip "${4-}" '[inputs | {Proto: 6, IP: "", Port: .,
		HostIP: $ip, HostPort: ., HostPortEnd: .}]'
}

# berth_publish NAME ENDPOINT PORT [LAST [STEP [HOST-ADDRESS]]]
berth_publish() {
	berth_say "$1" NetworkDriver.ProgramExternalConnectivity \
		"{\"NetworkID\":\"$(id_of net)\",\"EndpointID\":\"$(id_of "$2")\",
		\"Options\":{\"com.docker.network.portmap\":$(port_list "${@:3}")}}" >/dev/null
}

# berth_container NAME - what dockerd does with the link.
berth_container() {
	local link mac
	read -r link mac < <(berth_endpoint "$1" a 10.90.0.2)
	ip -n "$1.host" link set "$link" netns "$1.ct"
	ip -n "$1.ct" link set "$link" name eth0
	ip -n "$1.ct" link set eth0 address "$mac"
	container_address "$1"
}

path_berth() { # NAME DATAPLANE PORT [LAST [STEP]]
	world "$1" "berth-bridge, $2"
	berth_start "$1"
	berth_path "$@"
}

berth_path() {
	local ports
	ports=$(ports_of "${@:3}")
	berth_say "$1" NetworkDriver.CreateNetwork "$(network_of "$2")" >/dev/null
	berth_container "$1"
	berth_publish "$1" a "${@:3}"
	world_serve "$1" "$ports"
	published "$1" "$ports"
	[ "$2" = nft ] || TRACKED[$1]=''
}

# On a host that tracks no connection at all.  For that the hooks have to see every
# process there is: make this one last, its neighbours' clients pass them, too.
path_untracked() { # NAME PORT [LAST [STEP]]
	world "$1" "berth-bridge, ebpf, --conntrack auto"
	berth_start "$1" --conntrack auto --cgroup "$BERTH_V2"
	berth_path "$1" ebpf "${@:2}"
	world_client "$1" connect 0.1 1 >/dev/null
	[ -z "$(ns "$1.host" conntrack -L 2>/dev/null)" ] || fail "it tracks"
	! grep -q conntrack-used "$DIR/berth-$1.log" || fail "it is to track"
}

# berth_planes - the dataplanes this berth-bridge has; one it has not is told.
berth_planes() {
	local got
	PLANES=(nft)
	new_ns planes.host
	berth_start planes
	got=$(curl -sS --unix-socket "$DIR/planes/plugins/berth-bridge.sock" \
		http://plugin/NetworkDriver.CreateNetwork -d "$(network_of ebpf)")
	if [ "$(jq -r '.Err // ""' <<<"$got")" = "" ]; then
		PLANES+=(ebpf)
	else
		not_here "berth-bridge, ebpf" "the daemon says: $(jq -r .Err <<<"$got")"
	fi
	end "$PID"
	ip netns del planes.host
}

# path NAME KIND ARG... - make it, see that it works, and note it in PATHS; or not,
# where it cannot be had.
path() {
	"path_$2" "$1" "${@:3}"
	[ -n "${TITLE[$1]-}" ] || return 0
	world_works "$1"
	PATHS+=("$1")
}
PATHS=()

# --- the end ----------------------------------------------------------------

# A dockerd that ends in order takes a minute for a thousand ports.
paths_end() {
	local w p rc=$?
	trap - ERR
	set +e
	for w in "${DOCKERS[@]}"; do
		for p in "/run/$w.pid" "/run/docker-$w/containerd/containerd.pid"; do
			[ ! -s "$p" ] || kill -9 "$(cat "$p")" 2>/dev/null
		done
		p=$(cat "/run/docker-$w"/containerd/daemon/io.containerd.runtime.v2.task/moby/*/init.pid \
			2>/dev/null)
		# shellcheck disable=SC2086 # one or none
		[ -z "$p" ] || kill -9 $p 2>/dev/null
	done
	[ ${#DOCKERS[@]} = 0 ] || kill_shims
	(exit "$rc") # which cleanup looks at
	cleanup
}
trap paths_end EXIT
