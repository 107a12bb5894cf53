// SPDX-License-Identifier: MIT
// How rooms talk: intrusive messages appended under the only mutex of the program, handed over all
// at once. Posting gives the message away; the receiver owns it from then on. Any thread posts, one
// thread receives.
#ifndef PORT_MAILBOX_H
#define PORT_MAILBOX_H

#include <stdbool.h>
#include <stdint.h>

struct mail {
    struct mail *next;
    int kind; // of the receiving room's own enumeration
};

struct mailbox;

// `wake(ctx)` is called from the posting thread when the box turns from empty to not empty, outside
// the lock. Null: the receiver sleeps in mailbox_wait.
struct mailbox *mailbox_open(void (*wake)(void *ctx), void *ctx);
void mailbox_close(struct mailbox *m); // must be empty; null is allowed

void mailbox_post(struct mailbox *m, struct mail *mail);
// Everything posted so far, oldest first, linked by `next`; null when empty.
struct mail *mailbox_drain(struct mailbox *m);
// Sleeps until there is mail or `timeout_us` has passed (negative: for ever). True if there is
// mail.
bool mailbox_wait(struct mailbox *m, int64_t timeout_us);

#endif
