#!/bin/bash
# What docker/t-publish-range-to-one.sh claims holds with the eBPF dataplane.
# soak
export DATAPLANE=ebpf
. "${0%/*}/../docker/t-publish-range-to-one.sh"
