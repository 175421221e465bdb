#!/bin/bash
# What isolation/t-published-ports.sh claims holds with the eBPF dataplane.
export DATAPLANE=ebpf
. "${0%/*}/../isolation/t-published-ports.sh"
