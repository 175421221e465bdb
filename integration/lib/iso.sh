# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# iso.sh - for isolation tests, after lib.sh: containers under attack, forged
# frames, many probes at once, drop counters.
need python3 nft bpftool

# container NAME NETWORK [DOCKER-RUN-FLAG...] - a container that listens on 80 and 81,
# tcp and udp; its pid goes to BOX[NAME].
declare -A BOX=() LISTEN=()
container() {
	local name=$1 net=$2
	shift 2
	docker run -d --name "$name" --network "$net" --stop-signal KILL "$@" \
		bb:1 sleep 9999 >/dev/null
	BOX[$name]=$(pid_of "$name")
	in_background "listen-$name.log" nsenter "--net=/proc/${BOX[$name]}/ns/net" \
		-- "$IT/lib/probe" listen "$name" 80 81
	# shellcheck disable=SC2034 # read by tests
	LISTEN[$name]=$PID
}
listening() {
	local name
	for name in "${!BOX[@]}"; do
		wait_until 10 grep -q ready "$DIR/listen-$name.log"
	done
}

# at PLACE COMMAND... - PLACE is a container, a namespace ("lan") or "host".
at() {
	local place=$1
	shift
	if [ "$place" = host ]; then
		"$@"
	elif [ -n "${BOX[$place]-}" ]; then
		inns "${BOX[$place]}" "$@"
	else
		ns "$place" "$@"
	fi
}

# link_of CONTAINER [IFACE] / link_local_of: addresses of its interface.
mac_of() {
	at "$1" ip -j link show dev "${2-eth0}" | jq -r '.[0].address'
}

ll_of() {
	at "$1" ip -6 -j addr show dev "${2-eth0}" scope link |
		jq -er '[.[].addr_info[]?.local // empty][0]'
}

# bridge_of NETWORK; port_of CONTAINER - the host's side of its link.
bridge_of() {
	local id
	id=$(net_id "$1")
	api Berth.Networks '{}' berth-bridge | jq -r --arg id "$id" \
		'.Networks[] | select(.NetworkID == $id).Bridge'
}

port_of() {
	local index
	index=$(at "$1" ip -j link show dev eth0 | jq '.[0].link_index')
	ip -j link | jq -r --argjson i "$index" '.[] | select(.ifindex == $i).ifname'
}

# guard_counts FAMILY - what the guard at tc dropped before a rule of that table
# could, by the rule's comment: an object.
guard_counts() {
	local why='["guard: mac", "guard: ethertype", "guard: short", "guard: arp",
		"guard: ipv4 is off", "guard: ipv6 is off", "guard: address",
		"guard: redirect", "guard: dhcp server", "guard: router",
		"guard: neighbour", null, "icc is off", "hairpin: own broadcast"]'
	[ "$1" = bridge ] ||
		why='[null, null, null, null, null, null, null, null, null,
			null, null, "internal", null, null, "no stamp"]'
	bpftool -j map dump pinned \
		/sys/fs/bpf/berth/v1/berth-bridge/guard_count |
		jq --argjson why "$why" '[.[].formatted | select($why[.key])
			| {($why[.key]): ([.values[].value] | add)}] | add'
}

# count FAMILY COMMENT - packets that all rules with this comment dropped, or the
# guard in their place.
count() {
	nft -j list table "$1" berth-bridge |
		jq --arg c "$2" --argjson g "$(guard_counts "$1")" \
		'[.nftables[].rule? | select(. != null and .comment == $c)
		  | .expr[].counter? | select(. != null).packets] | add // 0
		  | . + ($g[$c] // 0)'
}

# counts FAMILY - all of them: "COMMENT=PACKETS" lines.
counts() {
	nft -j list table "$1" berth-bridge |
		jq -r --argjson g "$(guard_counts "$1")" '[.nftables[].rule?
		| select(. != null and .comment != null)
		| {c: .comment, n: ([.expr[].counter? | select(. != null).packets] | add // 0)}]
		+ [$g | to_entries[] | {c: .key, n: .value}]
		| group_by(.c)[] | "\(.[0].c)=\(map(.n) | add)"'
}

# dropped_by FAMILY COMMENT AT-LEAST COMMAND... - run it; the counter must move.
dropped_by() {
	local family=$1 comment=$2 least=$3 before after
	shift 3
	before=$(count "$family" "$comment")
	"$@"
	after=$(count "$family" "$comment")
	[ $((after - before)) -ge "$least" ] ||
		fail "rule \"$comment\" of table $family counted $((after - before)) packets, want at least $least: $*"
}

# asks PLACE - reads lines "PROTO/HOST/PORT ANSWER" (# begins a comment; a + after
# the answer lets more text follow), asks all at once, compares.
asks() {
	local place=$1 want got targets=() t a line bad=
	want=$(sed 's/[[:space:]]*#.*//; /^[[:space:]]*$/d; s/^[[:space:]]*//' |
		tr -s ' \t' ' ')
	while read -r t a; do targets+=("$t"); done <<<"$want"
	got=$(at "$place" "$IT/lib/probe" ask -t "${ASK_TIME-1}" "${targets[@]}")
	while read -r line <&3 && read -r t a <&4; do
		[ "${line#* }" = "$a" ] && continue
		# "name" stands for "name CLIENT", whatever the client is
		case $a in *' '* | - | pong | refused | unreachable) ;; *)
			case ${line#* } in "$a "*) continue ;; esac ;;
		esac
		# nothing came back: by silence or by an error
		if [ "$a" = no ]; then
			case ${line#* } in - | refused | unreachable) continue ;; esac
		fi
		bad+="
      $place asked $t: got '${line#* }', want '$a'"
	done 3<<<"$got" 4<<<"$want"
	[ -z "$bad" ] || fail "wrong answers:$bad"
	note "$place: ${#targets[@]} probes as expected"
}

# watch PLACE IFACE... - lib/frames watches there; "WATCHED PLACE" is its log.
watch() {
	local place=$1 how=()
	shift
	if [ -n "${BOX[$place]-}" ]; then
		how=(nsenter "--net=/proc/${BOX[$place]}/ns/net" --)
	elif [ "$place" != host ]; then
		how=(nsenter "--net=/run/netns/$place" --)
	fi
	in_background "watch-$place.log" "${how[@]}" "$IT/lib/frames" watch "$@"
	wait_until 10 grep -q ready "$DIR/watch-$place.log"
}

saw() {
	grep -q " $2\$" "$DIR/watch-$1.log"
}

seen() {
	sed 1d "$DIR/watch-$1.log" | awk '{ print $2 }' | sort | uniq -c |
		awk '{ print $2 "*" $1 }' | xargs
}

# changed FILE FILE - lines of the second that are not in the first.
changed() {
	comm -13 <(sort "$1") <(sort "$2")
}

# With DATAPLANE=ebpf some of it is dropped by the tc programs, before a rule could.
if [ "${DATAPLANE-}" = ebpf ]; then
	eval "rules_$(declare -f count)"
	count() {
		local name=none
		case $2 in
		"gateway of another network") name=drop-gateway ;;
		"forged source") name=drop-forged ;;
		esac
		echo $(($(rules_count "$@") + $(api Berth.Counters '{}' \
			berth-bridge | jq --arg n $name '.Counters[$n] // 0')))
	}
fi
