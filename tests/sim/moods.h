// SPDX-License-Identifier: MIT
// Sites with moods, and what somebody who stands beside them sees of the gateway's pace. A site
// stalls (hears and never answers), flaps, sheds above a ceiling of its own and lies about when to
// come back, or is dead for a day. A day is DAY_US long, as much shorter than Stripe's as the
// schedule of these plans is.
//
// Four oracles, of what the prose of rules/pace.h and rules/breaker.h promises, told from requests
// and answers alone:
// - a destination gets no more than its rate, over any time;
// - an open breaker sends only probes: one at a time, with doubled waits;
// - what is due comes in time, once the destination is well: within LATE_US;
// - a destination waits for no other: one that never failed gets what is due within FAIR_US,
//   whatever the others do. Looked at where nothing else is in the way (`only_moods`).
#ifndef SIM_MOODS_H
#define SIM_MOODS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

#define DAY_US INT64_C(105000000)
#define LATE_US INT64_C(600000000)
#define FAIR_US INT64_C(20000000)
#define WATCHES_MAX 96
#define WATCHED_BEGINS_MAX 512

enum mood { MOOD_WELL, MOOD_STALLS, MOOD_FLAPS, MOOD_SHEDS, MOOD_DEAD, MOODS };

struct watch {
    char name[32];
    enum mood mood;
    bool bad; // stalls or flaps now, until then
    int64_t turns_us, dead_from_us;
    uint32_t ceiling, taken; // a second, in this second
    int64_t second;
    // Of this life of the gateway, under this plan.
    uint32_t life;
    uint32_t targeted;
    int64_t begins[WATCHED_BEGINS_MAX];
    uint32_t begin_count, under_way;
    uint32_t row; // of failures
    bool open, probing, failed;
    bool blind; // how many failures the breaker has counted is not known; a success tells
    int64_t next_us, wait_us;
    int64_t due_us; // something is due since then, and nothing began; 0: not so
};

struct sim;
// How a request to this site ends. False: as it is when the site is well.
bool moods_fate(struct sim *s, bytes destination, bool *arrives, bool *answers, int *status,
                const char **retry_after);
void moods_begins(struct sim *s, bytes destination);
// The gateway hears of it: a status, 0 for none.
void moods_heard(struct sim *s, bytes destination, int64_t began_us, int status);
void moods_step(struct sim *s); // after a step

#endif
