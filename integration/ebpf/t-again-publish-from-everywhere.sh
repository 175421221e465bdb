#!/bin/bash
# What docker/t-publish-from-everywhere.sh claims holds with the eBPF dataplane.
# asan
export DATAPLANE=ebpf
. "${0%/*}/../docker/t-publish-from-everywhere.sh"
