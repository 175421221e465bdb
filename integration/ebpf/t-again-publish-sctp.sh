#!/bin/bash
# What docker/t-publish-sctp.sh claims holds with the eBPF dataplane.
export DATAPLANE=ebpf
. "${0%/*}/../docker/t-publish-sctp.sh"
