#!/bin/bash
# What docker/t-publish-udp-loopback-client-moves-on.sh claims holds with the eBPF dataplane.
# asan
# soak
export DATAPLANE=ebpf
. "${0%/*}/../docker/t-publish-udp-loopback-client-moves-on.sh"
