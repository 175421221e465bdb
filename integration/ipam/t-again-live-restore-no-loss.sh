#!/bin/bash
# What docker/t-live-restore-no-loss.sh claims holds with addresses from berth-ipam.
export IPAM=berth-ipam
. "${0%/*}/../docker/t-live-restore-no-loss.sh"
