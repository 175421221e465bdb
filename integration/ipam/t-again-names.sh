#!/bin/bash
# What docker/t-names.sh claims holds with addresses from berth-ipam.
export IPAM=berth-ipam
. "${0%/*}/../docker/t-names.sh"
