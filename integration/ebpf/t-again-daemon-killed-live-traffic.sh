#!/bin/bash
# What docker/t-daemon-killed-live-traffic.sh claims holds with the eBPF dataplane.
export DATAPLANE=ebpf
. "${0%/*}/../docker/t-daemon-killed-live-traffic.sh"
