#!/bin/bash
# What isolation/t-published-ports.sh claims holds with addresses from berth-ipam.
export IPAM=berth-ipam
. "${0%/*}/../isolation/t-published-ports.sh"
