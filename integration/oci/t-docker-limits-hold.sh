#!/bin/bash
# time: 300
# dockerd's limits hold under berth-oci: memory, processes, CPU, devices, pause, update.
. "${0%/*}/../lib/lib.sh"
need docker jq

run() { docker run --runtime berth-oci "$@"; }
# The file of a v1 controller, or of v2, that limits the container.
limit() { # CONTAINER V1-CONTROLLER V1-FILE V2-FILE
	local id
	id=$(docker inspect -f '{{.Id}}' "$1")
	cat "/sys/fs/cgroup/$2/$BERTH_BOX-docker/$id/$3" 2>/dev/null ||
		cat "$BERTH_V2/$BERTH_BOX-docker/$id/$4"
}

start_dockerd --add-runtime "berth-oci=$BIN/berth-oci"

# memory: 64 MiB in 16
same "$(run --name oom -m 16m --memory-swap 16m bb:1 \
	dd if=/dev/zero of=/dev/null bs=64M count=1 >/dev/null 2>&1 || echo $?)" 137
same "$(docker inspect -f '{{.State.OOMKilled}}' oom)" true
same "$(run --rm -m 128m bb:1 dd if=/dev/zero of=/dev/null bs=64M count=1 2>/dev/null && echo fits)" fits

# processes
contains "$(run --rm --pids-limit 8 bb:1 sh -c 'for i in 1 2 3 4 5 6 7 8 9 10; do sleep 9 & done' 2>&1 || :)" "can't fork"
lacks "$(run --rm --pids-limit 30 bb:1 sh -c 'for i in 1 2 3 4 5 6 7 8 9 10; do sleep 0 & done; wait' 2>&1)" fork

# devices: loop-control is nobody's by default, null is everybody's
open='mknod /lc c 10 237 && (: </lc) && echo opened; (: >/dev/null) && echo null'
same "$(run --rm bb:1 sh -c "$open" 2>/dev/null)" null
same "$(run --rm --device-cgroup-rule 'c 10:237 rm' bb:1 sh -c "$open")" $'opened\nnull'
contains "$(run --rm --device-cgroup-rule 'c 10:237 wm' bb:1 sh -c "$open" 2>&1)" "not permitted"
same "$(run --rm --device-cgroup-rule 'a *:* rwm' bb:1 sh -c "$open")" $'opened\nnull'

# CPU, update, exec, pause
run -d --name lim --cpus 0.5 --cpuset-cpus 0 --cpu-shares 512 -m 64m bb:1 sleep 1000 >/dev/null
same "$(limit lim cpu cpu.cfs_quota_us cpu.max)" 50000
same "$(limit lim cpu cpu.shares cpu.weight)" 512
same "$(limit lim cpuset cpuset.cpus cpuset.cpus)" 0
same "$(limit lim memory memory.limit_in_bytes memory.max)" 67108864
docker update --memory 96m --memory-swap 96m --cpus 0.25 --pids-limit 44 lim >/dev/null
same "$(limit lim memory memory.limit_in_bytes memory.max)" 100663296
same "$(limit lim cpu cpu.cfs_quota_us cpu.max)" 25000
same "$(limit lim pids pids.max pids.max)" 44
same "$(limit lim cpu cpu.shares cpu.weight)" 512 "what update did not name"
same "$(docker exec lim cat /proc/self/cgroup)" "$(docker exec lim cat /proc/1/cgroup)"
docker pause lim >/dev/null
same "$(limit lim freezer freezer.state cgroup.freeze)" FROZEN
fails_with "paused" docker exec lim true
docker unpause lim >/dev/null
same "$(docker exec lim echo again)" again
docker pause lim >/dev/null
docker rm -f lim oom >/dev/null
same "$(find /sys/fs/cgroup/ -path "*$BERTH_BOX-docker/*" -type d | head)" "" "cgroups left"
