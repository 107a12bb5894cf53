// SPDX-License-Identifier: MIT
// Receiving one request on a source: signature checked while the body streams in, envelope read
// once it holds, credit taken, record posted to the journal, and the answer when that comes back.
// It knows no socket (the simulation drives it as the server does).
//
// ACK: receive_durable is the one place in the program that says 200 to an event.
#ifndef INTAKE_RECEIVE_H
#define INTAKE_RECEIVE_H

#include "http/session.h"
#include "intake/uses.h"
#include "journal/journal.h"
#include "rules/plan.h"
#include "stripe/signature.h"

// What a loop needs to receive: the sources in force with keyed contexts of their secrets. Made
// anew at each reload; counted by the receipts that use it.
struct sources;
struct source_secrets {
    bytes path;
    const bytes *keys; // in the order of the plan's secrets
    size_t count;
};
// `plan` is copied by plan_read of its JSON. The secrets are those of plan->sources, by path: as
// many for each source as the plan names, at least one and at most SECRETS_MAX, else INVALID.
// `uses` outlives them; opened by one thread at a time.
must result sources_open(const struct plan *plan, const struct source_secrets *secrets, size_t n,
                         struct secret_uses *uses, struct sources **out);
void sources_drop(struct sources *s); // the loop's own hold; receipts under way keep theirs

struct reception; // one request under way

struct receiver { // one a loop
    struct clock *clock;
    struct journal *journal;
    struct mailbox *mailbox;    // the loop's, where appends come back (mail.kind INTAKE_APPENDED)
    struct sources *sources;    // in force
    struct http_budget *budget; // of who sends the next head; its reception keeps it
    uint64_t body_max;
    bool stopping; // answer 503
    // Kept by receive_*; zero at first.
    size_t appending;      // records at the journal; 0 again before the mailbox may go
    uint64_t random;       // seeds of records, itself seeded from the clock's entropy
    bool no_room;          // told the log that the journal has no room
    int64_t no_room_at_us; // last refusal for it
};

// How it ended: one row of intake/refusals.def, or received.
enum reception_end {
    RECEPTION_RECEIVED,
#define REFUSAL(id, metric, status, header, text) RECEPTION_##id,
#include "intake/refusals.def"
#undef REFUSAL
    RECEPTION_ENDS // how many there are; from receive_head: not ended yet
};

// The answer to give. Its counter is counted where the reception ends, not here.
struct reception_answer {
    int status;
    const char *body;
    const char *header; // Allow or Retry-After, a full line; or null
};

// A head came. Refuses at once (stopping, 404, 405, no header, malformed header, too large, no
// room): the refusal is returned and *out is null. Or starts a reception: RECEPTION_ENDS is
// returned and *out is set; then `done(ctx, end)` is called exactly once, from receive_* or
// receive_mail, unless receive_abandon comes first. `head` is not needed afterwards.
enum reception_end receive_head(struct receiver *r, const struct http_request *head,
                                void (*done)(void *ctx, enum reception_end end), void *ctx,
                                struct reception **out);
// False: refused (done was called).
bool receive_body(struct reception *p, bytes piece);
// The request is whole: done is called now (refusal) or when the journal answers.
void receive_complete(struct reception *p);
// Called once for each reception: the peer is gone, or done was called and the session is through
// with it. Frees it, or lets the append finish on its own.
void receive_abandon(struct reception *p);
// An append came back from the journal.
void receive_mail(struct receiver *r, struct append *a);

// Pure.
void reception_answer(enum reception_end end, struct reception_answer *out);

enum intake_mail { INTAKE_APPENDED = 1, INTAKE_SOURCES, INTAKE_TLS, INTAKE_DRAIN };

#endif
