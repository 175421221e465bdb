#!/bin/bash
# Whoever is inside a volume swaps directories with links to the outside without pause,
# while it is made, mounted, told of, unmounted and removed 10,000 times: nothing outside is touched,
# and nothing of the volumes is left.  (SOAK scales it.)
# time: 1200
. "${0%/*}/../lib/lib.sh"
need curl jq python3

mount -t tmpfs none /var/lib/berth # the disk would be what is waited for
start_daemon berth-named
mkdir -p canary/deep/er
for i in 1 2 3; do
	echo "bird $i" >"canary/deep/er/$i"
done
chmod 4711 canary/deep/er/1
hash_canary() {
	(cd "$DIR/canary" && find . -printf '%p %m %u %g %s %y %T@\n' | sort &&
		find . -type f -exec sha256sum {} + | sort)
}
before=$(hash_canary)
rounds=$(awk -v s="$SOAK" 'BEGIN { print int(10000 * s) }')
cat >race.py <<'END'
import ctypes, json, mmap, os, socket, sys

SOCK, CANARY, ROUNDS = sys.argv[1], sys.argv[2], int(sys.argv[3])
libc = ctypes.CDLL(None, use_errno=True)
VOLUMES = b"/var/lib/berth/berth-named/volumes/"


def call(method, body):
    data = json.dumps(body).encode()
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(SOCK)
        s.sendall(b"POST /%s HTTP/1.1\r\nHost: \r\nConnection: close\r\n"
                  b"Content-Length: %d\r\n\r\n" % (method.encode(), len(data))
                  + data)
        got = b""
        while part := s.recv(65536):
            got += part
    return json.loads(got.partition(b"\r\n\r\n")[2] or b"{}")


def swapper(shared):
    """A process inside of one volume after the other, also while it is being
    deleted; @shared: the volume's number and how often it swapped."""
    fd, at = -1, None
    while True:
        if shared[0] != at:
            at = shared[0]
            if fd >= 0:
                os.close(fd)
            try:
                fd = os.open(VOLUMES + b"vol%d/_data" % at, os.O_DIRECTORY)
            except OSError:
                fd = -1
        for a, b in (b"a", b"l"), (b"a/b", b"m"):
            if fd >= 0 and libc.renameat2(fd, a, fd, b, 2) == 0:
                shared[1] += 1


def fill(fd):
    for path in "a", "a/b", "a/b/c", "a/d":
        os.mkdir(path, dir_fd=fd)
    for path in "a/x", "a/b/x", "a/b/c/x", "x":
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY, dir_fd=fd))
    os.symlink(CANARY, "l", dir_fd=fd)
    os.symlink(CANARY + "/deep", "m", dir_fd=fd)
    os.mkfifo("a/pipe", dir_fd=fd)


shared = memoryview(mmap.mmap(-1, 16)).cast("Q")
shared[0] = ROUNDS  # no volume yet
child = os.fork()
if child == 0:
    swapper(shared)
refused = 0
for n in range(ROUNDS):
    image = n % 50 == 49
    name = "vol%d" % n
    opts = {"size": "16m"} if image else None
    for method, body in (("VolumeDriver.Create", {"Opts": opts}),
                         ("VolumeDriver.Mount", {"ID": "a"})):
        got = call(method, dict(body, Name=name))
        assert not got.get("Err"), got
    fd = os.open(VOLUMES + name.encode() + b"/_data", os.O_RDONLY | os.O_DIRECTORY)
    fill(fd)
    os.close(fd)
    if not image:  # one with somebody in it would not be unmounted
        shared[0] = n
    got = call("VolumeDriver.Get", {"Name": name})
    assert not got.get("Err"), got
    got = call("VolumeDriver.Unmount", {"Name": name, "ID": "a"})
    assert not got.get("Err"), got
    while True:
        got = call("VolumeDriver.Remove", {"Name": name})
        if not got.get("Err"):
            break
        # changed while it was looked through: whole, and tried again
        assert got.get("Code") in ("EAGAIN", "ENOTDIR", "ELOOP"), got
        refused += 1
os.kill(child, 9)
os.waitpid(child, 0)
print("%d rounds, %d swaps, %d times refused" % (ROUNDS, shared[1], refused))
assert shared[1] > ROUNDS
END
python3 race.py "$(sock berth-named)" "$DIR/canary" "$rounds" >said || fail "$(cat said)"
note "$(cat said)"
same "$(hash_canary)" "$before" "what is outside"
swept() {
	[ "$(ls -A /var/lib/berth/berth-named/volumes/.trash)" = '' ]
}
wait_until 60 swept # what was changed while it was deleted is tried again, after up to 10 s
same "$(ls /var/lib/berth/berth-named/volumes)" '' "volumes left"
same "$(api Berth.Check '{}' berth-named | jq -c .Problems)" '[]'
stop_daemon berth-named
umount /var/lib/berth
