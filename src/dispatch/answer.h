// SPDX-License-Identifier: MIT
// Inside of dispatch: what an answer, or its absence, says about an attempt. Pure.
#ifndef DISPATCH_ANSWER_H
#define DISPATCH_ANSWER_H

#include "base/text.h"
#include "port/fetch.h"
#include "rules/record.h"

// Fills outcome, status, micros, retry_after_ms, error and answer; `error` points into *sentence
// (for people: "answered 500", "no answer within 30s"), `answer` into `a`.
void answer_judge(const struct fetch_answer *a, int64_t timeout_ms, int64_t now_ms,
                  struct outcome_record *out, struct text *sentence);

// A Retry-After header (RFC 9110 §10.2.3): seconds, or a date as IMF-fixdate. In ms from now, at
// most RETRY_AFTER_MAX_MS; 0 when it is neither, or past.
int64_t answer_retry_after(bytes header, int64_t now_ms);

#endif
