#!/bin/bash
# netctl volume df shows every driver's volumes with users, usage and limit; prune removes
# ours that no container refers to, running or stopped: anonymous ones, with --all the
# rest; it asks before, and removes nothing when dockerd does not answer.
. "${0%/*}/lib.sh"
need docker curl jq

start_daemon berth-named
start_dockerd
anon() { # a volume that nobody named, left by a container
	docker run --rm --network none --mount type=volume,volume-driver=berth-named,dst=/d \
		bb:1 grep ' /d ' /proc/self/mountinfo | grep -o '[0-9a-f]\{64\}' | head -1
}
names() {
	docker volume ls -qf driver=berth-named | sort | paste -sd' '
}
df() { # NAME
	"$NETCTL" volume df --json | jq -c --arg n "$1" \
		'.[] | select(.Name == $n) | [.Driver, .Users, .Containers, .Limit]'
}

# --rm takes an anonymous volume away; rm without -v leaves it, with -v not
anon >/dev/null
same "$(names)" ''
for rm in "rm -v" rm; do
	docker run --name aa --network none --mount type=volume,volume-driver=berth-named,dst=/d \
		bb:1 sh -c 'echo x >/d/x'
	# shellcheck disable=SC2086 # two words
	docker $rm aa >/dev/null
done
left=$(names)
same "${#left}" 64 "the anonymous volume that stays"

docker volume create -d berth-named -o size=16m sized >/dev/null
docker volume create -d berth-named spare >/dev/null
docker volume create -d berth-named loose >/dev/null
docker volume create dockers >/dev/null
docker run -d --name run --network none --stop-signal KILL -v sized:/d -v dockers:/e bb:1 sh -c \
	'dd if=/dev/zero of=/d/x bs=1M count=4; dd if=/dev/zero of=/e/x bs=1M count=3; exec sleep 999' \
	>/dev/null
docker create --name stopped -v spare:/d bb:1 sh >/dev/null
filled() {
	docker exec run sh -c 'test "$(wc -c </e/x)" = 3145728'
}
wait_until 10 filled

same "$(df sized)" '["berth-named",1,1,16777216]'
same "$(df spare)" '["berth-named",0,1,null]'
same "$(df dockers)" '["local",1,1,null]'
same "$(df "$left")" '["berth-named",0,0,null]'
used() {
	"$NETCTL" volume df --json | jq --arg n "$1" '.[] | select(.Name == $n) | .Used'
}
[ "$(used sized)" -ge $((4 << 20)) ] || fail "sized uses $(used sized)"
[ "$(used dockers)" -ge $((3 << 20)) ] || fail "dockers uses $(used dockers)"
contains "$("$NETCTL" volume df)" CONTAINERS
contains "$("$NETCTL" volume inspect dockers)" local
contains "$("$NETCTL" volume inspect sized)" image

# only asked for
same "$("$NETCTL" volume prune -n --json | jq -r '.[].Name')" "$left"
same "$("$NETCTL" volume prune --dry-run --all --json | jq -r '.[].Name' | sort | paste -sd' ')" \
	"$(printf '%s\n' "$left" loose | sort | paste -sd' ')"
fails "$NETCTL" volume prune </dev/null
fails "$NETCTL" volume prune <<<n
contains "$(names)" "$left"
# without dockerd nobody knows
fails_with 'nothing is removed' "$NETCTL" volume prune --all --force --docker /nonesuch.sock
contains "$(names)" "$left"
"$NETCTL" volume prune <<<y >out
contains "$(cat out)" "$left"
same "$(names)" 'loose sized spare'
same "$("$NETCTL" volume prune --force --json | jq -c .)" '[]'

# with names, once nobody refers to them: also a stopped container does
docker volume prune -f >/dev/null
same "$(names)" 'loose sized spare' "after docker's own prune"
"$NETCTL" volume prune --all --force >/dev/null
same "$(names)" 'sized spare' "while containers refer to them"
docker kill run >/dev/null
"$NETCTL" volume prune --all --force >/dev/null
same "$(names)" 'sized spare' "while stopped containers refer to them"
docker rm run stopped >/dev/null
same "$("$NETCTL" volume prune --all --force --json | jq -r '.[].Name' | sort | paste -sd' ')" \
	'sized spare'
same "$(names)" ''
same "$(docker volume ls -q)" dockers "Docker's own"
docker volume rm dockers >/dev/null
