#!/bin/bash
# What isolation/t-local-by-route.sh claims holds with the eBPF dataplane.
# soak
export DATAPLANE=ebpf
. "${0%/*}/../isolation/t-local-by-route.sh"
