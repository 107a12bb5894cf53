// SPDX-License-Identifier: MIT
// The names {account} and {site} in a destination's URL, in whose place each event's own stand:
// https://shop.example/hooks/{account}. They may stand behind the authority alone, in path and
// query: so what an event says never chooses whom it is sent to, and whatever is checked about the
// host holds for every event. The plan keeps the URL with its names. Pure.
//
// {account} is what Stripe-Account says: the connected account, else the source's owner if that is
// an acct_…; `platform` where there is none, as in a rule's `accounts`. {site} is the name of the
// event's site; `unclaimed` where it has none, as in a rule's `sites`.
//
// Each byte that is not unreserved (RFC 3986 §2.3) is percent-encoded, so that no value can begin
// another segment or parameter. Dots that are all of a value would climb out of their segment also
// when they are encoded once; each becomes %252E.
#ifndef RULES_URL_NAMES_H
#define RULES_URL_NAMES_H

#include "base/text.h"

// What is wrong with the URL's names, as the end of a sentence; null: nothing.
const char *url_names_fault(bytes url);
// Appends the URL with its names replaced; url_names_fault found nothing in it.
void url_names_fill(bytes url, bytes account, bytes site, struct text *out);

#endif
