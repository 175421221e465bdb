#!/bin/bash
# What firewall/t-ufw-decides-on-published-ports.sh claims holds with the eBPF dataplane.
# time: 240
export DATAPLANE=ebpf
. "${0%/*}/../firewall/t-ufw-decides-on-published-ports.sh"
