#!/bin/bash
# Random faults over three hosts and three etcd members, endpoints coming and going meanwhile:
# 5 s after each is healed the tables of every host say what there is, containers reach each
# other, and no address was given twice.  (SOAK scales their number; SEED=N does a run again.)
# alone
# time: 900
. "${0%/*}/../lib/lib.sh"
# shellcheck source=integration/lib/hosts
. "$IT/lib/hosts"
need curl jq ping etcd etcdctl

faults=$(awk -v s="${SOAK:-0.1}" 'BEGIN { n = int(20 * s); print (n > 3 ? n : 3) }')
EACH=$(awk -v s="${SOAK:-0.1}" 'BEGIN { print (s < 1 ? 20 : 100) }') # endpoints of a host
LIMIT_MS=$((5000 * ${BERTH_SLOW:-1}))
SEED=${SEED:-$((EPOCHSECONDS % 32768))}
RANDOM=$SEED
note "SEED=$SEED"

pick() { # WORD... - sets PICK: one of them
	local i=$((RANDOM % $# + 1))
	PICK=${!i}
}

# --- etcd ---------------------------------------------------------------------

HOSTS3="a b c"
for h in $HOSTS3 e1 e2 e3; do
	host_new "$h"
done
ns wire ip addr add 192.0.2.200/24 dev br0 # who watches
ETCDCTL_IN=wire
hosts_etcd e1 e2 e3
etcd_answers() {
	etcdctl endpoint health && etcdctl get /
}

# --- hosts --------------------------------------------------------------------

declare -A DEAD=() VTEP=() NETID=() EP=() FENCED=() HOLDS=() GIVEN=()
overlay() { # HOST
	host_daemon "$1" berth-overlay --underlay eth0 --store "$STORE" --node "$1"
}
ipam() { # HOST
	host_daemon "$1" berth-ipam --store "$STORE" --node "$1"
}

# call HOST PLUGIN METHOD JSON - sets GOT, and ERR where it is one; fails then.
call() {
	GOT=$(curl -sS --max-time 60 --unix-socket \
		"/proc/${HOST_PID[$1]}/root/run/docker/plugins/$2.sock" -d "$4" "http://plugin/$3")
	case $GOT in
	*'"Err":""'*) ERR="" ;;
	*'"Err":'*) ERR=$(jq -r .Err <<<"$GOT") && return 1 ;;
	*) ERR="" ;;
	esac
}
must() {
	call "$@" || fail "$3 on $1: $ERR"
}
driver() { # HOST METHOD JSON
	call "$1" berth-overlay "NetworkDriver.$2" "$3"
}

# Two networks: of one the test says the addresses, of the other berth-ipam does.
POOL=""
for h in $HOSTS3; do
	overlay "$h"
	ipam "$h"
	VTEP[$h]=$(host_address "$h")
	NETID[fix/$h]=$(sha256sum <<<"fix $h" | cut -c1-64)
	NETID[own/$h]=$(sha256sum <<<"own $h" | cut -c1-64)
	must "$h" berth-overlay NetworkDriver.CreateNetwork '{"NetworkID":"'"${NETID[fix/$h]}"'",
		"Options":{},"IPv4Data":[{"Pool":"10.91.0.0/16","Gateway":"10.91.0.1/16"}],
		"IPv6Data":[{"Pool":"fd00:91::/64","Gateway":"fd00:91::1/64"}]}'
	must "$h" berth-ipam IpamDriver.RequestPool '{"AddressSpace":"","Pool":"10.92.0.0/16",
		"SubPool":"","V6":false,"Options":{"berth.cluster":"on"}}'
	POOL=$(jq -r .PoolID <<<"$GOT")
	must "$h" berth-ipam IpamDriver.RequestAddress '{"PoolID":"'"$POOL"'","Address":"10.92.0.1",
		"Options":{"RequestAddressType":"com.docker.network.gateway"}}'
	must "$h" berth-overlay NetworkDriver.CreateNetwork '{"NetworkID":"'"${NETID[own/$h]}"'",
		"Options":{},"IPv6Data":[],
		"IPv4Data":[{"Pool":"10.92.0.0/16","Gateway":"10.92.0.1/16"}]}'
done

# --- endpoints: EP[ID] = "NET HOST MAC IPV4 IPV6", IPv6 "-" for none -----------------

COUNT=16 FREED=() REFUSED=0
next() { # sets ID, and of network fix MAC, IP4, IP6
	COUNT=$((COUNT + 1))
	ID=$(printf '%08x%056x' $((COUNT * 2654435761 % 4294967296)) $COUNT)
	MAC=$(printf '02:42:0a:5b:%02x:%02x' $((COUNT / 256)) $((COUNT % 256)))
	IP4=10.91.$((COUNT / 256)).$((COUNT % 256))
	IP6=$(printf 'fd00:91::%x' $COUNT)
}

create_body() { # NET HOST - of ID, MAC, IP4, IP6
	local v6=""
	[ "$IP6" = - ] || v6=',"AddressIPv6":"'$IP6'/64"'
	BODY='{"NetworkID":"'${NETID[$1/$2]}'","EndpointID":"'$ID'","Options":{},
		"Interface":{"Address":"'$IP4/16'","MacAddress":"'$MAC'"'$v6'}}'
}

make() { # NET HOST - of ID, MAC, IP4, IP6
	create_body "$1" "$2"
	driver "$2" CreateEndpoint "$BODY" || return 1
	EP[$ID]="$1 $2 $MAC $IP4 $IP6"
}

# berth-ipam says the address: nobody may have it.
make_own() { # HOST
	next
	MAC=${MAC/0a:5b/0a:5c} IP6=-
	if ! call "$1" berth-ipam IpamDriver.RequestAddress '{"PoolID":"'"$POOL"'","Address":"",
		"Options":{"com.docker.network.endpoint.macaddress":"'"$MAC"'"}}'; then
		note "no address on $1: $ERR"
		REFUSED=$((REFUSED + 1))
		return 0
	fi
	IP4=$(jq -r '.Address | split("/")[0]' <<<"$GOT")
	[ -z "${GIVEN[$IP4]-}" ] || fail "$IP4 was given to $1 and is ${GIVEN[$IP4]}'s"
	GIVEN[$IP4]=$1
	make own "$1" || fail "CreateEndpoint $IP4 on $1: $ERR"
}

unmake() { # ID
	local net host mac ip4 ip6
	read -r net host mac ip4 ip6 <<<"${EP[$1]}"
	driver "$host" DeleteEndpoint '{"NetworkID":"'"${NETID[$net/$host]}"'","EndpointID":"'"$1"'"}' ||
		fail "DeleteEndpoint on $host: $ERR"
	unset "EP[$1]"
	if [ "$net" = own ]; then
		unset "GIVEN[$ip4]"
		must "$host" berth-ipam IpamDriver.ReleaseAddress \
			'{"PoolID":"'"$POOL"'","Address":"'"$ip4"'"}'
	elif [ -z "${FENCED[$1]-}" ]; then
		FREED+=("$mac $ip4 $ip6")
	fi
	unset "FENCED[$1]"
}

of_host() { # HOST NET - sets IDS: its endpoints that may go
	local id
	IDS=()
	for id in "${!EP[@]}"; do
		case ${EP[$id]} in
		"$2 $1 "*) [ -n "${CONTAINER[$id]-}${FENCED[$id]-}${HOLDS[$id]-}" ] ||
			IDS+=("$id") ;;
		esac
	done
	# the order of a table of bash is no part of a seed
	mapfile -t IDS < <(printf '%s\n' "${IDS[@]}" | sort)
}

# What was another's a moment ago, on this host: it may not know yet that it is free.
move() { # HOST
	local at mac ip4 ip6
	[ ${#FREED[@]} -gt 0 ] || return 0
	at=$((RANDOM % ${#FREED[@]}))
	next
	read -r mac ip4 ip6 <<<"${FREED[at]}"
	MAC=$mac IP4=$ip4 IP6=$ip6
	if make fix "$1"; then
		FREED=("${FREED[@]:0:at}" "${FREED[@]:at+1}")
	else
		contains "$ERR" "$ip4" "why $1 refuses it"
		REFUSED=$((REFUSED + 1))
	fi
}

churn() {
	local h i
	for h in $HOSTS3; do
		[ -z "${DEAD[$h/berth-overlay]-}" ] || continue
		for ((i = RANDOM % 3; i >= 0; i--)); do
			next
			make fix "$h" || fail "CreateEndpoint $IP4 on $h: $ERR"
			of_host "$h" fix
			pick "${IDS[@]}"
			unmake "$PICK"
		done
		move "$h"
		[ -z "${DEAD[$h/berth-ipam]-}" ] || continue
		make_own "$h"
		of_host "$h" own
		[ ${#IDS[@]} -lt 8 ] || unmake "${IDS[RANDOM % ${#IDS[@]}]}"
	done
}

# --- what there is, and what the tables say ------------------------------------------

model_all() { # - files want.HOST, and want.addr: those that the cluster says are had
	local id host h v n
	for id in "${!EP[@]}"; do
		read -r _ host _ <<<"${EP[$id]}"
		[ -n "${FENCED[$id]-}" ] || echo "${EP[$id]} ${VTEP[$host]}"
	done >"$DIR/model"
	for h in $HOSTS3; do
		{
			for v in $HOSTS3; do
				[ "$v" = "$h" ] || for n in fix own; do
					echo "fdb $n 00:00:00:00:00:00 ${VTEP[$v]}"
				done
			done
			awk -v me="$h" '$2 != me {
				print "fdb", $1, $3, $6
				print "port", $1, $3
				print "neigh", $1, $4, $3
				if ($5 != "-") {
					split($3, m, ":")
					fe80 = ":" m[2] ":" m[3] "ff:fe" m[4] ":" m[5] m[6]
					gsub(/:0+/, ":", fe80) # MACs begin with 02
					fe80 = "fe80:" fe80
					print "neigh", $1, $5, $3
					print "neigh", $1, fe80, $3
				}
			}' "$DIR/model"
		} | sort >"$DIR/want.$h"
	done
	awk '{ print $4; if ($5 != "-") print $5 }' "$DIR/model" | sort >"$DIR/want.addr"
}

tables() { # HOST
	{
		ns "$1" bridge -j fdb show | jq -r '.[] | select(.ifname | startswith("bx-")) |
			if .dst then "fdb \(.ifname) \(.mac) \(.dst)"
			elif .state == "static" then "port \(.ifname) \(.mac)" else empty end'
		ns "$1" ip -j neigh show nud permanent | jq -r '.[] |
			select(.dev | startswith("bo-")) | "neigh \(.dev) \(.dst) \(.lladdr)"'
	} | sed "s/ b[xo]-${NETID[fix/$1]:0:12} / fix /; s/ b[xo]-${NETID[own/$1]:0:12} / own /" |
		sort
}

told() { # what the cluster says whose it is
	etcdctl get --prefix --keys-only /berth/berth/addr/ | sed -n 's,.*/,,p' | sort
}

as_model() {
	local h
	for h in $HOSTS3; do
		tables "$h" >"$DIR/got.$h"
	done
	told >"$DIR/got.addr"
	for h in $HOSTS3 addr; do
		cmp -s "$DIR/want.$h" "$DIR/got.$h" || return 1
	done
}

cut_off() { # the link of each that is cut off is down, and no other
	local id host down
	for host in $HOSTS3; do
		down=$(ns "$host" ip -j link show | jq -r '.[] | select(.ifname | startswith("bv")) |
			select(.flags | index("UP") | not) | .ifalias' | sed 's/.*://' | sort)
		[ "$down" = "$(for id in "${!FENCED[@]}"; do
			case ${EP[$id]} in *" $host "*) echo "$id" ;; esac
		done | sort)" ] || return 1
	done
}

reach() {
	local x y
	for x in $HOSTS3; do
		for y in $HOSTS3; do
			[ "$x" = "$y" ] || ns "ct.$x" ping -qc1 -W1 "${CT_IP[$y]}" >/dev/null || return 1
		done
	done
}

differs() { # < is wanted, > is there
	local h
	for h in $HOSTS3 addr; do
		diff "$DIR/want.$h" "$DIR/got.$h" >"$DIR/differs.$h" || :
		grep '^[<>]' "$DIR/differs.$h" | sed "s/^/$h: /;21q" || :
	done
	for h in $HOSTS3; do
		call "$h" berth-overlay Berth.Check '{}' || :
		echo "$h: $GOT"
		etcdctl get "/berth/berth/node/$h/host" || :
	done
}

WORST=0
settled() { # WHAT
	local begin at
	begin=$(now_ms) at=$begin
	model_all
	until as_model && cut_off && reach; do
		at=$(now_ms)
		if [ "$at" -gt $((begin + LIMIT_MS)) ]; then
			differs
			fail "$1 (SEED=$SEED): not as it should be in $LIMIT_MS ms"
		fi
		pause 0.05
	done
	at=$((at - begin)) # what is right was so when it was looked at
	[ $at -le $WORST ] || WORST=$at
	note "$1: as it should be after $at ms"
}

# --- faults ---------------------------------------------------------------------------

# double HOST - the addresses of one of its endpoints, WAS, for another, ID.  Of the two
# one will be cut off (FENCED), for as long as the other is there (HOLDS).
double() {
	local mac ip4 ip6
	of_host "$1" fix
	WAS=${IDS[RANDOM % ${#IDS[@]}]}
	read -r _ _ mac ip4 ip6 <<<"${EP[$WAS]}"
	next
	MAC=$mac IP4=$ip4 IP6=$ip6
}

begin_stop() { kill -STOP "${ETCD[$1]}"; }
heal_stop() { kill -CONT "${ETCD[$1]}"; }

begin_kill() { end "${ETCD[$1]}" KILL; }
heal_kill() { hosts_member "$1"; }

# Off the wire, and with an address that another has told.
begin_cut() {
	local other=${HOSTS3/$1/}
	host_cut "$1"
	# shellcheck disable=SC2086 # words
	pick $other
	[ -z "${DEAD[$1/berth-overlay]-}" ] || return 0
	double "$PICK"
	make fix "$1" || fail "cut off, $1 takes $IP4: $ERR"
	FENCED[$ID]=1 HOLDS[$WAS]=1
}
heal_cut() { host_heal "$1"; }

# For longer than its lease: another has an address of it by then.
begin_expire() {
	local lease other=${HOSTS3/$1/}
	host_cut "$1"
	lease=$(etcdctl get -w json "/berth/berth/node/$1/host" |
		grep -o '"lease":[0-9]*' | cut -d: -f2) # jq would round it
	etcdctl lease revoke "$(printf %x "$lease")" >/dev/null
	# shellcheck disable=SC2086 # words
	pick $other
	double "$1"
	make fix "$PICK" || fail "$PICK takes $IP4 of $1, which is gone: $ERR"
	FENCED[$WAS]=1 HOLDS[$ID]=1
}
heal_expire() { host_heal "$1"; }

# Of etcd only: containers reach each other meanwhile.
begin_deaf() {
	ns "$1" nft add table inet deaf
	ns "$1" nft add chain inet deaf out '{ type filter hook output priority 0; }'
	ns "$1" nft add rule inet deaf out tcp dport 2379 drop
	ns "$1" nft add chain inet deaf in '{ type filter hook input priority 0; }'
	ns "$1" nft add rule inet deaf in tcp sport 2379 drop
}
heal_deaf() { ns "$1" nft delete table inet deaf; }

begin_die() {
	host_stop "$1" berth-overlay KILL
	DEAD[$1/berth-overlay]=1
}
heal_die() {
	overlay "$1"
	unset "DEAD[$1/berth-overlay]"
}

begin_forget() {
	host_stop "$1" berth-ipam KILL
	DEAD[$1/berth-ipam]=1
}
heal_forget() {
	ipam "$1"
	unset "DEAD[$1/berth-ipam]"
}

# These are over at once.
begin_compact() { :; }
heal_compact() {
	local rev
	rev=$(etcdctl get / -w json | jq .header.revision)
	etcdctl compact "$rev" >/dev/null
	etcdctl defrag >/dev/null
	churn
}

MOVED=10
address() { # HOST
	MOVED=$((MOVED + 1))
	if [ $((RANDOM % 2)) = 0 ]; then # it has both for a moment, or none
		ns "$1" sysctl -qw net.ipv4.conf.eth0.promote_secondaries=1
		ns "$1" ip addr add "192.0.2.$MOVED/24" dev eth0
		ns "$1" ip addr del "${VTEP[$1]}/24" dev eth0
	else
		ns "$1" ip addr del "${VTEP[$1]}/24" dev eth0
		ns "$1" ip addr add "192.0.2.$MOVED/24" dev eth0
	fi
	VTEP[$1]=192.0.2.$MOVED
}
begin_vtep() { :; }
heal_vtep() {
	address "$1"
	churn
}

# Its daemon does not see it.
begin_stray() {
	begin_die "$1"
	address "$1"
}
heal_stray() { heal_die "$1"; }

# --- and now ------------------------------------------------------------------------------

declare -A CONTAINER=() CT_IP=()
for h in $HOSTS3; do
	next
	make fix "$h" || fail "$ERR"
	CONTAINER[$ID]=1 CT_IP[$h]=$IP4
	driver "$h" Join '{"NetworkID":"'"${NETID[fix/$h]}"'","EndpointID":"'"$ID"'","Options":{},
		"SandboxKey":"/x"}' || fail "$ERR"
	link=$(jq -r .InterfaceName.SrcName <<<"$GOT")
	new_ns "ct.$h"
	ip -n "$h" link set "$link" netns "ct.$h" name eth0
	ip -n "ct.$h" link set eth0 address "$MAC"
	ip -n "ct.$h" addr add "$IP4/16" dev eth0
	ip -n "ct.$h" link set eth0 up
done
pids=()
for h in $HOSTS3; do
	for ((i = 0; i < EACH; i++)); do
		next
		create_body fix "$h"
		EP[$ID]="fix $h $MAC $IP4 $IP6"
		echo "$BODY" | tr -d '\n\t' >"$DIR/body.$h.$i"
	done
	(for ((i = 0; i < EACH; i++)); do driver "$h" CreateEndpoint "@$DIR/body.$h.$i" ||
		fail "$ERR"; done) &
	pids+=($!)
done
for i in "${pids[@]}"; do
	wait "$i" || fail "endpoints were refused"
done
rm -f "$DIR"/body.*
settled "at first, ${#EP[@]} endpoints"

fault() { # sets KIND, TARGET
	# shellcheck disable=SC2086 # words
	pick ${KINDS:-stop kill cut expire deaf die forget compact vtep stray}
	KIND=$PICK
	case $KIND in
	stop | kill) pick e1 e2 e3 ;;
	compact) PICK=e1 ;;
	*) pick a b c ;;
	esac
	TARGET=$PICK
}

for ((n = 1; n <= faults; n++)); do
	fault
	what="$n: $KIND $TARGET" also=""
	kind=$KIND target=$TARGET
	# Sometimes two at once, that do not get in each other's way.
	if [ $((RANDOM % 3)) = 0 ]; then
		fault
		case "$kind $KIND" in
		*expire* | *compact*) ;;
		*) [ "$target" = "$TARGET" ] || also=$KIND\ $TARGET ;;
		esac
	fi
	what+=${also:+ and $also}
	"begin_$kind" "$target"
	# shellcheck disable=SC2086 # two words
	[ -z "$also" ] || "begin_${also% *}" ${also#* }
	churn
	pause "$((RANDOM % 4)).$((RANDOM % 10))"
	churn
	# shellcheck disable=SC2086 # two words
	[ -z "$also" ] || "heal_${also% *}" ${also#* }
	"heal_$kind" "$target"
	wait_until 30 etcd_answers
	settled "$what"
	# What is cut off is nobody's trouble any more.
	for ID in "${!FENCED[@]}"; do
		unmake "$ID"
	done
	HOLDS=()
	move a
done
note "${#EP[@]} endpoints of $COUNT, $REFUSED refused meanwhile, slowest $WORST ms"

# Nothing is left of it.
for ID in "${!EP[@]}"; do
	unmake "$ID"
done
for h in $HOSTS3; do
	for net in fix own; do
		driver "$h" DeleteNetwork '{"NetworkID":"'"${NETID[$net/$h]}"'"}' || fail "$ERR"
	done
	must "$h" berth-ipam IpamDriver.ReleaseAddress '{"PoolID":"'"$POOL"'","Address":"10.92.0.1"}'
	must "$h" berth-ipam IpamDriver.ReleasePool '{"PoolID":"'"$POOL"'"}'
done
nothing() {
	etcdctl get --prefix --keys-only /berth/ >"$DIR/keys" &&
		! grep -v '/host$' "$DIR/keys" | grep -q .
}
wait_until 10 nothing
