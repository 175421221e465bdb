#!/bin/bash
# What isolation/t-flush-opens-nothing.sh claims holds with the eBPF dataplane.
# soak
export DATAPLANE=ebpf
. "${0%/*}/../isolation/t-flush-opens-nothing.sh"
