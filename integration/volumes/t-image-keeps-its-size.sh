#!/bin/bash
# A volume made with a size is full at that size and not before: ENOSPC inside, usage and
# limit in Docker's Status; a wrong size is an error that says what would be right; made
# again after its removal it has the limit of that time.
. "${0%/*}/../lib/lib.sh"
need docker curl jq findmnt losetup

start_daemon berth-named
start_dockerd
V=/var/lib/berth/berth-named/volumes
status() { # VOLUME KEY
	docker volume inspect "$1" | jq -r ".[0].Status.$2"
}

# fills VOLUME MIB - a container writes until it can't; how much fitted in, in MiB.
fills() {
	docker run --rm --network none -v "$1:/d" bb:1 sh -c \
		"dd if=/dev/zero of=/d/x bs=64k count=$((16 * ($2 + 100))) 2>&1; sync; ls -l /d/x" >"fill.$1" || :
	contains "$(cat "fill.$1")" 'No space left on device' "filling $1"
	awk 'END { print int($5 / 1048576) }' "fill.$1"
}

for fs in ext4 xfs; do
	size=32 && [ $fs = ext4 ] || size=300
	docker volume create -d berth-named -o size=${size}m -o fs=$fs "v-$fs" >/dev/null
	same "$(status "v-$fs" backing)" image
	same "$(status "v-$fs" fs)" $fs
	same "$(status "v-$fs" size)" $((size << 20))
	[ "$(du -k "$V/v-$fs/image" | cut -f1)" -ge $((size << 10)) ] ||
		fail "not all of v-$fs is reserved: $(du -k "$V/v-$fs/image")"
	fitted=$(fills "v-$fs" $size)
	note "$fs of $size MiB: $fitted MiB for a file"
	[ "$fitted" -le $size ] && [ "$fitted" -ge $((size * 2 / 3)) ] ||
		fail "$fitted MiB fitted into $size MiB"
	used=$(status "v-$fs" used)
	[ "$used" -ge $((fitted << 20)) ] && [ "$used" -le $((size << 20)) ] ||
		fail "used is $used, $fitted MiB are in it"
	same "$(findmnt -rn -o TARGET | grep -c "^$V")" 0 "mounts while nobody uses it"

	# the same again is fine; another size is not, asked directly
	docker volume create -d berth-named -o size=${size}m -o fs=$fs "v-$fs" >/dev/null
	contains "$(api VolumeDriver.Create "{\"Name\":\"v-$fs\",\"Opts\":{\"size\":\"1g\"}}" \
		berth-named)" 'other options'
	same "$(docker run --rm --network none -v "v-$fs:/d" bb:1 sh -c 'ls /d')" x

	docker volume rm "v-$fs" >/dev/null
	docker volume create -d berth-named -o size=$((size + 8))m -o fs=$fs "v-$fs" >/dev/null
	same "$(status "v-$fs" size)" $(((size + 8) << 20)) "size after rm and create"
	again=$(fills "v-$fs" $((size + 8)))
	[ "$again" -gt "$fitted" ] && [ "$again" -le $((size + 8)) ] ||
		fail "$again MiB fitted into $((size + 8)) MiB"
	docker volume rm "v-$fs" >/dev/null
done

fails_with 'a size like' docker volume create -d berth-named -o size=10x wrong
fails_with 'a size like' docker volume create -d berth-named -o size=-5m wrong
fails_with 'a size like' docker volume create -d berth-named -o size=50% wrong
fails_with 'at least 300m' docker volume create -d berth-named -o size=20m -o fs=xfs wrong
fails_with "this host's disk" docker volume create -d berth-named -o size=900t wrong ||
	fails_with 'too large' docker volume create -d berth-named -o size=900t wrong
same "$(ls -A $V)" $'.staging\n.trash' "what refused volumes left"
same "$(ls -A $V/.staging $V/.trash)" "$V/.staging:

$V/.trash:" "what refused volumes left"
same "$(losetup -ln -O BACK-FILE | grep -c "$DIR" || :)" 0 "loop devices"
