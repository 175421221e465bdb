#!/bin/bash
# What isolation/t-transit-untouched.sh claims holds with the eBPF dataplane.
# soak
export DATAPLANE=ebpf
. "${0%/*}/../isolation/t-transit-untouched.sh"
