#!/bin/bash
# What isolation/t-from-the-lan.sh claims holds with the eBPF dataplane.
# soak
export DATAPLANE=ebpf
. "${0%/*}/../isolation/t-from-the-lan.sh"
