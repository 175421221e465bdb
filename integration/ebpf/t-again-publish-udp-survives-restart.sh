#!/bin/bash
# What docker/t-publish-udp-survives-restart.sh claims holds with the eBPF dataplane.
# asan
# soak
export DATAPLANE=ebpf
. "${0%/*}/../docker/t-publish-udp-survives-restart.sh"
