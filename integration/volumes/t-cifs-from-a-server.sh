#!/bin/bash
# type=cifs mounts a share with the name and password of a credentials file: containers
# read and write it, the last one's end unmounts it, rm takes nothing from the server, and the
# password is nowhere to be read.
# vm
# alone
# time: 180
. "${0%/*}/../lib/lib.sh"
need docker curl jq findmnt smbd smbpasswd

mkdir -p share smb
mount -t tmpfs share share
echo from-the-server >share/file
cat >smb.conf <<END
[global]
	server role = standalone server
	server min protocol = SMB3
	interfaces = lo
	bind interfaces only = yes
	disable netbios = yes
	smb ports = 445
	load printers = no
	printing = bsd
	usershare max shares = 0
	private dir = $PWD/smb
	state directory = $PWD/smb
	cache directory = $PWD/smb
	lock directory = $PWD/smb
	pid directory = $PWD/smb
	ncalrpc dir = $PWD/smb/rpc
	log file = $PWD/smbd.log
[docs]
	path = $PWD/share
	read only = no
END
printf 'drowssap\ndrowssap\n' | smbpasswd -c smb.conf -L -a -s root
# In a process group of its own: it ends all of that.
in_background smbd.out smbd --foreground --configfile="$PWD/smb.conf"
smbd=$PID
listens() {
	ss -Hltn 'sport = 445' | grep -q .
}
wait_until 30 listens

start_daemon berth-named
start_dockerd
vol() { # NAME O DEVICE
	docker volume create -d berth-named -o type=cifs -o o="$2" -o device="$3" "$1" >/dev/null
}
at() {
	docker volume inspect -f '{{.Mountpoint}}' "$1"
}
run() {
	docker run --rm --network none "$@"
}
(umask 077 && printf 'username=root\npassword=drowssap\n' >cred)
vol docs "credentials=$PWD/cred,vers=3.1.1,file_mode=0640,dir_mode=0750" //127.0.0.1/docs
same "$(run -v docs:/d bb:1 sh -c 'cat /d/file; echo from-a-container >/d/new')" from-the-server
same "$(cat share/new)" from-a-container
fails findmnt -M "$(at docs)"

docker run -d --name aa --network none --stop-signal KILL -v docs:/d bb:1 sleep 999 >/dev/null
same "$(findmnt -nro FSTYPE,SOURCE -M "$(at docs)")" 'cifs //127.0.0.1/docs'
opts=,$(findmnt -nro OPTIONS -M "$(at docs)"),
for o in nosuid nodev vers=3.1.1 username=root file_mode=0640; do
	contains "$opts" ",$o,"
done
same "$(docker exec aa stat -c %a /d/new)" 640
lacks "$opts" drowssap "what everybody sees of the mount"
docker rm -f aa >/dev/null
fails findmnt -M "$(at docs)"

(umask 077 && printf 'username=root\npassword=another\n' >wrong)
vol wrong "credentials=$PWD/wrong,vers=3.1.1" //127.0.0.1/docs
fails_with 'ermission denied' run -v wrong:/d bb:1 sleep 0
vol none "credentials=$PWD/cred,vers=3.1.1" //127.0.0.1/nowhere
fails_with 'nowhere of server 127.0.0.1: mount: No such file' run -v none:/d bb:1 sleep 0

lacks "$(docker volume inspect docs wrong)$(cat "$DIR/berth-named.log")" drowssap
fails grep -rqa drowssap /var/lib/berth/berth-named /run/berth
docker volume rm docs wrong none >/dev/null
same "$(cat share/file)" from-the-server "the server's file after its volumes are removed"
same "$(api Berth.Check '{}' berth-named | jq -c .Problems)" '[]'
same "$(findmnt -nro TARGET,SOURCE -t cifs || :)" ''
end "$smbd"
umount share
