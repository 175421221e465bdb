#!/bin/bash
# With no more than their systemd units allow (capabilities, no new privileges, a
# read-only system), the daemons serve networks, ports and volumes.
. "${0%/*}/../lib/lib.sh"
need docker curl jq setpriv strace systemd-analyze

UNITS=$ROOT/packaging/systemd
setting() { # UNIT KEY
	sed -n "s/^$2=//p" "$UNITS/$1.service"
}

# The units themselves: systemd reads them without complaint, and how much they
# leave open does not grow.
mkdir -p root/usr/local/bin root/usr/local/lib/systemd/system
for d in "${DAEMONS[@]}"; do
	cp "$UNITS/$d".* root/usr/local/lib/systemd/system/
	cp "$BIN/$d" root/usr/local/bin/
done
for t in sysinit basic sockets shutdown multi-user network-pre local-fs; do
	printf '[Unit]\nDescription=%s\n' $t >root/usr/local/lib/systemd/system/$t.target
done
# What mounts for the host may see all of it, and talks to file servers.
declare -A open=([berth-bridge]=40 [berth-dns]=40 [berth-ipam]=40 [berth-ipvlan]=45
	[berth-macvlan]=45 [berth-named]=52 [berth-overlay]=40 [berth-thin]=52 [berth-tmpfs]=45)
for d in "${DAEMONS[@]}"; do
	out=$(systemd-analyze verify --man=no --root="$PWD/root" \
		"$d.service" "$d.socket" 2>&1 || :)
	same "$out" '' "what systemd says of $d"
	systemd-analyze security --offline=true --no-pager --threshold="${open[$d]}" \
		"$UNITS/$d.service" >"$d.security" ||
		fail "$d: $(tail -1 "$d.security")"
	note "$(tail -1 "$d.security")"
done

# A daemon that fails for a while (a full disk, a missing mount) is started until it
# works: no limit, but not in a tight loop either.
for d in berth-bridge berth-dns berth-ipvlan berth-macvlan berth-named berth-overlay berth-thin berth-tmpfs; do
	same "$(sed -n '/^\[Unit\]/,/^\[Service\]/s/^StartLimitIntervalSec=//p' \
		"$UNITS/$d.service")" 0 "start limit of $d"
	same "$(setting "$d" Restart) $(setting "$d" RestartSec)" "on-failure 1s" \
		"restarts of $d"
done

# What it mounts has to be seen by dockerd.
fails grep -E '^(Protect(System|Home|Kernel|Control|Proc|Hostname)|Private(Tmp|Devices|Mounts|IPC|Users)|ProcSubset|MountFlags|RootDirectory|(ReadWrite|ReadOnly|Inaccessible|Bind|BindReadOnly|TemporaryFileSystem|Exec|NoExec)Paths?|DynamicUser|LogNamespace)' \
	"$UNITS/berth-named.service" "$UNITS/berth-tmpfs.service"

# The same by hand, for there is no systemd here.
mkdir confined
for d in "${DAEMONS[@]}"; do
	caps=$(setting "$d" CapabilityBoundingSet | tr ' ' '\n' |
		sed 's/^CAP_/+/' | tr 'A-Z\n' 'a-z,')
	contains "$caps" + "capabilities of $d"
	filter=$(setting "$d" SystemCallFilter | tr -d '~' | tr ' ' '\n')
	# shellcheck disable=SC2046 # groups of system calls are words
	denied=$({
		systemd-analyze --no-pager syscall-filter $(grep '^@' <<<"$filter") |
			sed -n 's/^    \([a-z0-9_]*\)$/?\1/p'
		sed -n 's/^\([a-z].*\)/?\1/p' <<<"$filter"
	} | sort -u | paste -sd,)
	contains "$denied" '?reboot,' "system calls denied to $d"
	apart=
	[ -z "$(setting "$d" ProtectSystem)" ] || apart="unshare --mount --propagation slave"
	cat >"confined/$d" <<END
#!/bin/bash
exec $apart bash -c '
	set -e
	mkdir -p /var/lib/berth /run/berth
	for m in ${apart:+/var/lib/berth /run/berth "$PLUGINS" "$DIR"}; do
		mount --bind "\$m" "\$m"
	done
	for m in ${apart:+/ /run}; do
		mount -o remount,bind,ro "\$m"
	done
	exec strace -D -f --seccomp-bpf -qq -o "$DIR/$d.denied" -e "signal=none" \\
		-e "trace=$denied,unshare,setns,socket" setpriv --nnp --bounding-set "-all,${caps%,}" \\
		"$BIN/$d" "\$@"
' "$d" "\$@"
END
	chmod +x "confined/$d"
done
mkdir -p "$PLUGINS"
BIN=$DIR/confined
export IPAM=berth-ipam
berth_host
fails touch "/proc/${DAEMON_PID[berth-bridge]}/root/usr/x"

docker network create -d berth-bridge --ipv6 --subnet 10.66.0.0/24 \
	--subnet fd00:66::/64 n1 >/dev/null
docker network create -d berth-bridge n2 >/dev/null # looks at the routes
docker volume create -d berth-named -o mode=0770 -o uid=33 v1 >/dev/null
docker volume create -d berth-named -o size=16m v2 >/dev/null
docker volume create -d berth-named -o size=300m -o fs=xfs v3 >/dev/null
mkdir -p "$DIR/srv"
docker volume create -d berth-named -o type=tmpfs -o device=tmpfs -o o=size=1m v4 >/dev/null
docker volume create -d berth-named -o type=none -o o=rbind,ro -o device="$DIR/srv" v5 >/dev/null
start_daemon berth-tmpfs
docker volume create -d berth-tmpfs -o size=1m -o uid=33 -o berth.keep=on v6 >/dev/null
docker run -d --name web --network n1 -v v1:/www -v v2:/ext4 -v v3:/xfs -v v4:/mem -v v5:/srv -v v6:/own --stop-signal KILL -p 80:80 \
	-p 8000-8200:8000-8200 bb:1 sh -c \
	'cp /bin/busybox /ext4; cp /bin/busybox /xfs; echo found >/www/x; chown 77 /www/x; chmod 0 /www/x; echo ok >/tmp/i
	 exec httpd -f -p 80 -h /tmp' >/dev/null
wait_until 5 curl -sf --max-time 2 http://127.0.0.1/i
same "$(curl -sf --max-time 2 http://127.0.0.1/i)" ok "from this host"
same "$(curl -sf --max-time 2 'http://[::1]/i')" ok "from this host, IPv6"
same "$(ns lan curl -sf --max-time 2 http://192.0.2.1/i)" ok "from the LAN"
same "$(api Berth.Check '{}' berth-bridge | jq -c .Problems)" '[]' problems
restart_daemon berth-bridge
restart_daemon berth-named
restart_daemon berth-ipam
restart_daemon berth-tmpfs
same "$(ns lan curl -sf --max-time 2 http://192.0.2.1/i)" ok "after a restart"
same "$(findmnt -n -o FSTYPE /run/berth/berth-tmpfs/volumes/v6)" tmpfs "v6 on this host"
docker exec web sh -c 'echo kept >/own/x; chown 77 /own/x; chmod 0 /own/x'
"$NETCTL" volume resize v6 2m
same "$(docker volume inspect v6 | jq -c '.[0].Status | [.used, .size]')" '[4096,2097152]' "figures of v6"
"$NETCTL" volume backup --live -o v6.tar.zst v6 >/dev/null 2>&1
"$NETCTL" volume restore --driver berth-tmpfs -o berth.keep=on v6.tar.zst v7 >/dev/null
same "$(stat -c %u /run/berth/berth-tmpfs/volumes/v7/x)" 77 "what was restored"
docker volume rm v7 >/dev/null
same "$(findmnt -n -o FSTYPE /var/lib/berth/berth-named/volumes/v2/_data)" ext4 "v2 on this host"
same "$(findmnt -n -o FSTYPE /var/lib/berth/berth-named/volumes/v4/_data)" tmpfs "v4 on this host"
has_figure() {
	[ "$(docker volume inspect v1 | jq '.[0].Status.used > 0')" = true ]
}
wait_until 10 has_figure # the walk

# It sees who has a volume: a live container keeps it, whatever the grace time.
stop_daemon berth-named
start_daemon berth-named --gc-grace 1s
v1_lost_its_user() {
	[ "$(api Berth.Volume '{"Name":"v1"}' berth-named | jq .Users)" = 0 ]
}
never_within 4 v1_lost_its_user
for d in berth-named berth-tmpfs; do
	same "$(api Berth.Check '{}' $d | jq -c .Problems)" '[]' "problems of $d"
done
# Names that users add, to a network that berth-overlay tells of.
start_daemon berth-overlay --underlay up1
docker network create -d berth-overlay -o berth.peers=192.0.2.2 --subnet 10.9.0.0/24 ov >/dev/null
start_daemon berth-dns
knows_ov() {
	[ "$(api Berth.NameAdd '{"Network":"ov","Name":"printer","Address":"10.9.0.7"}' berth-dns |
		jq -r '.Err // ""')" = "" ]
}
wait_until 10 knows_ov
restart_daemon berth-dns
same "$(api Berth.Names '{}' berth-dns | jq -r '.Names[0].Name')" printer "a name that a user added"
docker network rm ov >/dev/null

# A container on the LAN: its namespace is entered, and its link made there again.
lan lan2 2
start_daemon berth-macvlan
start_daemon berth-ipvlan
docker network create -d berth-macvlan --subnet 192.0.3.0/24 --gateway 192.0.3.2 \
	-o parent=up2 -o berth.host_access=on n3 >/dev/null
serve far n3 80 --ip 192.0.3.70
same "$(ns lan2 curl -s --max-time 5 http://192.0.3.70/)" far "from its LAN"
same "$(fetch http://192.0.3.70/)" far "from this host, on its LAN"
restart_daemon berth-macvlan
ip link del up2
ip netns del lan2
# shellcheck disable=SC2034 # the library's
UPLINKS=(up1)
lan lan2 2
wait_until 10 ns lan2 ping -q -c 1 -W 1 192.0.3.70
same "$(api Berth.Check '{}' berth-macvlan | jq -c .Problems)" '[]' "problems of the LAN"
docker rm -f far >/dev/null
docker network rm n3 >/dev/null
docker rm -f web >/dev/null
docker volume rm v1 v2 v3 v4 v5 v6 >/dev/null
docker network rm n1 n2 >/dev/null
no_address_left
same "$(api Berth.Gc '{"DryRun":true}' berth-bridge | jq -c .Removed)" '[]' "left over"
for d in "${DAEMONS[@]}"; do
	may='+++\|socket(\|<... socket resumed>'
	[ "$(setting "$d" RestrictNamespaces)" != net ] ||
		may="$may\|setns([0-9]*, CLONE_NEWNET)"
	same "$(grep -v "$may" "$d.denied" || :)" '' \
		"system calls its unit denies to $d"
	# shellcheck disable=SC2013 # words
	for f in $(grep -o 'socket(AF_[A-Z0-9]*' "$d.denied" | sort -u); do
		contains " $(setting "$d" RestrictAddressFamilies) " \
			" ${f#socket(} " "address families of $d"
	done
done
lacks "$(cat berth-*.log)" "not permitted" "the logs"
stop_daemon berth-bridge
stop_daemon berth-dns
stop_daemon berth-ipam
stop_daemon berth-ipvlan
stop_daemon berth-macvlan
stop_daemon berth-named
stop_daemon berth-tmpfs
