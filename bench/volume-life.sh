#!/bin/bash
# What does a volume cost from create to remove, a container in between, against Docker's
# local driver; and made of an image against mkfs and mount by hand?  Are 1,000 listed, and
# 200 that are mounted served again after a kill, within 100 ms?
# alone
# time: 900
. "${0%/*}/../integration/lib/lib.sh"
need docker curl jq python3 mkfs.ext4

ROUNDS=${ROUNDS:-$([ -n "${QUICK-}" ] && echo 2 || echo 12)}
MANY=${MANY:-1000} MOUNTED=${MOUNTED:-200}
TOLD=$BUILD/bench/volume-life.md
mkdir -p "$BUILD/bench"
[ -e /dev/loop-control ] || modprobe loop
allow '.' 'a bench: everything is in the box and goes with it'
start_daemon berth-named
start_dockerd
cat >life.py <<'END_PY'
import json, os, socket, statistics, subprocess, sys, time

DOCKER, NAMED, ROUNDS, MANY = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
SIZE = 64 << 20


class Peer:
    def __init__(self, path):
        self.path, self.s = path, None

    def call(self, verb, path, body=None):
        data = json.dumps(body).encode() if body is not None else b""
        if not self.s:
            self.s = socket.socket(socket.AF_UNIX)
            self.s.connect(self.path)
        self.s.sendall(b"%s %s HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\n"
                       b"Content-Length: %d\r\n\r\n"
                       % (verb.encode(), path.encode(), len(data)) + data)
        f = self.s.makefile("rb")
        status, head = f.readline(), {}
        while (line := f.readline().strip()):
            k, v = line.split(b":", 1)
            head[k.lower()] = v.strip()
        if b"chunked" in head.get(b"transfer-encoding", b""):
            rest = b""
            while (n := int(f.readline(), 16)):
                rest += f.read(n)
                f.readline()
            f.readline()
        else:
            rest = f.read(int(head.get(b"content-length", 0)))
        assert status.split()[1][:1] == b"2", (path, status, rest)
        answer = json.loads(rest) if rest.strip() else {}
        assert not isinstance(answer, dict) or not answer.get("Err"), answer
        return answer

    def post(self, method, **body):
        return self.call("POST", "/" + method, body)


def timed(fn, *args):
    t = time.perf_counter()
    fn(*args)
    return (time.perf_counter() - t) * 1000


def told(title, cells):
    print("| %s | %s |" % (title, " | ".join(cells)))


def compare(rows, rounds):
    """Each round all of @rows in turn; ratios to the first, in the same round."""
    times = {title: [] for title, _ in rows}
    for n in range(rounds + 1):
        for title, fn in rows:
            ms = timed(fn, n)
            if n:  # the first is to warm up
                times[title].append(ms)
    first = times[rows[0][0]]
    for title, _ in rows:
        r = [a / b for a, b in zip(times[title], first)]
        told(title if r[0] != 1 else "**%s** (reference)" % title,
             ["%.1f" % statistics.median(times[title]),
              "%.2f [%.2f–%.2f]" % (statistics.median(r), min(r), max(r))])
    print()


def head(*cells):
    print("| %s |\n|%s" % (" | ".join(cells), "---|" * len(cells)))


docker, named = Peer(DOCKER), Peer(NAMED)


def container(driver, **opts):
    def life(n):
        name = "life%d" % n
        docker.call("POST", "/volumes/create",
                    {"Name": name, "Driver": driver, "DriverOpts": opts})
        c = docker.call("POST", "/containers/create", {
            "Image": "bb:1", "Cmd": ["true"],
            "HostConfig": {"Binds": [name + ":/d"], "NetworkMode": "none"}})["Id"]
        docker.call("POST", "/containers/%s/start" % c)
        docker.call("POST", "/containers/%s/wait" % c)
        docker.call("DELETE", "/containers/" + c)
        docker.call("DELETE", "/volumes/" + name)
    return life


def calls(**opts):
    def life(n):
        name = "calls%d" % n
        named.post("VolumeDriver.Create", Name=name, Opts=opts)
        named.post("VolumeDriver.Mount", Name=name, ID="1")
        named.post("VolumeDriver.Unmount", Name=name, ID="1")
        named.post("VolumeDriver.Remove", Name=name)
    return life


def sync(path):
    fd = os.open(path, os.O_RDONLY)
    os.fsync(fd)
    os.close(fd)


def by_hand(durable):
    def life(n):
        with open("hand.img", "w") as f:
            os.posix_fallocate(f.fileno(), 0, SIZE)
        os.makedirs("hand", exist_ok=True)
        subprocess.run(["mkfs.ext4", "-qF", "hand.img"], check=True)
        if durable:
            sync("hand.img")
            sync(".")
        subprocess.run(["mount", "-o", "loop", "hand.img", "hand"], check=True)
        subprocess.run(["umount", "hand"], check=True)
        os.unlink("hand.img")
        if durable:
            sync(".")
    return life


def most(title, fn, *args):
    ms = sorted(timed(fn, *args) for _ in range(50))
    told(title, ["%.2f" % ms[25], "%.2f" % ms[-1]])
    print("%s %.2f" % (title, ms[25]), file=sys.stderr)


head("create, run a container with it, remove both, by Docker", "ms", "to reference [least–most]")
compare([("local", container("local")), ("berth-named", container("berth-named")),
         ("berth-named, size=64m", container("berth-named", size="64m"))], ROUNDS)
head("create, mount, unmount, remove", "ms", "to reference [least–most]")
compare([("fallocate, mkfs.ext4, mount -o loop, umount, rm; synced", by_hand(True)),
         ("the same, not synced", by_hand(False)),
         ("berth-named's four calls, size=64m", calls(size="64m")),
         ("berth-named's four calls, no size", calls())], ROUNDS)
for n in range(MANY):
    named.post("VolumeDriver.Create", Name="v%d" % n, Opts={})
head("with %d volumes" % MANY, "p50 ms", "most ms")
most("VolumeDriver.List", lambda: named.post("VolumeDriver.List"))
most("VolumeDriver.Get", lambda: named.post("VolumeDriver.Get", Name="v7"))
most("`docker volume ls`, its request", lambda: docker.call("GET", "/volumes"))
most("`docker volume inspect`, its request", lambda: docker.call("GET", "/volumes/v7"))
print()
for n in range(MANY):
    named.post("VolumeDriver.Remove", Name="v%d" % n)
END_PY
cat >again.py <<'END_PY'
import json, socket, sys, time

SOCK, WHAT, COUNT, OPTS = sys.argv[1], sys.argv[2], int(sys.argv[3]), json.loads(sys.argv[4])


def call(s, method, body):
    data = json.dumps(body).encode()
    s.sendall(b"POST /VolumeDriver.%s HTTP/1.1\r\nHost: d\r\nContent-Length: %d\r\n\r\n"
              % (method.encode(), len(data)) + data)
    f = s.makefile("rb")
    while (line := f.readline().strip()):
        if line.lower().startswith(b"content-length"):
            size = int(line.split(b":")[1])
    answer = json.loads(f.read(size))
    assert not answer.get("Err"), answer
    return answer


if WHAT == "first":  # from now, when the daemon is started, to its first answer
    t = time.perf_counter()
    end = t + 60
    while time.perf_counter() < end:
        try:
            s = socket.socket(socket.AF_UNIX)
            s.connect(SOCK)
            break
        except OSError:
            time.sleep(0.0005)
    n = len(call(s, "List", {})["Volumes"])
    assert n == COUNT, n
    print("%.1f" % ((time.perf_counter() - t) * 1000))
    sys.exit()
s = socket.socket(socket.AF_UNIX)
s.connect(SOCK)
for n in range(COUNT):
    name = "m%d" % n
    if WHAT == "up":
        call(s, "Create", {"Name": name, "Opts": OPTS})
        call(s, "Mount", {"Name": name, "ID": "1"})
    else:
        call(s, "Unmount", {"Name": name, "ID": "1"})
        call(s, "Remove", {"Name": name})
END_PY

first_answer() { # TITLE OPTS - a daemon that was killed, started again
	local times=()
	python3 again.py "$(sock berth-named)" up "$MOUNTED" "$2"
	for _ in 1 2 3 4 5; do
		kill9_daemon berth-named
		"$BIN/berth-named" >>berth-named.log 2>&1 </dev/null &
		# shellcheck disable=SC2034,SC2154 # lib.sh's
		DAEMON_PID[berth-named]=$!
		STARTED+=("$!")
		times+=("$(python3 again.py "$(sock berth-named)" first "$MOUNTED" '{}')")
	done
	mapfile -t times < <(printf '%s\n' "${times[@]}" | sort -n)
	echo "| $1 | ${times[2]} | ${times[4]} |"
	echo "first answer with $1 ${times[2]}" >&2
	python3 again.py "$(sock berth-named)" down "$MOUNTED" '{}'
}

# Not in a pipe: it starts daemons.
{
	python3 life.py "$DOCKER_SOCK" "$(sock berth-named)" "$ROUNDS" "$MANY"
	echo "| killed and started again: to the first answer, with | median ms | most ms |"
	echo "|---|---|---|"
	first_answer "$MOUNTED mounted, plain" '{}'
	first_answer "$MOUNTED mounted, images of 16 MB" '{"size":"16m"}'
	echo
	echo "Run of $(date -u +%F), ${BENCH_STATE:-state of the machine not known}."
} >told 2>limits || { cat limits >&2; exit 1; }
cat told
[ -n "${QUICK-}" ] || cp told "$TOLD"
grep -E '^(VolumeDriver|first answer|.docker)' limits >limited
while read -r line; do
	at_most "${line##* }" 100 "ms, ${line% *}"
done <limited
