#!/bin/sh
# SPDX-License-Identifier: MIT
# A oneshot handler: a note for whoever calls customers whose payment failed. The event is on
# standard input, its facts in HOOKKEEP_…; exit 0 done, 75 not yet, anything else failed.
set -eu
mkdir -p calls
[ -e calls/closed ] && exit 75 # nobody is there now
# One file an event, so an event that comes again changes nothing.
cat >"calls/.$HOOKKEEP_EVENT"
mv "calls/.$HOOKKEEP_EVENT" "calls/$HOOKKEEP_EVENT.json"
echo "$HOOKKEEP_TYPE of ${HOOKKEEP_ACCOUNT:-our own account}" >&2
