#!/bin/bash
# What isolation/t-beside-docker.sh claims holds with the eBPF dataplane.
# soak
export DATAPLANE=ebpf
. "${0%/*}/../isolation/t-beside-docker.sh"
