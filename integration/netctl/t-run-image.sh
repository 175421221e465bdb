#!/bin/bash
# in turn
# time: 600
# netctl run of images, as Docker's and podman's save write them and as OCI layouts of all
# packings: what is in there is what docker run shows of the same image; layers are unpacked
# once, what a container writes goes with it, and a changed image is refused.
. "${0%/*}/lib.sh"
. "${0%/*}/box.sh"
# shellcheck source=integration/lib/podman
. "$IT/lib/podman"
need docker podman python3 zstd gzip jq curl findmnt root

STORE=/var/lib/berth/netctl/images

# short - names without what Docker 25 and later put before them when they save.
short() {
	sed 's,docker\.io/library/,,g'
}

note 'an image of three layers, with whiteouts, made by Docker'
start_dockerd
start_daemon berth-named # for its volume
layer() { # IMAGE NEW SCRIPT [--change ...] - NEW is IMAGE after SCRIPT
	local from=$1 to=$2 script=$3
	shift 3
	docker run --name made --network none --stop-signal SIGUSR1 "$from" sh -c "$script" >/dev/null
	docker commit "$@" made "$to" >/dev/null
	docker rm made >/dev/null
}
layer bb:1 img:1 '
	echo "web:x:80:81:web:/app:/bin/sh" >>/etc/passwd
	printf "web:x:81:\nlog:x:90:web\n" >/etc/group
	mkdir -p /app/sub /data/old /data/deep/er
	echo one >/app/one; echo gone >/app/gone; echo old >/data/old/old
	echo x >/data/deep/er/x; ln /app/one /app/sub/one; ln -s ../one /app/sub/link
	cp /bin/busybox /app/su; chmod 4755 /app/su; chown 80:81 /app/one; chmod 1777 /tmp
	mkfifo /app/fifo; touch -d "2001-02-03 04:05:06" /app/one /data'
layer img:1 img:2 '
	rm /app/gone; rm -r /data/old; mkdir /data/old; echo new >/data/old/new
	rm -r /data/deep; echo file >/data/deep; echo more >/app/more; chmod 750 /data' \
	--change 'ENV A=1 B="two words" PATH=/bin:/app' --change 'WORKDIR /app/made' \
	--change 'USER web' --change 'ENTRYPOINT ["sh", "-c", "echo $0 \"$@\"; exec \"$0\" \"$@\""]' \
	--change 'CMD ["id", "-u"]' --change 'LABEL tier=front' \
	--change 'EXPOSE 80 53/udp' --change 'VOLUME /var/vol'
docker save -o saved.tar img:2
docker save -o both.tar img:1 img:2

# alike IMAGE [FILES] - what docker run img:2 shows, netctl run IMAGE does; with FILES its
# files only.
alike() {
	local img=$1 files=${2-} cmd flags n=0
	while IFS='|' read -r flags cmd; do
		n=$((n + 1))
		[ -z "$files" ] || [ -z "${cmd##find *}" ] || continue
		[ -s "want.$n" ] || eval "docker run --rm --network none -h box $flags img:2 $cmd" \
			>"want.$n" 2>&1 </dev/null || echo "$?" >>"want.$n"
		eval "run --rm -h box $flags $img $cmd" 2>said >got </dev/null || echo "$?" >>got
		same "$(diff <(sort "want.$n") <(sort got))" '' "$img: run $flags $cmd ($(cat said))"
	done <<'END'
|
|env
-e A=2 -e C=3|env
|pwd
-w /data|pwd
-w /data/none/yet|pwd
|id
-u 5|id
-u 0|id
--entrypoint id|
--entrypoint id|-g
--entrypoint false|
-u 0|find / -xdev \( -path /dev -o -path /etc/resolv.conf -o -path /etc/hosts -o -path /etc/hostname -o -path /.dockerenv -o -path /proc -o -path /sys -o -path /etc/mtab -o -path /app/made \) -prune -o ! -path / ! -path /etc -exec stat -c "%n.%a.%u.%g.%h.%F" {} +
-u 0|find /app /bin /data -type f -exec md5sum {} +
-u 0|stat -c %Y /app/one
|readlink /app/sub/link
|sh -c "exit 7"
END
}
alike saved.tar
same "$("$NETCTL" image ls --json | jq -r '.[] | "\(.Name) \(.Layers | length) \(.Containers | length)"' | short)" 'img:2 3 0'
nothing_left

note 'its layers are unpacked once'
inodes() {
	stat -c %i "$STORE"/layers/*/fs | sort
}
first=$(inodes)
same "$(find "$STORE/layers" -mindepth 1 -maxdepth 1 | wc -l)" 3
same "$(ls "$STORE/staging")" ''

note 'as podman saves it, and as layouts'
start_podman
podman load -qi saved.tar >/dev/null
podman save -q --format oci-archive -o oci.tar img:2
podman save -q --format oci-dir -o ocidir img:2
podman save -q --format docker-archive -o podman.tar img:2
for how in none gzip zstd; do
	"$IT/lib/oci-layout" saved.tar "layout-$how" $how
done
tar -C layout-zstd -cf layout.tar .
gzip -k saved.tar
for img in oci.tar ocidir podman.tar layout-none layout-gzip layout-zstd layout.tar saved.tar.gz; do
	same "$(run --rm -u 0 "$img" cat /data/old/new 2>said)" 'cat /data/old/new
new' "$img ($(cat said))"
	same "$(inodes)" "$first" "$img: layers unpacked again"
done
alike ocidir files
same "$(run --rm both.tar:1 cat /app/gone 2>/dev/null)" gone 'by its tag'
same "$(run --rm both.tar:img:1 cat /app/gone 2>/dev/null)" gone 'by its name'
fails_with 'several images' run --rm both.tar true
contains "$( (run --rm both.tar true || :) 2>&1 | short)" 'img:1, img:2'
fails_with 'no image "3"' run --rm both.tar:3 true
nothing_left

note 'unpacked anew, of each packing, they are the same'
for how in none gzip zstd; do
	"$NETCTL" image prune >/dev/null
	same "$(ls "$STORE/layers" "$STORE/images")" "$STORE/images:

$STORE/layers:"
	alike "layout-$how" files
done

note 'what is written is the container'"'"'s own, and goes with it'
img=layout-none
run -d --name one -u 0 --entrypoint sh $img -c 'echo mine >/app/one; rm /app/more; sleep 300' >/dev/null
run -d --name two -u 0 --entrypoint sleep $img 300 >/dev/null
one() {
	[ "$("$NETCTL" exec one cat /app/one)" = mine ]
}
wait_until 10 one
same "$("$NETCTL" exec two cat /app/one /app/more)" 'one
more'
same "$("$NETCTL" exec -u web two id -un)" web 'exec by the image'"'"'s own passwd'
same "$(field one Labels.tier)" front
contains "$("$NETCTL" ps)" 'layout:1'
same "$("$NETCTL" image ls --json | jq -c '[.[] | .Containers | sort]')" '[["one","two"]]'
fails_with "is container " "$NETCTL" image rm docker.io/library/layout:1
"$NETCTL" image prune >said
same "$(cat said)" ''
same "$("$NETCTL" exec two cat /app/one)" one
id=$(field one ID)
findmnt -n "/var/lib/berth/netctl/containers/$id/root" >/dev/null || fail 'not mounted'
"$NETCTL" rm -f one two >/dev/null
fails findmnt -n "/var/lib/berth/netctl/containers/$id/root"
nothing_left
fails_with 'no image "out:1"' "$NETCTL" image rm out:1
same "$("$NETCTL" image rm layout:1)" docker.io/library/layout:1
same "$(ls "$STORE/layers")" ''
run -d --name again --restart always -u 0 --entrypoint sh $img -c 'cat /app/seen; echo x >>/app/seen; sleep 0.2' \
	>/dev/null 2>&1
seen() {
	"$NETCTL" logs again 2>/dev/null | grep -q x
}
wait_until 20 seen
"$NETCTL" rm -f again >/dev/null
same "$(umask 077 && run --rm -u 0 --entrypoint stat $img -c %a /var/vol 2>/dev/null)" 755
fails_with 'Read-only' run --rm --read-only -u 0 --entrypoint touch $img /app/x
nothing_left

note 'stop sends the signal of the image'
run -d --name ss -u 0 --entrypoint sh $img \
	-c 'trap "exit 5" USR1; trap "exit 6" TERM; echo up; while :; do sleep 0.1; done' >/dev/null 2>&1
wait_until 10 eval '"$NETCTL" logs ss | grep -q up'
"$NETCTL" stop ss >/dev/null
same "$(field ss ExitCode)" 5
"$NETCTL" rm ss >/dev/null
run -d --name ss -u 0 --stop-signal TERM --entrypoint sh $img \
	-c 'trap "exit 5" USR1; trap "exit 6" TERM; echo up; while :; do sleep 0.1; done' >/dev/null 2>&1
wait_until 10 eval '"$NETCTL" logs ss | grep -q up'
kill "$(monitor_of ss)"
wait_until 10 is ss exited
same "$(field ss ExitCode)" 6
"$NETCTL" rm ss >/dev/null
run -d --name ss -u 0 --restart always --entrypoint sh $img \
	-c 'trap "exit 5" USR1; echo up; while :; do sleep 0.1; done' >/dev/null 2>&1
wait_until 10 eval '"$NETCTL" logs ss | grep -q up'
"$NETCTL" kill -s USR1 ss >/dev/null
wait_until 10 is ss exited
"$NETCTL" rm ss >/dev/null
fails_with 'is no signal' run --rm --stop-signal 'A B' $img true
fails_with 'which command' run --rm --entrypoint '' $img

note '-P: what it exposes, at free ports'
fails_with 'needs a --network' run --rm -P $img true
start_daemon berth-ipam
start_daemon berth-bridge
"$NETCTL" network create --subnet 10.82.0.0/24 shop >/dev/null
run -d --name pp -u 0 -P --network shop --entrypoint sh $img \
	-c 'mkdir -p /www; echo page >/www/index.html; httpd -f -h /www' >/dev/null 2>&1
port=$("$NETCTL" ports --json | jq -r '.[] | select(.Proto == "tcp") | .HostFirst')
wait_until 10 curl -sf -o page "http://127.0.0.1:$port/"
same "$(cat page)" page
same "$("$NETCTL" ports --json | jq -c '[.[] | "\(.Target)/\(.Proto)"] | sort')" \
	'["10.82.0.2:53/udp","10.82.0.2:80/tcp"]'
"$NETCTL" rm -f pp >/dev/null
run -d --name pp -u 0 -P -p 8080:80 --network shop --entrypoint sleep $img 300 >/dev/null 2>&1
same "$("$NETCTL" ports --json | jq -c '[.[] | select(.Proto == "tcp") | .HostFirst]')" '[8080]' '-p of the same port'
"$NETCTL" rm -f pp >/dev/null
"$NETCTL" network rm shop >/dev/null
nothing_left

note 'more layers than a list in one text has, and a kernel that wants one'
for how in '' boxroot.layers:err=EINVAL; do
	same "$(BERTH_FP=$how run --rm -u 0 --entrypoint cat layout-zstd /data/old/new 2>/dev/null)" new "$how"
done
python3 - <<'END'
import hashlib, io, json, tarfile
def add(tar, name, data, **more):
    i = tarfile.TarInfo(name)
    i.size = len(data)
    for k, v in more.items():
        setattr(i, k, v)
    tar.addfile(i, io.BytesIO(data))
with tarfile.open("saved.tar") as t:
    m = json.load(t.extractfile("manifest.json"))[0]
    config = json.load(t.extractfile(m["Config"]))
    first = t.extractfile(m["Layers"][0]).read()
def image(path, layers):
    c = dict(config, rootfs={"type": "layers", "diff_ids": [
        "sha256:" + hashlib.sha256(l).hexdigest() for l in layers]})
    c["config"] = {"Cmd": ["sh"]}
    with tarfile.open(path, "w") as t:
        add(t, "config.json", json.dumps(c).encode())
        for n, l in enumerate(layers):
            add(t, "%d.tar" % n, l)
        add(t, "manifest.json", json.dumps([{"Config": "config.json", "RepoTags": None,
            "Layers": ["%d.tar" % n for n in range(len(layers))]}]).encode())
def layer(name, data=b"x", **more):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as t:
        add(t, name, data, **more)
    return out.getvalue()
image("many.tar", [first] + [layer("n/%d" % n) for n in range(126)])
image("opaque.tar", [layer("below"), layer(".wh..wh..opq"), first, layer("above")])
image("twice.tar", [layer("a"), first, layer("a"), layer(".wh.a", b""), layer("a"), layer("b"), layer("a")])
image("toomany.tar", [first] + [layer("n/%d" % n) for n in range(127)])
image("out.tar", [first, layer("../../../../out")])
image("link.tar", [first, layer("etc/x", b"", type=tarfile.LNKTYPE, linkname="../../x")])
# another layer than the configuration says
with tarfile.open("changed.tar", "w") as t, tarfile.open("saved.tar") as old:
    for i in old:
        data = old.extractfile(i).read() if i.isfile() else b""
        if i.name == m["Layers"][1]:
            data = layer("evil")
            i.size = len(data)
        t.addfile(i, io.BytesIO(data))
END
for how in '' boxroot.layers:err=EINVAL; do
	same "$(BERTH_FP=$how run --rm many.tar sh -c 'ls /n | wc -l; cat /n/0')" '126
x' "many layers, $how"
	same "$(BERTH_FP=$how run --rm opaque.tar sh -c 'cat /above; [ -e /below ] || echo none' 2>&1)" \
		xnone "an opaque root, $how"
	same "$(BERTH_FP=$how run --rm twice.tar cat /a /b 2>&1)" xx "a layer four times, $how"
done
nothing_left
"$NETCTL" image prune >/dev/null

note 'what is refused leaves nothing'
cp -r layout-gzip broken
blob=$(find broken/blobs -type f -size +100k | head -1)
dd if="$blob" bs=1 skip=50000 count=1 status=none | tr '\0-\377' '\1-\377\0' >byte
dd if=byte of="$blob" bs=1 seek=50000 conv=notrunc status=none
cp -r layout-gzip cut
truncate -s -10 "cut/blobs/sha256/${blob##*/}"
refused() { # WHY IMAGE
	fails_with "$1" run --rm "$2" true
	same "$(ls "$STORE/layers" "$STORE/images" "$STORE/staging" | paste -sd' ')" \
		"$STORE/images:  $STORE/layers:  $STORE/staging:"
	nothing_left
}
refused 'layer' broken
refused 'layer' cut
refused 'not ' changed.tar
refused 'more than 127 layers' toomany.tar
refused 'leads out' out.tar
refused 'leads out' link.tar
head -c 300000 saved.tar >short.tar
refused 'short.tar' short.tar
truncate -s 1M zeros.tar
refused 'zeros.tar' zeros.tar
fails_with 'no such file' run --rm none.tar true

note 'a name without an end, and a record that is broken, do not stop the next'
python3 - <<'END'
import io, json, tarfile
def named(path, name):
    with tarfile.open("saved.tar") as old, tarfile.open(path, "w") as t:
        for i in old:
            data = old.extractfile(i).read() if i.isfile() else b""
            if i.name in ("index.json", "oci-layout"):
                continue
            if i.name == "manifest.json":
                m = json.loads(data)
                m[0]["RepoTags"] = [name]
                data = json.dumps(m).encode()
                i.size = len(data)
            t.addfile(i, io.BytesIO(data))
named("name.tar", "n" * (3 << 19) + ":1")
named("esc.tar", "a\x1b[2J:1")
END
refused 'has 1572866 bytes' name.tar
same "$(run --rm -u 0 --entrypoint cat esc.tar /data/old/new 2>/dev/null)" new
same "$("$NETCTL" image prune)" 'a\u001b[2J:1' "a name, as a terminal sees it"
same "$(run --rm -u 0 --entrypoint cat layout-none /data/old/new 2>/dev/null)" new
for text in '{"ID":"cut' ''; do
	printf %s "$text" >"$STORE/images/$(basename "$(ls "$STORE"/images/*)")"
	contains "$("$NETCTL" image ls 2>&1)" 'is broken, and deleted'
	same "$(ls "$STORE/images" "$STORE/layers" "$STORE/staging" | paste -sd' ')" \
		"$STORE/images:  $STORE/layers:  $STORE/staging:"
	same "$(run --rm -u 0 --entrypoint cat layout-none /data/old/new 2>/dev/null)" new
done
nothing_left
