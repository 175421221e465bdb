#!/bin/bash
# What isolation/t-between-networks.sh claims holds with addresses from berth-ipam.
export IPAM=berth-ipam
. "${0%/*}/../isolation/t-between-networks.sh"
