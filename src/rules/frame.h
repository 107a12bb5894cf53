// SPDX-License-Identifier: MIT
// What is said between Hookkeep and a program that stays (a command in mode stream, a worker of a
// plugin), a line of JSON each way; hookkeep-handler(7) is the same for people. Pure.
//
// To it, one line an event:
//   {"delivery":7,"attempt":1,"destination":"books","event":"evt_1","type":"charge.succeeded",
//    "account":"acct_1" or null,"livemode":true,"payload":"the stored bytes as a JSON string"}
// The payload is a string and no object, so that its bytes are those that Stripe signed.
//
// From it, one line an outcome, in any order:
//   {"delivery":7,"attempt":1,"outcome":"done|not_yet|failed","retry_after":30,"error":"why"}
// `attempt`, `retry_after` (whole seconds) and `error` may be left out. Other members are ignored,
// so that what says more still works with a Hookkeep that knows less.
#ifndef RULES_FRAME_H
#define RULES_FRAME_H

#include "base/json.h"
#include "base/text.h"
#include "rules/record.h"

#define FRAME_LINE_MAX ((size_t)64 << 10) // of an answer, without its end

struct frame_event {
    uint64_t delivery;
    uint32_t attempt;
    bytes destination, event, type, account; // account may be empty
    bool livemode;
    bytes payload; // UTF-8
};

// Appends the line with its end.
void frame_event_write(const struct frame_event *e, struct text *out);
// Reads a line without its end, for who is spoken to; *out points into *doc, which the caller
// closes. INVALID: not such a line.
must result frame_event_read(bytes line, struct frame_event *out, struct json_doc **doc);

struct frame_answer {
    uint64_t delivery;
    uint32_t attempt; // 0: not said
    enum outcome outcome;
    int64_t retry_after_ms; // 0: not said; at most RETRY_AFTER_MAX_MS
    bytes error;            // points into *error
};

// Reads a line without its end. INVALID, with a clause that says what is wrong with it: not such an
// object, a member twice, a number out of range, an unknown outcome.
must result frame_answer_read(bytes line, struct frame_answer *out, struct text *error);
// Appends the line with its end; of the wait whole seconds, rounded up.
void frame_answer_write(const struct frame_answer *a, struct text *out);

// Makes lines of a stream that comes in pieces. Zero-initialised with `max` set is valid and empty.
struct frame_lines {
    size_t max;       // most bytes of a line
    struct text rest; // the line that has no end yet
    bool skipping;    // it was too long and has been handed over: the rest of it goes unheard
};

// Calls `line` for each line that has come to its end, "\n" or "\r\n", without it. One that is
// longer than max is handed over once, its first max bytes, with `cut`. `line` must not drop `l`.
void frame_lines_add(struct frame_lines *l, bytes piece,
                     void (*line)(void *ctx, bytes line, bool cut), void *ctx);
// The stream has ended: what has no end is a line too.
void frame_lines_end(struct frame_lines *l, void (*line)(void *ctx, bytes line, bool cut),
                     void *ctx);
void frame_lines_drop(struct frame_lines *l);

#endif
