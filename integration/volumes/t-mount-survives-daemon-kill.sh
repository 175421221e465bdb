#!/bin/bash
# A mounted volume outlives its daemon, and its users are known to the next one; after
# a reboot it is mounted again for the first who asks, and gone with the last.
. "${0%/*}/../lib/lib.sh"
need docker curl jq findmnt

start_daemon berth-named
start_dockerd
mkdir -p "$DIR/srv"
docker volume create -d berth-named -o type=tmpfs -o o=size=1m -o device=tmpfs mem >/dev/null
docker volume create -d berth-named -o type=none -o o=bind -o device="$DIR/srv" bind >/dev/null
up() { # NAME
	docker run -d --name "$1" --network none --stop-signal KILL \
		-v mem:/m -v bind:/b bb:1 sleep 999 >/dev/null
}
mounts() {
	findmnt -nro TARGET | grep -c '/volumes/.*/_data$' || :
}
up aa
docker exec aa sh -c 'echo kept >/m/file; echo kept >/b/file'

kill9_daemon berth-named
same "$(docker exec aa cat /m/file /b/file | uniq -c | tr -s ' ')" ' 2 kept' "without a daemon"
start_daemon berth-named
same "$(mounts)" 2 "mounts after a kill"
up bb
same "$(docker exec bb cat /m/file)" kept
docker rm -f aa >/dev/null
same "$(mounts)" 2 "mounts with one user left"
kill9_daemon berth-named
start_daemon berth-named
same "$(docker exec bb cat /m/file)" kept
docker rm -f bb >/dev/null
same "$(mounts)" 0 "mounts without a user"
same "$(cat "$DIR/srv/file")" kept
same "$(api Berth.Check '{}' berth-named | jq -c .Problems)" '[]'

# What somebody unmounted behind our back is mounted again.
up aa
umount -l /var/lib/berth/berth-named/volumes/mem/_data
kill9_daemon berth-named
start_daemon berth-named
same "$(mounts)" 2 "mounts that were taken away"
docker rm -f aa >/dev/null

# A reboot: mounts and /run are gone.
docker run -d --name web --network none --stop-signal KILL --restart always \
	-v mem:/m -v bind:/b bb:1 sleep 999 >/dev/null
pid=$(pid_of web)
kill9_dockerd
kill -9 "$pid"
kill9_daemon berth-named
kill_shims
wait_until 10 no_process containerd-shim
awk '$5 ~ "^/(run/|var/lib/berth/|var/lib/docker/)" && $5 !~ "^/run/netns" { print $5 }' \
	/proc/self/mountinfo | tac | while read -r m; do
	umount -l "$m"
done
find /run -mindepth 1 -not -path '/run/netns*' -delete 2>/dev/null || :
cat /proc/sys/kernel/random/uuid >"$DIR/boot_id"
mount --bind "$DIR/boot_id" /proc/sys/kernel/random/boot_id
start_daemon berth-named
same "$(mounts)" 0 "mounts after a reboot"
run_dockerd
running() {
	[ "$(docker inspect -f '{{.State.Running}}' web)" = true ]
}
wait_until 20 running
same "$(mounts)" 2 "mounts of a container that restarts"
same "$(docker exec web cat /b/file)" kept
same "$(docker exec web ls /m)" ''
docker rm -f web >/dev/null
same "$(mounts)" 0
docker volume rm mem bind >/dev/null
same "$(cat "$DIR/srv/file")" kept
umount /proc/sys/kernel/random/boot_id
