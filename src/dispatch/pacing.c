// SPDX-License-Identifier: MIT
// What dispatch does about a destination's pace: it tells what ended, and what it decides is told.
#include <string.h>

#include "base/metrics.h"
#include "dispatch/attempt.h"
#include "port/log.h"

static int64_t now_us(const struct dispatch *d) { return clock_mono_us(d->o.clock); }

void destination_paced(struct dispatch *d, struct destination *to, const struct pace_limits *p) {
    if (to->pace.limits.max == 0) {
        pace_init(&to->pace, p, now_us(d));
        return;
    }
    pace_adopt(&to->pace, p);
    if (to->set == TARGETS_CONFIGURED) // endpoints are told anew whenever one of them is changed
        breaker_nudge(&to->pace.breaker, now_us(d));
}

static void count_open(struct dispatch *d, int more) {
    d->breakers_open += (size_t)more;
    metric_set(METRIC_BREAKERS_OPEN, (int64_t)d->breakers_open);
}

void destination_unpaced(struct dispatch *d, struct destination *to) {
    if (to->pace.breaker.open)
        count_open(d, -1);
}

static void remember_why(struct destination *to, bytes error) {
    size_t n = error.n < BREAKER_WHY_MAX ? error.n : BREAKER_WHY_MAX;
    memcpy(to->why, error.p, n);
    to->why[n] = '\0';
}

static void tell(struct dispatch *d, struct destination *to, enum breaker_change change) {
    int64_t now_ms = clock_wall_ms(d->o.clock);
    if (change == BREAKER_OPENS) {
        to->opened_ms = now_ms;
        count_open(d, 1);
        metric_add(METRIC_BREAKER_OPENED, 1);
        log_event(LOG_BREAKER_OPENED, log_b("destination", to->name));
    } else {
        log_event(LOG_BREAKER_CLOSED, log_b("destination", to->name),
                  log_i("after_s", (now_ms - to->opened_ms) / 1000));
        to->opened_ms = 0;
        count_open(d, -1);
    }
}

void destination_ended(struct dispatch *d, struct destination *to, const struct pace_end *e,
                       bytes error) {
    bool probed = to->pace.breaker.probing && e->began_us >= to->pace.breaker.next_us;
    bool stood = pace_stands(&to->pace), down = e->word == PACE_BUSY || e->word == PACE_DOWN;
    if (down)
        remember_why(to, error);
    enum breaker_change change = pace_ended(&to->pace, now_us(d), e);
    if (probed)
        metric_add(down ? METRIC_PROBES_FAILED : METRIC_PROBES_OK, 1);
    if (e->word == PACE_SHEDS || e->word == PACE_BUSY)
        metric_add(METRIC_SHED, 1);
    if (change != BREAKER_STAYS)
        tell(d, to, change);
    if (pace_stands(&to->pace) && !stood) // the ledger will know better what is to go first
        destination_give_back(to);
}
