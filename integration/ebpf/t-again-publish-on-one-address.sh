#!/bin/bash
# What docker/t-publish-on-one-address.sh claims holds with the eBPF dataplane.
# soak
export DATAPLANE=ebpf
. "${0%/*}/../docker/t-publish-on-one-address.sh"
