#!/bin/bash
# What docker/t-ports-of-a-running-container.sh claims holds with the eBPF dataplane.
export DATAPLANE=ebpf
. "${0%/*}/../docker/t-ports-of-a-running-container.sh"
