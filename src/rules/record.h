// SPDX-License-Identifier: MIT
// What journal records say: the payloads of each kind, encoded for ever. The journal itself carries
// them blindly. Integers are little-endian, strings are u32 length and bytes; each payload starts
// with its version (u8, now 1).
#ifndef RULES_RECORD_H
#define RULES_RECORD_H

#include "base/text.h"
#include "rules/plan.h"
#include "rules/retry.h"

enum record_kind {
    RECORD_EVENT = 1,   // a verified receipt
    RECORD_OUTCOME = 2, // an attempt ended
    RECORD_COMMAND = 3, // the desk wants something changed; JSON, see rules/command.h
    RECORD_PLAN = 4, // a configuration is adopted; the plan's JSON. Its position is the generation
};

struct receipt_record {
    bytes source, owner;
    bytes secret_label;
    enum scope secret_scope;
    enum mode livemode; // the source's rule
    int64_t signed_at;  // the signature's t, seconds
    bytes body;
};

struct outcome_record {
    uint64_t delivery;
    uint32_t attempt; // its number, from 1
    enum outcome outcome;
    int32_t status;     // HTTP status, 0: no answer
    int64_t started_at; // Unix ms
    int64_t micros;
    int64_t retry_after_ms; // 0: none
    bytes error;            // a sentence, at most OUTCOME_ERROR_MAX
    bytes answer;           // excerpt of the answer, at most OUTCOME_ANSWER_MAX
};

#define OUTCOME_ERROR_MAX 512
#define OUTCOME_ANSWER_MAX 2048
// Encoding cuts longer ones, so an encoded outcome is never larger than this: the room dispatch
// reserves before it sends.
#define OUTCOME_RECORD_MAX (OUTCOME_ERROR_MAX + OUTCOME_ANSWER_MAX + 128)
// What an encoded receipt needs beside source, owner, label and body.
#define RECEIPT_RECORD_EXTRA 64

// Encoding appends to `out`; decoding points into `payload`. CORRUPT: cut short, too long, or out
// of range; FORMAT: a newer version.
void receipt_encode(const struct receipt_record *r, struct text *out);
// All of it but the body's bytes, which follow: for who has the body in place already.
void receipt_encode_head(const struct receipt_record *r, struct text *out);
must result receipt_decode(bytes payload, struct receipt_record *out);
void outcome_encode(const struct outcome_record *r, struct text *out);
must result outcome_decode(bytes payload, struct outcome_record *out);

#endif
