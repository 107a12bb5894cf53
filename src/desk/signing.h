// SPDX-License-Identifier: MIT
// Inside of the desk: the sources in force with their keys, so that an operator's own events
// (hookkeep trigger) come in as Stripe's do. The loop's thread.
#ifndef DESK_SIGNING_H
#define DESK_SIGNING_H

#include "base/hmac.h"
#include "desk/desk.h"

struct signing {
    struct mail mail; // DESK_SOURCES: in place of the one before
    size_t count;
    struct signer {
        bytes path; // owned
        enum mode livemode;
        struct signer_key {
            struct plan_secret says; // its label owned
            struct hmac_key key;
        } * keys;
        size_t key_count;
    } * signers;
};

struct signing *signing_open(const struct desk_source *sources, size_t n); // copies
void signing_close(struct signing *s);                                     // null is allowed

// The source on this path; without a path the only one there is. Null: there is none, or several.
const struct signer *signing_find(const struct signing *s, bytes path);
// Its first key whose scope is that of the event, else its first of any scope, of those that are in
// force and sign events of this livemode; null: none fits.
const struct signer_key *signer_key_for(const struct signer *s, bool has_account, bool livemode,
                                        int64_t now_s);

#endif
