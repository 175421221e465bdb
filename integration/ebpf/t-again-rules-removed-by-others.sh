#!/bin/bash
# What isolation/t-rules-removed-by-others.sh claims holds with the eBPF dataplane.
# soak
export DATAPLANE=ebpf
. "${0%/*}/../isolation/t-rules-removed-by-others.sh"
