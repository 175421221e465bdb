#!/bin/bash
# What isolation/t-flush-opens-nothing.sh claims holds with the eBPF dataplane.
export DATAPLANE=ebpf
. "${0%/*}/../isolation/t-flush-opens-nothing.sh"
