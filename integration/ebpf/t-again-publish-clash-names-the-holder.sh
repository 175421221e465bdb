#!/bin/bash
# What docker/t-publish-clash-names-the-holder.sh claims holds with the eBPF dataplane.
export DATAPLANE=ebpf
. "${0%/*}/../docker/t-publish-clash-names-the-holder.sh"
