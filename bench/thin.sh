#!/bin/bash
# How long does a snapshot of a thin volume of 10 GiB with 1 GiB in it take, and what do reads
# and writes through a thin volume cost against the device below the pool?
# In the emulated guest, for this kernel may have no device-mapper: of what fio says only the
# ratios mean something.  Limit: 50 ms for a snapshot, also there, of the least of them; on a
# busy machine it is told and not held, for an emulated processor has what others leave.
# vm
# time: 450
. "${0%/*}/../integration/lib/lib.sh"
need curl jq dmsetup mkfs.ext4 fio python3

if [ -n "${QUICK-}" ]; then
	WRITTEN=64 SNAPSHOTS=5 ROUNDS=1 SECONDS_EACH=1
else
	WRITTEN=1024 SNAPSHOTS=20 ROUNDS=3 SECONDS_EACH=3
fi
allow '.' 'a bench: everything is in the guest and goes with it'
modprobe dm_mod

# Two parts of one disk: a pool, and as much that is bare.
sectors=$(blockdev --getsz "$BERTH_DISK")
pool=$((sectors * 3 / 4 / 2048 * 2048))
dmsetup create part --table "0 $pool linear $BERTH_DISK 0"
dmsetup create bare --table "0 $((sectors - pool)) linear $BERTH_DISK $pool"
node() { # NAME - there is no udev in the guest
	echo "/dev/dm-$(dmsetup info -c --noheadings -o minor "$1")"
}
bare=$(node bare)
start_daemon berth-thin --pool-device "$(node part)"

cat >bench.py <<'END_PY'
import json, os, socket, statistics, subprocess, sys, time

SOCK, BARE = sys.argv[1:3]
WRITTEN, SNAPSHOTS, ROUNDS, EACH = (int(x) for x in sys.argv[3:])


def call(method, **body):
    s = socket.socket(socket.AF_UNIX)
    s.connect(SOCK)
    data = json.dumps(body).encode()
    s.sendall(b"POST /%s HTTP/1.1\r\nHost: d\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
              % (method.encode(), len(data)) + data)
    got = b""
    while (part := s.recv(65536)):
        got += part
    answer = json.loads(got.partition(b"\r\n\r\n")[2])
    assert not answer.get("Err"), answer
    return answer


def mounted(name, **opts):
    call("VolumeDriver.Create", Name=name, Opts=opts)
    return call("VolumeDriver.Mount", Name=name, ID="x")["Mountpoint"]


def gone(name):
    call("VolumeDriver.Unmount", Name=name, ID="x")
    call("VolumeDriver.Remove", Name=name)


def fill(path, mib):
    piece = os.urandom(1 << 20)
    with open(path, "wb") as f:
        for _ in range(mib):
            f.write(piece)
        os.fsync(f.fileno())


def ms(fn, *args, **kw):
    t = time.perf_counter()
    fn(*args, **kw)
    return (time.perf_counter() - t) * 1000


def snapshots():
    at = mounted("big", size="10g")
    fill(at + "/data", WRITTEN)
    print("| thin volume of 10 GiB, in use, %d MiB written; %d times | least ms | median ms "
          "| most ms |\n|---|---|---|---|" % (WRITTEN, SNAPSHOTS))
    took = {"snapshot": [], "snapshot, 1 MiB written since the last": [],
            "clone of a snapshot": [], "snapshot removed": []}
    for n in range(SNAPSHOTS):
        a, b, c, d = took.values()
        s = {"Name": "big", "Snapshot": "s%d" % n}
        a.append(ms(call, "Berth.VolumeSnapshot", **s))
        c.append(ms(call, "VolumeDriver.Create", Name="c%d" % n,
                    Opts={"from": "big@s%d" % n}))
        call("VolumeDriver.Remove", Name="c%d" % n)
        d.append(ms(call, "Berth.VolumeSnapshotRemove", **s))
        with open(at + "/more", "wb") as f:
            f.write(os.urandom(1 << 20))
        b.append(ms(call, "Berth.VolumeSnapshot", **s))
        call("Berth.VolumeSnapshotRemove", **s)
    for what, x in took.items():
        print("| %s | %.1f | %.1f | %.1f |" % (what, min(x), statistics.median(x), max(x)))
    print("snapshot %.1f" % min(took["snapshot"]), file=sys.stderr)
    gone("big")


def fio(path, rw, bs):
    out = subprocess.run(
        ["fio", "--name=x", "--filename=" + path, "--rw=" + rw, "--bs=" + bs, "--size=128m",
         "--direct=1", "--ioengine=libaio", "--iodepth=8", "--time_based", "--runtime=%d" % EACH,
         "--output-format=json", "--randrepeat=1", "--invalidate=1"], check=True,
        capture_output=True, text=True).stdout
    job = json.loads(out[out.index("{"):])["jobs"][0]["read" if "read" in rw else "write"]
    return job["bw_bytes"] / 2**20 if bs == "1m" else job["iops"]


KINDS = (("write", "1m", "sequential write, MiB/s"), ("read", "1m", "sequential read, MiB/s"),
         ("randwrite", "4k", "random write of 4 KiB, 1/s"),
         ("randread", "4k", "random read of 4 KiB, 1/s"))


def throughput():
    subprocess.run(["mkfs.ext4", "-qF", BARE], check=True)
    os.makedirs("bare", exist_ok=True)
    subprocess.run(["mount", BARE, "bare"], check=True)
    rows = {}

    def one(what, rw, bs, path):
        rows.setdefault(what, {}).setdefault(rw, []).append(fio(path, rw, bs))

    for n in range(ROUNDS):
        at = mounted("v", size="1g")
        for path in "bare/x", at + "/x":
            fill(path, 128)
        for rw, bs, _ in KINDS:  # in turn: what the machine does else hits all
            one("ext4 on the bare device", rw, bs, "bare/x")
            one("thin volume (ext4)", rw, bs, at + "/x")
        for rw, bs, _ in KINDS:
            if "write" not in rw:
                continue
            os.unlink(at + "/x")  # its blocks are the pool's again
            one("the same, blocks that it takes from the pool", rw, bs, at + "/x")
            s = {"Name": "v", "Snapshot": "s"}
            call("Berth.VolumeSnapshot", **s)
            one("the same, blocks that a snapshot shares", rw, bs, at + "/x")
            call("Berth.VolumeSnapshotRemove", **s)
        gone("v")
    first = next(iter(rows.values()))
    print("\n| fio, direct, 8 at a time; to the first [least–most] | %s |\n|%s"
          % (" | ".join(k for _, _, k in KINDS), "---|" * 5))
    for what, got in rows.items():
        cells = []
        for rw, _, _ in KINDS:
            if rw not in got:
                cells.append("")
                continue
            r = [a / b for a, b in zip(got[rw], first[rw])]
            cells.append("%.0f" % statistics.median(got[rw]) if got is first else
                         "%.0f, %.2f [%.2f–%.2f]" % (statistics.median(got[rw]),
                                                     statistics.median(r), min(r), max(r)))
        print("| %s | %s |" % (what, " | ".join(cells)))
    subprocess.run(["umount", "bare"], check=True)


snapshots()
throughput()
END_PY

python3 bench.py "$(sock berth-thin)" "$bare" $WRITTEN $SNAPSHOTS $ROUNDS $SECONDS_EACH >thin.md 2>limits || {
	cat limits >&2
	exit 1
}
cat thin.md
stop_daemon berth-thin
dmsetup remove part
dmsetup remove bare
[ -n "${QUICK-}${BENCH_BUSY-}" ] || at_most "$(sed -n 's/^snapshot //p' limits)" 50 'ms for a snapshot of 10 GiB'
