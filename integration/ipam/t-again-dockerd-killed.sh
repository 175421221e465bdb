#!/bin/bash
# What docker/t-dockerd-killed.sh claims holds with addresses from berth-ipam.
export IPAM=berth-ipam
. "${0%/*}/../docker/t-dockerd-killed.sh"
