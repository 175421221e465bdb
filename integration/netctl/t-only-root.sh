#!/bin/bash
# Another user than root is refused by the sockets, and netctl says that it is that.
. "${0%/*}/lib.sh"
need root curl jq setpriv

nobody() {
	setpriv --reuid 65534 --clear-groups "$@"
}
mkdir -m 755 /run/nobody
cp "$NETCTL" /run/nobody/
fails_with 'must be root' nobody /run/nobody/netctl up
"$NETCTL" up
fails_with 'only root may use it' nobody /run/nobody/netctl ports
fails_with 'only root may use it' nobody /run/nobody/netctl gc
fails_with 'must be root' nobody /run/nobody/netctl doctor
fails nobody /run/nobody/netctl down
same "$("$NETCTL" ports --json)" $'[\n]'
"$NETCTL" down
rm -r /run/nobody
