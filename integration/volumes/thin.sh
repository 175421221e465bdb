# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# Requests to berth-thin, as dockerd makes them; included by t-thin-encrypted.sh and
# t-thin-life.sh.

call() { # METHOD JSON
	api "$1" "$2" berth-thin
}

done_with() { # METHOD JSON - and it has succeeded
	local got
	got=$(call "$1" "$2")
	same "$(jq -r '.Err // ""' <<<"$got")" '' "$1 $2"
}

status() { # VOLUME FIELD
	call VolumeDriver.Get "{\"Name\":\"$1\"}" | jq -r ".Volume.Status.$2"
}

mapped() { # VOLUME - bytes of the pool that it takes, while it is mounted
	dmsetup status --target thin "$(status "$1" device)" | awk '{ print $4 * 512 }'
}

used() { # NAME - by a container; its mount point
	call VolumeDriver.Mount "{\"Name\":\"$1\",\"ID\":\"x\"}" | jq -r .Mountpoint
}

unused() { # NAME
	done_with VolumeDriver.Unmount "{\"Name\":\"$1\",\"ID\":\"x\"}"
}
