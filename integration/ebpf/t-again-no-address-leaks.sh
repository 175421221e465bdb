#!/bin/bash
# What isolation/t-no-address-leaks.sh claims holds with the eBPF dataplane.
# soak
export DATAPLANE=ebpf
. "${0%/*}/../isolation/t-no-address-leaks.sh"
