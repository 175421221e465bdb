#!/bin/bash
# What isolation/t-transit-untouched.sh claims holds with the eBPF dataplane.
export DATAPLANE=ebpf
. "${0%/*}/../isolation/t-transit-untouched.sh"
