#!/bin/bash
# What is in an encrypted thin volume can't be read in its pool, and cryptsetup reads it
# with the key; it lives as any thin volume does, and takes little more of the pool, which one
# that would fill it is not made in; without its key, or with another, it alone is refused.
# vm
# alone
# time: 400
. "${0%/*}/../lib/lib.sh"
. "${0%/*}/thin.sh"
need curl jq python3 dmsetup mkfs.ext4 mkfs.xfs findmnt cryptsetup

KEYS=$DIR/keys

refused() { # TEXT METHOD JSON
	contains "$(call "$2" "$3" | jq -r .Err)" "$1"
}

create() { # NAME OPTIONS
	done_with VolumeDriver.Create "{\"Name\":\"$1\",\"Opts\":{$2}}"
}

remove() {
	done_with VolumeDriver.Remove "{\"Name\":\"$1\"}"
}

new_key() { # NAME
	(umask 077 && head -c 64 /dev/urandom >"$KEYS/$1")
}

in_pool() { # TEXT - how often it is in the first GiB of the disk, as it lies there
	sync
	blockdev --flushbufs "$BERTH_DISK"
	python3 - "$BERTH_DISK" "$1" <<-'EOF'
		import sys
		found, rest, text = 0, b"", sys.argv[2].encode()
		with open(sys.argv[1], "rb", buffering=0) as disk:
		    for _ in range(128):  # GiB / 8 MiB; the pool takes the lowest blocks first
		        part = rest + disk.read(8 << 20)
		        found += part.count(text)
		        rest = part[len(part) - len(text) + 1:]
		print(found)
	EOF
}

with_device() { # NAME FUNCTION - call it with the path of the volume's own device, unmounted
	local name=$1 device pool
	device=$(status "$name" device)
	wait_until 5 sh -c "! dmsetup info -c --noheadings -o name '$device' 2>/dev/null"
	pool=$(dmsetup info -c --noheadings -o major,minor --separator : "${device%-*}-pool")
	dmsetup create by-hand --table "0 $((($(status "$name" size) >> 9) + 2048)) thin $pool ${device##*-}"
	dmsetup mknodes
	"$2" /dev/mapper/by-hand
	wait_until 5 dmsetup remove by-hand
}

life() { # FS SIZE LARGER
	local at
	create v "\"size\":\"$2\",\"fs\":\"$1\",\"encrypt\":\"on\",\"keyfile\":\"db\""
	same "$(status v encrypt) $(status v keyfile)" 'on db'
	at=$(used v)
	same "$(findmnt -no FSTYPE "$at")" "$1"
	echo one >"$at/file"
	done_with Berth.VolumeSnapshot '{"Name":"v","Snapshot":"s"}'
	echo two >"$at/file"
	done_with Berth.VolumeResize "{\"Name\":\"v\",\"Size\":\"$3\"}"
	same "$(blockdev --getsize64 "$(findmnt -no SOURCE "$at")")" "$(numfmt --from=iec "${3^^}")"
	at_most $(($(numfmt --from=iec "${3^^}") * 8 / 10)) "$(df -B1 --output=size "$at" | tail -1)" "size that df tells"
	head -c 8M /dev/urandom >"$at/more"
	unused v
	same "$(findmnt -no FSTYPE "$at" || :)" ''
	refused 'is encrypted, and so will its copy' VolumeDriver.Create \
		'{"Name":"c","Opts":{"from":"v@s","encrypt":"off"}}'
	refused 'has the key db' VolumeDriver.Create \
		'{"Name":"c","Opts":{"from":"v@s","keyfile":"other"}}'
	create c '"from":"v@s"'
	same "$(status c encrypt) $(status c keyfile)" 'on db'
	at=$(used c)
	same "$(cat "$at/file")" one
	unused c
	at=$(used v)
	same "$(cat "$at/file")" two
	unused v
	done_with Berth.VolumeRollback '{"Name":"v","Snapshot":"s"}'
	at=$(used v)
	same "$(cat "$at/file")" one
	unused v
	same "$(call Berth.Check '{}' | jq -c .Problems)" '[]'
	remove c
	done_with Berth.VolumeSnapshotRemove '{"Name":"v","Snapshot":"s"}'
	remove v
	wait_until 5 sh -c '! dmsetup ls | grep -E "berth-(thin|crypt)-[0-9a-f]*-[0-9]"'
}

mkdir -m 700 "$KEYS"
new_key db
start_daemon berth-thin --pool-device "$BERTH_DISK" --key-dir "$KEYS"

refused 'by which key' VolumeDriver.Create '{"Name":"v","Opts":{"encrypt":"on"}}'
refused 'goes with encrypt=on' VolumeDriver.Create '{"Name":"v","Opts":{"keyfile":"db"}}'
refused 'neither a path' VolumeDriver.Create \
	'{"Name":"v","Opts":{"encrypt":"on","keyfile":"/etc/shadow"}}'
refused 'key none is not here' VolumeDriver.Create \
	'{"Name":"v","Opts":{"encrypt":"on","keyfile":"none"}}'
same "$(call VolumeDriver.List '{}' | jq -c '.Volumes // []')" '[]'

life ext4 64m 128m
# The file system above makes no other steps: in full only.
[ "$SOAK" != 1 ] || life xfs 300m 400m

# Of a pool with room for what is in it, and not for what it may hold.
create large '"size":"64g","encrypt":"on","keyfile":"db"'
at=$(used large)
at_most "$(mapped large)" $((200 << 20)) 'bytes of the pool of an empty volume'
mkdir "$at"/{1..300} # inodes in many tables that nobody zeroed
for i in {1..300}; do echo "$i" >"$at/$i/file"; done
head -c 8M /dev/urandom >"$at/more"
sum=$(sha256sum <"$at/more")
done_with Berth.VolumeResize '{"Name":"large","Size":"128g"}'
at_most "$(mapped large)" $((300 << 20)) 'bytes of the pool after a resize'
unused large
checks() { # DEVICE
	cryptsetup open --key-file "$KEYS/db" "$1" clear
	e2fsck -fn /dev/mapper/clear
	cryptsetup close clear
}
with_device large checks
at=$(used large)
same "$(cat "$at"/{1..300}/file)" "$(seq 300)"
same "$(sha256sum <"$at/more")" "$sum"
unused large
remove large

# On the disk.
create open '"size":"64m"'
create shut '"size":"64m","encrypt":"on","keyfile":"db"'
for v in open shut; do
	at=$(used $v)
	for i in {1..2000}; do echo "the marker of $v, line $i"; done >"$at/file"
done
device=$(status shut device)
contains "$(dmsetup table --target crypt)" 'aes-xts-plain64'
contains "$(cryptsetup luksDump "/dev/mapper/$device")" 'cipher: aes-xts-plain64'
fails_with 'No key available' cryptsetup open --test-passphrase --key-file /bin/true --keyfile-size 64 "/dev/mapper/$device"
cryptsetup open --test-passphrase --key-file "$KEYS/db" "/dev/mapper/$device"
# Another key, and back.
new_key next
cryptsetup luksAddKey --key-file "$KEYS/db" --pbkdf pbkdf2 "/dev/mapper/$device" "$KEYS/next"
cryptsetup luksRemoveKey "/dev/mapper/$device" "$KEYS/db"
mv "$KEYS/next" "$KEYS/db"
unused open
unused shut
at_least() { [ "$2" -ge "$1" ] || fail "$3: $2, want at least $1"; }
at_least 1000 "$(in_pool 'the marker of open')" 'lines of the plain volume on the disk'
same "$(in_pool 'the marker of shut')" 0 'lines of the encrypted volume on the disk'

# Read by others.
read_by_hand() { # DEVICE
	mkdir -p mnt
	cryptsetup open --key-file "$KEYS/db" "$1" clear
	mount -o ro /dev/mapper/clear mnt
	same "$(tail -1 mnt/file)" 'the marker of shut, line 2000'
	umount mnt
	cryptsetup close clear
}
with_device shut read_by_hand

# Neither key is in a file of ours.
at=$(used shut)
python3 - "$KEYS/db" "$(dmsetup table --showkeys --target crypt | awk '{ print $6 }')" <<'EOF'
import os, sys
key = open(sys.argv[1], "rb").read()
data = bytes.fromhex(sys.argv[2])
assert len(key) == len(data) == 64
seen = 0
for top in "/var/lib/berth", "/run/berth", os.getcwd():
    for path, _, files in os.walk(top):
        for f in (os.path.join(path, f) for f in files):
            if f == sys.argv[1] or not os.path.isfile(f):
                continue
            text = open(f, "rb").read()
            seen += len(text)
            for k in key, data:
                assert k[:16] not in text and k.hex()[:32].encode() not in text, f
assert seen > 10000
EOF
unused shut

# Filled from a backup of the plain one.
netctl volume backup -o - open 2>/dev/null |
	netctl volume restore --driver berth-thin -o size=64m -o encrypt=on -o keyfile=db - moved >/dev/null
same "$(status moved encrypt)" on
at=$(used moved)
same "$(tail -1 "$at/file")" 'the marker of open, line 2000'
unused moved
remove moved

# It is mounted: nobody asks for the key, whatever dies.
at=$(used shut)
mv "$KEYS/db" "$DIR/db"
kill9_daemon berth-thin
restart_daemon berth-thin
same "$(tail -1 "$at/file")" 'the marker of shut, line 2000'
done_with Berth.VolumeResize '{"Name":"shut","Size":"96m"}'
contains "$(call Berth.Check '{}' | jq -c .Problems)" 'key db is not here'
unused shut

# A reboot without the key: it alone is refused, until the key is there.
stop_daemon berth-thin
same "$(dmsetup ls | grep berth || :)" '' 'devices'
rm -rf /run/berth
start_daemon berth-thin --pool-device "$BERTH_DISK" --key-dir "$KEYS"
refused 'key db is not here: put it into the file' VolumeDriver.Mount '{"Name":"shut","ID":"x"}'
at=$(used open)
same "$(tail -1 "$at/file")" 'the marker of open, line 2000'
new_key db
refused 'not the one it was made with' VolumeDriver.Mount '{"Name":"shut","ID":"x"}'
chmod 644 "$KEYS/db"
refused 'others than root can read' VolumeDriver.Mount '{"Name":"shut","ID":"x"}'
unused open
mv "$DIR/db" "$KEYS/db"
at=$(used shut)
same "$(tail -1 "$at/file")" 'the marker of shut, line 2000'
same "$(call Berth.Check '{}' | jq -c .Problems)" '[]'
unused shut

# By a descriptor.
stop_daemon berth-thin
exec 7<"$KEYS/db"
start_daemon berth-thin --pool-device "$BERTH_DISK" --key-dir "$DIR/none" --key-fd db=7
exec 7<&-
for _ in 1 2; do
	at=$(used shut)
	same "$(tail -1 "$at/file")" 'the marker of shut, line 2000'
	unused shut
done

# Who can write to the disk gets nothing written in clear.
null_cipher() { # DEVICE
	cryptsetup luksFormat -q --type luks2 --cipher cipher_null-ecb --pbkdf pbkdf2 \
		--pbkdf-force-iterations 1000 --sector-size 4096 --offset 2048 \
		--key-file "$KEYS/db" "$1"
}
with_device shut null_cipher
refused 'header of another make' VolumeDriver.Mount '{"Name":"shut","ID":"x"}'

# Removed without a key.
stop_daemon berth-thin
start_daemon berth-thin --pool-device "$BERTH_DISK" --key-dir "$DIR/none"
remove shut
remove open
same "$(dmsetup status --target thin-pool | awk '{ split($7, d, "/"); print d[1] }')" 0 'blocks in use'
stop_daemon berth-thin
same "$(dmsetup ls | grep -E 'berth|by-hand' || :)" '' 'devices'

# A pool that it would fill: no volume, and nothing is left of it.
mkdir /var/lib/berth/file
start_daemon berth-thin --state-dir /var/lib/berth/file --pool-size 128m --key-dir "$KEYS"
create small '"size":"16m","encrypt":"on","keyfile":"db"'
before=$(dmsetup status --target thin-pool | awk '{ print $7 }')
refused 'takes up to' VolumeDriver.Create \
	'{"Name":"v","Opts":{"size":"64g","encrypt":"on","keyfile":"db"}}'
refused 'takes up to' VolumeDriver.Create '{"Name":"v","Opts":{"size":"300g","fs":"xfs"}}'
same "$(dmsetup status --target thin-pool | awk '{ print $7 }')" "$before" 'blocks in use'
same "$(call VolumeDriver.List '{}' | jq -r '.Volumes[].Name')" small
create v '"size":"64g"'
remove v
remove small
stop_daemon berth-thin
