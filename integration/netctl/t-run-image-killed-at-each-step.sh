#!/bin/bash
# in turn
# time: 1800
# netctl run of an image, image rm and prune, killed or failing at every fail point of
# unpacking, keeping and mounting: what is in the store then is whole, the next run works, and
# nothing is left when all is removed.
. "${0%/*}/lib.sh"
. "${0%/*}/box.sh"
need root busybox jq python3 readelf findmnt

STORE=/var/lib/berth/netctl/images
# what it writes is synced a few times in each of its hundred cases: on a disk of its own, or
# all that others write is waited for
mkdir -p /var/lib/berth/netctl
mount -t tmpfs -o mode=700 berth-killed /var/lib/berth/netctl
allow '^\+ mount /var/lib/berth/netctl tmpfs ' 'goes with the box'
rootfs
tar -C "$ROOTFS" -cf base.tar .
mkdir -p top/www
echo page >top/www/index.html
: >top/www/.wh.gone
tar -C top -cf top.tar .
"$IT/lib/saved-image" image.tar base.tar top.tar

points=$(readelf -p berth_fp "$NETCTL" | sed -n 's/^ *\[.*\]  //p' |
	grep -E '^(image|boxroot)\.')
passed=$DIR/passed
: >"$passed"

# broken POINT HOW FLAG... - an image run, removed, and both again, with a fail point set.
broken() {
	local fp=$1:$2
	shift 2
	(
		export BERTH_FP=$fp BERTH_FP_LOG=$passed
		"$NETCTL" run -d --name kk "$@" image.tar sleep 300 </dev/null
		"$NETCTL" stop -t 0 kk
		"$NETCTL" rm -f kk
		"$NETCTL" image rm made:1
		"$NETCTL" image prune
	) >>said 2>&1 || :
}

# whole - each layer is some image's, each image has all of its layers, none is half made.
whole() {
	local have want
	"$NETCTL" image ls --json >images.json
	have=$(ls "$STORE/layers")
	want=$(jq -r '.[].Layers[]' images.json | sort -u)
	same "$have" "$want" "layers ($1)"
	same "$(ls "$STORE/staging")" '' "staging ($1)"
	same "$(find "$STORE/images" -type f -printf '%f\n' | sort)" \
		"$(jq -r '.[].ID' images.json | sort)" "records ($1)"
}

empty() {
	same "$(ls "$STORE/layers" "$STORE/images" "$STORE/staging" | paste -sd' ')" \
		"$STORE/images:  $STORE/layers:  $STORE/staging:" "the store ($1)"
	same "$(findmnt -rno TARGET -t overlay | grep /netctl/containers/ || :)" '' "mounts ($1)"
}

n=0
cases=0
for how in kill err=EIO; do
	for point in $points image.renamed:nth=2 image.unpacked:nth=2 image.staged:nth=2 image.dropped:nth=2; do
		for keep in '' --rm; do
			for there in '' there; do
				name="$point $how $keep $there"
				n=$((n + 1))
				[ "${SOAK:-0.1}" = 1 ] || [ $((n % 3)) = 0 ] || continue
				[ -z "$there" ] || run --rm image.tar true
				# shellcheck disable=SC2086 # none or one
				broken "${point%%:*}" "$how${point#"${point%%:*}"}" $keep
				[ "$("$NETCTL" ps -aq 2>>said | wc -l)" = 0 ] ||
					"$NETCTL" rm -f kk >>said 2>&1 || : # it may be gone by itself
				nothing_left
				whole "$name"
				same "$(run --rm image.tar cat /www/index.html 2>&1)" page "$name"
				whole "$name, run again"
				"$NETCTL" image prune >>said
				empty "$name"
				cases=$((cases + 1))
			done
		done
	done
done
note "cases: $cases"
for point in $points; do
	grep -qx "$point" "$passed" || fail "$point: never passed"
done

note 'two at once: one unpacks, the other waits'
"$NETCTL" run --rm image.tar true 2>one </dev/null &
first=$!
"$NETCTL" run --rm image.tar true 2>two </dev/null || fail "$(cat two)"
wait "$first" || fail "$(cat one)"
whole 'two at once'
"$NETCTL" image prune >>said
empty 'at the end'
