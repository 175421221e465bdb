#!/bin/bash
# in turn
# The transcript of docs/standalone.md, line by line, on a host without Docker: what each
# command prints is what stands there.
. "${0%/*}/lib.sh"
. "${0%/*}/box.sh"
need root busybox curl python3

rootfs
lan
mount -t tmpfs tmpfs /srv
cp -r "$ROOTFS" /srv/busybox
gone=()
for p in docker dockerd containerd runc crun podman; do
	p=$(type -P $p) || continue
	mount --bind /dev/null "$p"
	gone+=("$p")
done
PATH=$BIN:$PATH python3 - "$ROOT/docs/standalone.md" <<'END'
import re
import subprocess
import sys

text = open(sys.argv[1], encoding="utf-8").read()
block = re.search(r"```console\n(.*?)```", text, re.S).group(1)
steps = []
for line in block.splitlines():
    if line.startswith("$ "):
        steps.append((line[2:], []))
    else:
        steps[-1][1].append(line)
assert len(steps) > 15, steps


def pattern(lines):
    """A line of "…" alone is any number of lines; in a line it is anything."""
    return "".join(r"(?:.*\n)*" if line == "…" else
                   ".*".join(re.escape(part) for part in line.split("…")) + " *\n"
                   for line in lines)


for command, want in steps:
    got = subprocess.run(["bash", "-c", command], stdout=subprocess.PIPE,
                         stderr=subprocess.STDOUT, text=True, timeout=120,
                         check=False).stdout
    if not re.fullmatch(pattern(want), got):
        sys.exit("$ %s\nprinted:\n%s\nand is to print:\n%s" %
                 (command, got, "\n".join(want)))
print("# %d commands" % len(steps))
END
nothing_left
umount /srv "${gone[@]}"
