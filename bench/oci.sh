#!/bin/bash
# What does a container of /bin/true cost from start to exit, with and without Docker's
# default filter: berth-oci against runc and crun?  Peak memory beside it.
# alone
# time: 600
. "${0%/*}/../integration/lib/lib.sh"
need docker jq python3 runc crun busybox

ROUNDS=${ROUNDS:-$([ -n "${QUICK-}" ] && echo 3 || echo 40)}
TOLD=$BUILD/bench/oci.md
mkdir -p "$BUILD/bench"
allow '.' 'a bench: everything is in the box and goes with it'

# Docker's profile as dockerd hands it to a runtime.
start_dockerd
docker run -d --name donor bb:1 sleep 1000 >/dev/null
id=$(docker inspect -f '{{.Id}}' donor)
jq .linux.seccomp "$DOCKER_EXEC/containerd/daemon/io.containerd.runtime.v2.task/moby/$id/config.json" \
	>profile.json
docker rm -f donor >/dev/null
stop_dockerd

mkdir -p plain/rootfs/{bin,proc,sys,dev} filtered
cp /usr/bin/busybox plain/rootfs/bin/true
(cd plain && runc spec)
jq '.process.terminal = false | .process.args = ["/bin/true"] | .process.env = []
	| del(.process.rlimits, .process.capabilities.ambient) | .root.path = "'"$DIR"'/plain/rootfs"
	| .linux.cgroupsPath = "/'"$BERTH_BOX"'-docker/bench"' plain/config.json >plain/c
mv plain/c plain/config.json
jq --slurpfile p profile.json '.linux.seccomp = $p[0]' plain/config.json >filtered/config.json
# crun refuses the hybrid layout: it and the others see v1 alone.
umount "$BERTH_V2"

cat >measure.py <<'END_PY'
import os, re, statistics, subprocess, sys, time

rounds, told = int(sys.argv[1]), sys.argv[2]
names = ["berth-oci", "runc", "crun"]
took = {}
quiet = dict(stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


def command(name, bundle):
    return [name, "--root", "/run/bench-" + name, "run", "--bundle", bundle, "b"]


for i in range(rounds + 1):
    for bundle in ("plain", "filtered"):
        for name in names:
            t = time.perf_counter()
            subprocess.run(command(name, bundle), check=True, **quiet)
            if i:  # the first fills caches
                took.setdefault((bundle, name), []).append((time.perf_counter() - t) * 1e3)


def peak(name, bundle):  # KiB; busybox's own is below all of them
    p = subprocess.run(["busybox", "time", "-v"] + command(name, bundle), check=True,
                       stderr=subprocess.PIPE, **quiet)
    return int(re.search(rb"Maximum resident set size \(kbytes\): (\d+)", p.stderr)[1])


lines = ["| | start to exit, ms (p10..p90) | × crun | peak memory, MiB |", "|---|---|---|---|"]
for bundle in ("plain", "filtered"):
    base = statistics.median(took[bundle, "crun"])
    for name in names:
        t = sorted(took[bundle, name])
        m = statistics.median(t)
        lines.append("| %s%s | %.1f (%.1f..%.1f) | %.2f | %.1f |" % (
            name, "" if bundle == "plain" else ", Docker's filter", m, t[len(t) // 10],
            t[-1 - len(t) // 10], m / base, peak(name, bundle) / 1024))
text = "\n".join(lines)
print(text)
open(told, "w").write(text + "\n")
END_PY
python3 measure.py "$ROUNDS" "$TOLD"
