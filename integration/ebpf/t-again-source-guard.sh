#!/bin/bash
# What isolation/t-source-guard.sh claims holds with the eBPF dataplane.
export DATAPLANE=ebpf
. "${0%/*}/../isolation/t-source-guard.sh"
