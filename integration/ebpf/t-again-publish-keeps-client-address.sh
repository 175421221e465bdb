#!/bin/bash
# What docker/t-publish-keeps-client-address.sh claims holds with the eBPF dataplane.
# soak
export DATAPLANE=ebpf
. "${0%/*}/../docker/t-publish-keeps-client-address.sh"
