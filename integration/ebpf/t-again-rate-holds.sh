#!/bin/bash
# What bridge/t-rate-holds.sh claims holds with the eBPF dataplane.
# time: 400
# soak
export DATAPLANE=ebpf
. "${0%/*}/../bridge/t-rate-holds.sh"
