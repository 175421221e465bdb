#!/bin/bash
# Anonymous volumes go with --rm and with rm -v, and stay with a plain rm.
. "${0%/*}/../lib/lib.sh"
need docker curl jq

start_daemon berth-named
start_dockerd
volumes() {
	api Berth.Volumes '{}' berth-named | jq '.Volumes | length'
}
run() { # FLAG... : a container with an anonymous volume of ours at /d
	docker run --network none --stop-signal KILL \
		--mount type=volume,dst=/d,volume-driver=berth-named "$@"
}

run --rm bb:1 sh -c 'echo x >/d/x && cat /d/x' >/dev/null
same "$(volumes)" 0 "after --rm"

run -d --name aa bb:1 sleep 999 >/dev/null
same "$(volumes)" 1 "while it runs"
docker rm -fv aa >/dev/null
same "$(volumes)" 0 "after rm -v"

run -d --name aa bb:1 sh -c 'echo kept >/d/x; exec sleep 999' >/dev/null
docker rm -f aa >/dev/null
same "$(volumes)" 1 "after rm"
v=$(docker volume ls -qf driver=berth-named)
same "${#v}" 64 "length of the name"
same "$(docker run --rm --network none -v "$v:/d" bb:1 cat /d/x)" kept
same "$(api Berth.Volume "{\"Name\":\"$v\"}" berth-named | jq .Users)" 0
docker volume prune -f >/dev/null # ignores plugins' volumes, Docker's own rule
same "$(volumes)" 1 "after docker volume prune"
docker volume rm "$v" >/dev/null
same "$(volumes)" 0 "at the end"
same "$(api Berth.Check '{}' berth-named | jq -c .Problems)" '[]'
