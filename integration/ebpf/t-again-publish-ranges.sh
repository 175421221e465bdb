#!/bin/bash
# What docker/t-publish-ranges.sh claims holds with the eBPF dataplane.
# alone
# soak
export DATAPLANE=ebpf
. "${0%/*}/../docker/t-publish-ranges.sh"
