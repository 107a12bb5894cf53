// SPDX-License-Identifier: MIT
// What is under /v2 of Stripe's API: bodies are JSON, and lists go on by a URL.
#ifndef DESK_V2_H
#define DESK_V2_H

#include "desk/ask.h"

// Lists that a query names by repeating them without brackets, as the CLI does, get theirs.
void v2_lists_read(struct ask *a);
// A page's mark stands for the whole question, as clients repeat it or do not: the id that the page
// begins behind, and the parameters. Read, they take the place of the request's own. False:
// refused.
bool v2_page_read(struct ask *a, bytes *after);
// Appends ,"next_page_url":…,"previous_page_url":null} for the page behind this id; empty: the
// last.
void v2_page_write(struct ask *a, const char *path, bytes last);

#endif
