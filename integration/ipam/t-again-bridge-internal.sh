#!/bin/bash
# What bridge/t-bridge-internal.sh claims holds with addresses from berth-ipam.
export IPAM=berth-ipam
. "${0%/*}/../bridge/t-bridge-internal.sh"
