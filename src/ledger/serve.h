// SPDX-License-Identifier: MIT
// Handing due deliveries to who takes them. What is taken is remembered here, in memory only, so
// that what a dead process took is due again. The ledger's thread.
#ifndef LEDGER_SERVE_H
#define LEDGER_SERVE_H

#include "ledger/ledger.h"

struct serve;

struct serve *serve_open(struct store *s, struct clock *c);
void serve_close(struct serve *v); // answers open takes with CLOSED; null is allowed
// A take begins to wait. One a destination; a second one is answered with EXISTS.
void serve_add(struct serve *v, struct take *t);
// This destination may have something due now, or may be held, released or gone.
void serve_touch(struct serve *v, uint32_t destination);
void serve_give_back(struct serve *v, uint64_t delivery); // taken no more
// The time of the books: what is due is measured against the later of the wall clock and this time
// going on, so that a clock set back delays nothing.
void serve_rebase(struct serve *v, int64_t time_ms);
// Answers takes that have something due; the jobs are stamped with `recalls`.
bool serve_step(struct serve *v, uint64_t recalls);
// Does a destination wait for work, or have some in hand?
bool serve_is_busy(const struct serve *v);
int64_t serve_due_us(const struct serve *v); // monotonic µs of the next one due; INT64_MAX: none

#endif
