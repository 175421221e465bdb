#!/bin/bash
# type=nfs mounts what a server exports, in the version and with the options that were asked
# for: containers read and write it, the last one's end unmounts it, and rm takes nothing
# from the server.
# vm
# alone
# time: 180
. "${0%/*}/../lib/lib.sh"
need docker curl jq findmnt exportfs rpc.nfsd rpc.mountd

# The kernel's server, NFS 4 alone: it needs no portmapper.
mkdir share
mount -t tmpfs share share
mkdir share/deep
echo from-the-server >share/deep/file
modprobe nfsd
mount -t nfsd nfsd /proc/fs/nfsd
server_ends() {
	rpc.nfsd 0
	exportfs -ua
	umount /proc/fs/nfsd share
}
echo 10 >/proc/fs/nfsd/nfsv4gracetime
exportfs -io rw,fsid=0,no_subtree_check,no_root_squash,insecure "127.0.0.1:$PWD/share"
in_background mountd.log rpc.mountd --foreground --no-nfs-version 2 --no-nfs-version 3
mountd=$PID
rpc.nfsd --no-nfs-version 3 --no-udp 2

start_daemon berth-named
start_dockerd
vol() { # NAME O DEVICE
	docker volume create -d berth-named -o type=nfs -o o="$2" -o device="$3" "$1" >/dev/null
}
at() {
	docker volume inspect -f '{{.Mountpoint}}' "$1"
}
run() {
	docker run --rm --network none "$@"
}
vol data addr=127.0.0.1,nfsvers=4.2,soft,timeo=50 :/deep
same "$(run -v data:/d bb:1 sh -c 'cat /d/file; echo from-a-container >/d/new')" from-the-server
same "$(cat share/deep/new)" from-a-container
fails findmnt -M "$(at data)"

docker run -d --name aa --network none --stop-signal KILL -v data:/d bb:1 sleep 999 >/dev/null
same "$(findmnt -nro FSTYPE,SOURCE -M "$(at data)")" 'nfs4 127.0.0.1:/deep'
opts=,$(findmnt -nro OPTIONS -M "$(at data)"),
for o in nosuid nodev vers=4.2 soft timeo=50 addr=127.0.0.1; do
	contains "$opts" ",$o,"
done
same "$(docker exec aa cat /d/new)" from-a-container
same "$(docker volume inspect -f '{{.Status.backing}} {{.Status.mounted}}' data)" 'mount true'
docker rm -f aa >/dev/null
fails findmnt -M "$(at data)"

# The server by its name in the device, read-only.
vol ro ro,nfsvers=4.1 localhost:/deep
fails_with 'Read-only' run -v ro:/d bb:1 touch /d/x
# What the server does not have.
vol gone addr=127.0.0.1,nfsvers=4.2 :/nowhere
fails_with '/nowhere of server 127.0.0.1: mount: ' run -v gone:/d bb:1 sleep 0
fails_with 'No such file' run -v gone:/d bb:1 sleep 0

docker volume rm data ro gone >/dev/null
same "$(cat share/deep/file)" from-the-server "the server's file after its volumes are removed"
same "$(api Berth.Check '{}' berth-named | jq -c .Problems)" '[]'
same "$(findmnt -nro TARGET,SOURCE -t nfs,nfs4 || :)" ''
end "$mountd"
server_ends
