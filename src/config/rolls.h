// SPDX-License-Identifier: MIT
// Rolled secrets of destinations: `hookkeep destinations roll NAME` gives a destination a new
// secret while the configuration still names the old one.
//
// They lie in a 0600 file beside the ledger (LEDGER.secrets) that the gateway alone writes: for
// each destination that was ever rolled its secrets, newest first, each with its fingerprint and
// the time until which it signs beside the newer ones; and its key, as long as that may be needed.
// So the file survives restarts and a restored ledger; whoever backs up the ledger backs it up too,
// as he does the other secrets.
//
// The configuration stays the owner. What it says decides what the file means:
// - It names one of a destination's secrets in the file, the newest or an older one: the newest
//   signs, and those whose overlap has not ended beside it. So a roll works whatever `secret` is
//   (a variable, a file), and writing the new secret into the configuration changes nothing.
// - It names another one: that one alone signs, the file is not looked at. To end a roll, write a
//   secret of your own.
// Nothing leaves the file but by the next roll: a configuration that was wrong for an hour loses no
// secret that a site already verifies with.
//
// JSON: {"version":1,"destinations":[{"name","secrets":[{"fingerprint","not_after_s","key"}]}]}
// not_after_s is 0 for the newest, key absent where it is not needed. Secrets in memory are wiped.
#ifndef CONFIG_ROLLS_H
#define CONFIG_ROLLS_H

#include "config/config.h"

#define ROLL_SECRETS_MAX                                                                           \
    8 // of a destination in the file; others than the configured one are forgotten
#define ROLL_SIGNERS_MAX 4 // that sign together: each is a v1 in the header, and an HMAC
#define ROLL_OVERLAP_MAX_S INT64_C(2592000) // 30 days

struct rolls;

// INVALID: it is not of this form (and is not touched).
must result rolls_parse(bytes content, struct rolls **out);
// The file; without one there are no rolls. INVALID, failures of port/files.
must result rolls_load(const char *path, struct rolls **out);
// Replaces the file, durably. On a failure the old one is still there.
must result rolls_save(const struct rolls *r, const char *path);
void rolls_write(const struct rolls *r, struct text *out); // what the file holds
void rolls_free(struct rolls *r);                          // null is allowed; wipes

// Gives each http destination of the configuration its ring, and makes its plan anew. `notes` gets
// a line for each destination whose configuration is behind the file, or has left it. MEMORY.
must result rolls_apply(const struct rolls *r, struct config *c, struct text *notes);

// The rolls after this destination was given the secret `fresh` at now_s; the older ones sign for
// overlap_s (0 to ROLL_OVERLAP_MAX_S) more at the most. ABSENT: no http destination has this name.
// FULL: ROLL_SIGNERS_MAX sign already.
must result rolls_roll(const struct rolls *r, const struct config *c, bytes destination,
                       bytes fresh, int64_t now_s, int64_t overlap_s, struct rolls **out);

#endif
