#!/bin/bash
# What isolation/t-internal.sh claims holds with the eBPF dataplane.
# soak
export DATAPLANE=ebpf
. "${0%/*}/../isolation/t-internal.sh"
