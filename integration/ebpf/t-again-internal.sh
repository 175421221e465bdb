#!/bin/bash
# What isolation/t-internal.sh claims holds with the eBPF dataplane.
export DATAPLANE=ebpf
. "${0%/*}/../isolation/t-internal.sh"
