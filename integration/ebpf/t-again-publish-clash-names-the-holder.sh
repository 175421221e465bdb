#!/bin/bash
# What docker/t-publish-clash-names-the-holder.sh claims holds with the eBPF dataplane.
# soak
export DATAPLANE=ebpf
. "${0%/*}/../docker/t-publish-clash-names-the-holder.sh"
