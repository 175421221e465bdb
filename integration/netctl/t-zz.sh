#!/bin/bash
. "${0%/*}/lib.sh"
lan
"$NETCTL" up >/dev/null
iptables -P FORWARD DROP
nid() { echo "n$1" | sha256sum | cut -c1-64; }
for i in $(seq 1 250); do api NetworkDriver.CreateNetwork "{\"NetworkID\":\"$(nid $i)\",\"Options\":{\"com.docker.network.generic\":{}},\"IPv4Data\":[{\"Pool\":\"10.$i.0.0/24\",\"Gateway\":\"10.$i.0.1/24\"}],\"IPv6Data\":[]}" berth-bridge | grep -v '^{}' || :; done
pause 2
time "$NETCTL" doctor --quiet
time "$NETCTL" network ls | wc -l
time "$NETCTL" gc --dry-run
for i in $(seq 1 250); do  api NetworkDriver.DeleteNetwork "{\"NetworkID\":\"$(nid $i)\"}" berth-bridge | grep -v '^{}' || : ; done
iptables -P FORWARD ACCEPT; nft delete table ip filter
"$NETCTL" down
