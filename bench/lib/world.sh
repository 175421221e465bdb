# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2034
#
# world.sh - what every bench of the packet path begins with, after
# integration/lib/lib.sh: worlds, servers in them, and paired measurements.
#
# A world is one way from a client to a container, on a host of its own, so that no
# path pays for the rules or the conntrack table of another:
#
#   NAME.lan 192.0.2.2 --veth-- 192.0.2.1 NAME.host 10.90.0.1 --veth-- 10.90.0.2 NAME.ct
#
# paths.sh makes them.  The server is the same program for all.
#
# Every figure is paired: reference, X, reference, Y, ... and the ratio is X by the
# mean of its two neighbours; what is told is the median of the rounds and [least-most].
# Absolute rates of this machine mean little, and two columns of them nothing.
#
# QUICK=1: few and short rounds, to see that everything runs; its figures are not told.
ROUNDS=${ROUNDS:-$([ -n "${QUICK-}" ] && echo 2 || echo 6)}
EACH=${EACH:-$([ -n "${QUICK-}" ] && echo 0.3 || echo 1.2)}
BENCH=$TOOLS/tcpbench
# What is told: Markdown, for docs/performance.md.
TOLD=$BUILD/bench/$(basename "$0" .sh).md
declare -A AT=()       # of a world: the address a client asks
declare -A AT_PORT=()  # ... and its ports
declare -A FROM=()     # ... where it asks from: namespace
declare -A TRACKED=()  # ... namespaces in which conntrack is in the way: flushed
declare -A HOOKED=()   # ... cgroup that a local client is in
declare -A TITLE=()
NOTES=()
if [ -z "${QUICK-}" ]; then
	mkdir -p "$BUILD/bench"
	: >"$TOLD"
fi
# What Docker's instances leave ends with the box; nothing here is a claim about it.
allow '.' 'a bench: everything is in the box and goes with it'

# world NAME TITLE - its three namespaces and the LAN's cable.  No neighbour is waited
# for long: what does not answer within 3 s is a failure.
world() {
	TITLE[$1]=$2
	new_ns "$1.lan"
	new_ns "$1.host"
	new_ns "$1.ct"
	ip link add eth0 netns "$1.lan" type veth peer name up1 netns "$1.host"
	ip -n "$1.lan" addr add 192.0.2.2/24 dev eth0
	ip -n "$1.lan" link set eth0 up
	ip -n "$1.host" addr add 192.0.2.1/24 dev up1
	ip -n "$1.host" link set up1 up
	ip -n "$1.host" route add default via 192.0.2.2
	ns "$1.lan" sysctl -qw net.ipv4.tcp_syn_retries=1
	ns "$1.host" sysctl -qw net.ipv4.tcp_syn_retries=1
	ns "$1.ct" sysctl -qw net.ipv4.tcp_syn_retries=1
	FROM[$1]=$1.lan
}

# world_serve NAME PORTS [NAMESPACE] - the server, in the container.
world_serve() {
	in_background "serve-$1.log" nsenter "--net=/run/netns/${3:-$1.ct}" -- \
		"$BENCH" serve "$2"
	wait_until 20 grep -q ready "$DIR/serve-$1.log"
}

# world_client NAME VERB [ARG...] - tcpbench asks the world's address: its line.
world_client() {
	local w=$1 verb=$2
	shift 2
	if [ -n "${HOOKED[$w]-}" ]; then
		# shellcheck disable=SC2016 # for the inner shell
		set -- sh -c 'echo $$ >"$0/cgroup.procs" && exec "$@"' "${HOOKED[$w]}" \
			nsenter "--net=/run/netns/${FROM[$w]}" -- \
			"$BENCH" "$verb" "${AT[$w]}" "${AT_PORT[$w]}" "$@"
	else
		set -- nsenter "--net=/run/netns/${FROM[$w]}" -- \
			"$BENCH" "$verb" "${AT[$w]}" "${AT_PORT[$w]}" "$@"
	fi
	"$@"
}

# world_works NAME - once, before anything is measured: a path that carries nothing is
# a failure, not a slow one.
world_works() {
	local line
	line=$(world_client "$1" connect 0.2 1) || fail "${TITLE[$1]}: no connection: $line"
	case $line in
	*" refused=0 timeout=0 other=0") ;;
	*) fail "${TITLE[$1]}: $line" ;;
	esac
}

value() { # KEY LINE
	local v=" $2"
	v=${v#* "$1"=}
	echo "${v%% *}"
}

# one_run NAME VERB - "RATE P50" of one run of $EACH seconds.
one_run() {
	local line n
	for n in ${TRACKED[$1]-}; do
		ns "$n" conntrack -F >/dev/null 2>&1 || :
	done
	line=$(world_client "$1" "$2" "$EACH") || fail "${TITLE[$1]}, $2: $line"
	echo "$(value rate "$line") $(value p50 "$line")"
}

# paired VERB REFERENCE NAME... - lines "NAME RATE P50 REF-RATE REF-P50 REF-RATE
# REF-P50", the reference just before and just after; one a round and name.
paired() {
	local verb=$1 ref=$2 round name before after got
	shift 2
	before=$(one_run "$ref" "$verb")
	for ((round = 0; round < ROUNDS; round++)); do
		for name; do
			got=$(one_run "$name" "$verb")
			after=$(one_run "$ref" "$verb")
			echo "$name $got $before $after"
			before=$after
		done
	done
}

# ratios FILE - of paired's lines, one a name in order of appearance: "NAME RATE
# RATIO LEAST MOST P50 P50-RATIO REF-RATE REF-P50", medians.
ratios() {
	awk 'function add(a, v, n) { a[n] = a[n] " " v }
	function median(list, v, n, i, j, t) {
		n = split(list, v, " ")
		for (i = 2; i <= n; i++)
			for (j = i; j > 1 && v[j] + 0 < v[j - 1] + 0; j--) {
				t = v[j]; v[j] = v[j - 1]; v[j - 1] = t
			}
		least = v[1]; most = v[n]
		return n % 2 ? v[(n + 1) / 2] : (v[n / 2] + v[n / 2 + 1]) / 2
	}
	function div(a, b) { return b ? a / b : 0 }
	!($1 in rate) { order[++names] = $1 }
	{ add(rate, $2, $1); add(p50, $3, $1)
	add(ratio, div($2, ($4 + $6) / 2), $1); add(slow, div($3, ($5 + $7) / 2), $1)
	add(ref, ($4 + $6) / 2, $1); add(ref50, ($5 + $7) / 2, $1) }
	END { for (i = 1; i <= names; i++) {
		n = order[i]
		m = median(ratio[n]); lo = least; hi = most
		printf "%s %.3f %.3f %.3f %.3f %.1f %.3f %.3f %.1f\n", n, median(rate[n]),
			m, lo, hi, median(p50[n]), median(slow[n]), median(ref[n]),
			median(ref50[n])
	} }' "$1"
}

# --- what is told -----------------------------------------------------------

# table [CAPTION] - what comes on stdin: to the terminal, and to the file that
# docs/performance.md takes it from.  In a quick run only to the terminal.
table() {
	{
		[ -z "${1-}" ] || printf '%s\n\n' "$1"
		cat
		echo
	} | if [ -n "${QUICK-}" ]; then cat; else tee -a "$TOLD"; fi
}

# not_here PATH WHY - a path that is not measured, said aloud and with the tables.
not_here() {
	printf 'NOT MEASURED: %s: %s\n' "$1" "$2" >&2
	NOTES+=("Not measured: $1: $2.")
}

# tell_end - what was left out, and when this was.
tell_end() {
	{
		[ ${#NOTES[@]} = 0 ] || printf '%s\n' "${NOTES[@]}"
		echo "Run of $(date -u +%F), ${BENCH_STATE:-state of the machine not known}."
	} | table
}

# tell_ratios FILE UNIT REFERENCE [LATENCY] - rows of a table; LATENCY: p50 too.
tell_ratios() {
	local name rate ratio least most p50 slow ref ref50 first=1
	while read -r name rate ratio least most p50 slow ref ref50; do
		if [ -n "$first" ]; then
			first=
			printf '| path | %s | to reference [least–most] |' "$2"
			[ -z "${4-}" ] || printf ' p50 µs | p50 to reference |'
			printf '\n|---|---|---|'
			[ -z "${4-}" ] || printf -- '---|---|'
			printf '\n| **%s** (reference) | %s | 1.00 |' "${TITLE[$3]}" \
				"$(human "$ref")"
			[ -z "${4-}" ] || printf ' %s | 1.00 |' "$ref50"
			echo
		fi
		printf '| %s | %s | %.2f [%.2f–%.2f] |' "${TITLE[$name]}" "$(human "$rate")" \
			"$ratio" "$least" "$most"
		[ -z "${4-}" ] || printf ' %.1f | %.2f |' "$p50" "$slow"
		echo
	done < <(ratios "$1")
}

human() { # N - with a k where it is large
	awk -v n="$1" 'BEGIN { if (n >= 1000) printf "%.1fk", n / 1000; else printf "%.1f", n }'
}

# measure VERB UNIT REFERENCE NAME... - paired runs, and their table.
measure() {
	paired "$1" "$3" "${@:4}" >"$DIR/pairs"
	tell_ratios "$DIR/pairs" "$2" "$3" "$([ "$1" = stream ] || echo p50)" | table
}
