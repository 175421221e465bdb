#!/bin/bash
# What dataplane/t-closed-by-default.sh claims holds with the eBPF dataplane.
# soak
export DATAPLANE=ebpf
. "${0%/*}/../dataplane/t-closed-by-default.sh"
