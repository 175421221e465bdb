#!/bin/bash
# A volume that cannot be snapshotted is backed up while nobody uses it, in use only with
# --live; a container that comes in between is told; a forged archive leaves nothing outside.
# in turn
. "${0%/*}/../lib/lib.sh"
need docker curl jq python3 zstd script

disk 'mkfs.ext4 -q'
start_daemon berth-named
start_dockerd
V=/var/lib/berth/berth-named/volumes
names() {
	netctl volume ls --json | jq -r '.[].Name' | tr '\n' ' '
}
users() {
	api Berth.Volume '{"Name":"dir"}' berth-named | jq .Users
}

docker volume create -d berth-named dir >/dev/null
same "$(docker volume inspect dir | jq -r '.[0].Status.backing')" directory
docker run --rm --network none -v dir:/d bb:1 sh -c 'echo hello >/d/file; mkdir /d/sub'
netctl volume backup -o a.tar.zst dir >/dev/null
same "$(users)" 0
netctl volume restore a.tar.zst back >/dev/null
same "$(docker run --rm --network none -v back:/d bb:1 sh -c 'cat /d/file; ls /d')" $'hello\nfile\nsub'

# How far it is, on a terminal only.
lacks "$(netctl volume backup -o t.tar.zst back 2>&1)" 'backup of'
contains "$(script -qec 'netctl volume backup -o t2.tar.zst back' /dev/null)" 'backup of back'
fails_with 'nothing for a terminal' script -qec 'netctl volume backup -o - back' /dev/null

# In use.
docker run -d --name user --network none --stop-signal KILL -v dir:/d bb:1 sleep 999 >/dev/null
fails_with 'is in use, and there can be no snapshot' netctl volume backup -o b.tar.zst dir
[ ! -e b.tar.zst ]
same "$(users)" 1
contains "$(netctl volume backup --live -o b.tar.zst dir 2>&1)" 'while others may write to it'
same "$(users)" 1
test -s b.tar.zst

# Somebody comes while it is read, and the reader is held up by its pipe.
docker rm -f user >/dev/null
docker run --rm --network none -v dir:/d bb:1 sh -c 'dd if=/dev/urandom of=/d/big bs=1M count=4' 2>/dev/null
mkfifo pipe
in_background reader.log bash -c 'exec 3<pipe; read -rt 600 <> <(:) || :; until [ -e go ]; do read -rt 0.1 <> <(:) || :; done; cat <&3 >/dev/null'
rm -f go
in_background backup.log bash -c 'exec netctl volume backup -o - dir >pipe'
BACKUP=$PID
one_user() {
	[ "$(users)" = 1 ]
}
wait_until 10 one_user
fails_with 'in use' docker volume rm dir
docker run --rm --network none -v dir:/d bb:1 true
kill -9 "$BACKUP"
no_user() {
	[ "$(users)" = 0 ]
}
wait_until 10 no_user
# whole this time, with a container in the middle
cat >slow.sh <<'END'
netctl volume backup -o - dir 2>told | { head -c 1000 >/dev/null; touch here; until [ -e go ]; do read -rt 0.1 <> <(:) || :; done; cat >/dev/null; }
echo "${PIPESTATUS[0]}" >status
END
in_background slow.log bash slow.sh
wait_until 10 test -e here
docker run --rm --network none -v dir:/d bb:1 true
touch go
wait_until 20 test -s status
same "$(cat status)" 1
contains "$(cat told)" 'somebody began to use dir'
contains "$(cat told)" 'must not be used'
# and the daemon is killed under it
rm -f here go status
in_background slow.log bash slow.sh
wait_until 10 test -e here
kill9_daemon berth-named
restart_daemon berth-named
same "$(users)" 0 'users after a restart'
touch go
wait_until 20 test -s status
same "$(cat status)" 1

# What could not be restored is told, and all else is in the backup.
(
	cd "$V/dir/_data" || exit
	n=$(printf 'd%.0s' {1..250})
	for _ in {1..20}; do mkdir "$n" && cd -P "$n" || exit; done
	touch below
)
fails_with 'whole but for 1 that had to be left out' netctl volume backup -o deep.tar.zst dir
netctl volume restore deep.tar.zst deep >/dev/null
same "$(cat $V/deep/_data/file)" "$(cat $V/dir/_data/file)"
same "$(find $V/deep/_data -name 'd*d' | wc -l)" 16
netctl volume rm deep
rm -r $V/dir/_data/ddd*

# Forged archives, with a right checksum.
python3 - <<'END'
import hashlib, io, subprocess, tarfile
def forge(name, members):
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.PAX_FORMAT) as t:
        for path, kind, link in members:
            m = tarfile.TarInfo(path)
            m.type, m.mode, m.linkname = kind, 0o777, link or ""
            m.size = 4 if kind == tarfile.REGTYPE else 0
            t.addfile(m, io.BytesIO(b"evil"))
    z = subprocess.run(["zstd", "-qc"], input=raw.getvalue(), stdout=subprocess.PIPE, check=True).stdout
    text = ("berth-backup 1 sha256 " + hashlib.sha256(z).hexdigest()).ljust(89) + "\n"
    with open(name, "wb") as f:
        f.write(z + b"\x5b\x2a\x4d\x18" + len(text).to_bytes(4, "little") + text.encode())
R, S, L, D = tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE
forge("f1", [("/tmp/out", R, None)])
forge("f2", [("../../out", R, None)])
forge("f3", [("l", S, "../.."), ("l/out", R, None)])
forge("f4", [("l", S, "/tmp"), ("l/out", R, None)])
forge("f5", [("h", L, "/etc/passwd"), ("h", R, None)])
forge("f6", [("h", L, "../../../dir/_data/file"), ("h", R, None)])
forge("f7", [("d", D, None), ("d/../../out", R, None)])
forge("good", [("d", D, None), ("d/file", R, None)])
END
everything() {
	ls -d /tmp/out /out /etc/out 2>/dev/null || :
	find /var/lib/berth -name out
	md5sum /etc/passwd "$V/dir/_data/file"
	stat -c '%n %h %a' /etc/passwd "$V/dir/_data/file"
}
before=$(everything)
for f in f1 f2 f3 f4 f5 f6 f7; do
	fails netctl volume restore $f evil
	same "$(everything)" "$before" "what $f left"
	same "$(names)" 'back dir '
done
netctl volume restore good fine >/dev/null
same "$(cat $V/fine/_data/d/file)" evil

# What is mounted from elsewhere is not filled.
fails_with 'is not filled from here' netctl volume restore -o type=tmpfs -o device=tmpfs good x
fails_with 'owner and permissions that are in the' netctl volume restore -o uid=0 good x
fails_with 'unknown option' netctl volume restore -o sise=5m good x
fails_with 'is no option' netctl volume restore -o 5m good x
for v in fine back dir; do netctl volume rm $v; done
swept() { # what was empty goes in the background
	[ -z "$(ls -A $V/.trash)" ]
}
wait_until 30 swept
same "$(ls -A $V/.staging)" ''
