#!/bin/bash
# What isolation/t-between-networks.sh claims holds with the eBPF dataplane.
export DATAPLANE=ebpf
. "${0%/*}/../isolation/t-between-networks.sh"
