#!/bin/bash
# What isolation/t-gateway-modes.sh claims holds with the eBPF dataplane.
# soak
export DATAPLANE=ebpf
. "${0%/*}/../isolation/t-gateway-modes.sh"
