#!/bin/bash
# podman's containers share a volume: content is copied up once, :ro is read-only,
# --volumes-from works, the end of one does not take it from another, and in use it
# is not removed.
. "${0%/*}/../lib/lib.sh"
# shellcheck source=integration/lib/podman
. "$IT/lib/podman"
need curl jq

start_daemon berth-named
start_podman
for v in vol plain; do
	podman volume create --driver berth-named -o size=32m $v >/dev/null
done

podman_run aa -v vol:/etc
same "$(podman exec aa cat /etc/passwd)" 'root:x:0:0:root:/:/bin/sh'
podman exec aa sh -c 'echo mine >/etc/passwd'
podman_run bb -v vol:/etc
same "$(podman exec bb cat /etc/passwd)" mine "copied up again"
podman_run cc -v plain:/etc:nocopy
fails podman exec cc grep root /etc/passwd
# However many containers there are, podman is one user.
same "$(users vol)" 1
same "$(users plain)" 1

podman_run dd -v vol:/e:ro
fails_with 'Read-only' podman exec dd sh -c 'echo x >/e/x'
podman_run ee --volumes-from aa:ro
fails_with 'Read-only' podman exec ee sh -c 'echo x >/etc/x'
podman_run ff --volumes-from aa
podman exec ff sh -c 'echo both >/etc/both'
same "$(podman exec ee cat /etc/both)" both

# a goes; the others keep what they have, and the volume stays.
podman rm -f -t 0 aa >/dev/null
same "$(users vol)" 1
same "$(podman exec bb cat /etc/both)" both
restart_daemon berth-named
same "$(users vol)" 1 "users after a restart"
same "$(podman exec bb cat /etc/both)" both
fails_with 'being used' podman volume rm vol
contains "$(api VolumeDriver.Remove '{"Name":"vol"}' berth-named)" 'in use by 1'
podman rm -f -t 0 bb dd >/dev/null
podman restart -t 0 ee >/dev/null
same "$(podman exec ee cat /etc/both)" both
podman stop -t 0 ee ff >/dev/null
same "$(users vol)" 0
fails findmnt /var/lib/berth/berth-named/volumes/vol/_data
fails_with 'being used' podman volume rm vol # stopped containers want it back
podman start ee >/dev/null
same "$(podman exec ee cat /etc/both)" both
podman rm -f -t 0 cc ee ff >/dev/null
podman volume rm vol plain >/dev/null
fails_with 'no such volume' podman volume rm vol
same "$(api VolumeDriver.Remove '{"Name":"vol"}' berth-named)" '{}'
same "$(api VolumeDriver.List '{}' berth-named | jq -c .Volumes)" '[]'
same "$(losetup -nlO BACK-FILE | grep -c "$DIR" || :)" 0
