#!/bin/bash
# What docker/t-publish-ipv6.sh claims holds with the eBPF dataplane.
export DATAPLANE=ebpf
. "${0%/*}/../docker/t-publish-ipv6.sh"
