#!/bin/bash
# What isolation/t-between-networks.sh claims holds with the eBPF dataplane.
# soak
export DATAPLANE=ebpf
. "${0%/*}/../isolation/t-between-networks.sh"
