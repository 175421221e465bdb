#!/bin/bash
# What docker/t-live-restore-no-loss.sh claims holds with the eBPF dataplane.
# asan
# soak
export DATAPLANE=ebpf
. "${0%/*}/../docker/t-live-restore-no-loss.sh"
