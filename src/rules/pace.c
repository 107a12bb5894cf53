// SPDX-License-Identifier: MIT
#include "rules/pace.h"

#define ONE 1000 // thousandths
#define SECOND_US INT64_C(1000000)
#define TOLERANCE_NS INT64_C(100000000) // 0.1 s
// Of what is learnt of rates. Above the most nothing is limited any more.
#define LEAST_MILLI INT64_C(100)
#define MOST_MILLI INT64_C(5000000)
#define RAMP_MILLI ((int64_t)PACE_RAMP_RATE * ONE)
// A success adds so much to the rate: e-fold in a second, or half a percent.
#define FAST_MILLI 1000
#define SLOW_MILLI 5
#define SLOW_DOUBLES 256 // successes, after which that is twice as much
// A site that sheds is left alone for so long, doubled while it goes on, whatever it says.
#define SHED_FIRST_MS INT64_C(100)
#define SHED_MAX_MS INT64_C(60000)
#define SHED_DOUBLINGS 10
// A round of fewer answers says nothing of how long they take.
#define ROUND_LEAST 8
#define LAG_SLACK_US 2000

static int64_t most(int64_t a, int64_t b) { return a > b ? a : b; }
static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

static bool fixed(const struct pace *p) { return p->limits.min == p->limits.max; }
static int64_t level_most(const struct pace *p) { return (int64_t)p->limits.max * ONE; }

// What it gets down to: one at a time while it comes back.
static int64_t level_least(const struct pace *p) {
    return p->ramping ? ONE : (int64_t)p->limits.min * ONE;
}

static void set_level(struct pace *p, int64_t milli) {
    p->level_milli = (uint32_t)least(most(milli, level_least(p)), level_most(p));
}

void pace_init(struct pace *p, const struct pace_limits *limits, int64_t now_us) {
    *p = (struct pace){
        .limits = *limits,
        .level_milli = limits->min * ONE,
        .slow_start = limits->min < limits->max,
        .cut_us = INT64_MIN,
        .second_us = now_us,
        .next_ns = now_us * 1000,
    };
}

void pace_adopt(struct pace *p, const struct pace_limits *limits) {
    bool was_fixed = fixed(p);
    p->limits = *limits;
    if (fixed(p) && !p->ramping)
        p->level_milli = limits->max * ONE;
    if (was_fixed && !fixed(p))
        p->slow_start = true;
    set_level(p, p->level_milli);
}

enum pace_word pace_word_of(enum outcome outcome, int32_t status) {
    if (outcome != OUTCOME_FAILED)
        return PACE_WELL;
    if (status == 429)
        return PACE_SHEDS;
    if (status == 503)
        return PACE_BUSY;
    return status == 0 || status >= 500 ? PACE_DOWN : PACE_ANSWERS;
}

result pace_rate_parse(bytes b, struct pace_limits *out) {
    static const struct {
        char unit;
        int64_t per_ms;
    } units[] = {{'s', 1000}, {'m', 60000}, {'h', PACE_RATE_PER_MAX_MS}};
    uint64_t count;
    size_t slash = bytes_find(b, '/');
    NEED(slash + 2 == b.n && bytes_to_u64(bytes_slice(b, 0, slash), &count) == OK && count > 0 &&
             count <= PACE_RATE_MAX,
         INVALID, "a rate is a number from 1 to 100000 in a second, minute or hour, as 50/s");
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (b.p[slash + 1] == units[i].unit) {
            out->rate = (uint32_t)count;
            out->rate_per_ms = units[i].per_ms;
            return OK;
        }
    FAIL(INVALID, "a rate is in a second, minute or hour: 50/s, 300/m, 1000/h");
}

uint32_t pace_level(const struct pace *p) { return p->level_milli / ONE; }

int64_t pace_rate_milli(const struct pace *p) {
    const struct pace_limits *l = &p->limits;
    int64_t configured = l->rate == 0 ? 0 : most((int64_t)l->rate * ONE * 1000 / l->rate_per_ms, 1);
    bool both = configured > 0 && p->learnt_milli > 0;
    return both ? least(configured, p->learnt_milli) : most(configured, p->learnt_milli);
}

// Between two attempts, rounded up; 0: no rate.
static int64_t interval_ns(const struct pace *p) {
    const struct pace_limits *l = &p->limits;
    int64_t configured =
        l->rate == 0 ? 0 : (l->rate_per_ms * 1000000 + l->rate - 1) / (int64_t)l->rate;
    int64_t learnt = p->learnt_milli == 0 ? 0 : 1000 * SECOND_US * 1000 / p->learnt_milli;
    return most(configured, learnt);
}

static int64_t rate_lets_at_us(const struct pace *p) {
    return interval_ns(p) == 0 ? INT64_MIN : (p->next_ns - TOLERANCE_NS + 999) / 1000;
}

bool pace_lets(const struct pace *p, int64_t now_us, size_t under_way, int64_t *at_us) {
    if (!breaker_lets(&p->breaker, now_us, at_us) && *at_us == 0)
        return false;
    *at_us = most(*at_us, most(p->paused_until_us, rate_lets_at_us(p)));
    if (now_us < *at_us)
        return false;
    *at_us = 0;
    if (p->breaker.open)
        return true;
    return p->alone != PACE_ALONE_OUT && under_way < pace_level(p);
}

void pace_begun(struct pace *p, int64_t now_us) {
    breaker_begun(&p->breaker);
    p->next_ns = most(p->next_ns, now_us * 1000) + interval_ns(p);
    if (p->alone == PACE_ALONE_NEXT)
        p->alone = PACE_ALONE_OUT;
}

// What is taken a second, as two seconds tell it: this one, and the last in which anything was.
static int64_t taken_milli(struct pace *p, int64_t now_us) {
    int64_t passed = now_us - p->second_us;
    if (passed >= SECOND_US) {
        p->before_count = p->second_count > 0 ? p->second_count : p->before_count;
        p->second_count = 0;
        p->second_us = now_us - passed % SECOND_US;
        passed %= SECOND_US;
    }
    return (int64_t)p->second_count * ONE +
           (int64_t)p->before_count * (SECOND_US - passed) / (SECOND_US / ONE);
}

static void pause(struct pace *p, int64_t now_us, int64_t ms) {
    int64_t until = now_us + ms * 1000;
    if (ms <= 0 || until <= p->paused_until_us)
        return;
    p->paused_until_us = until;
    p->next_ns = most(p->next_ns, until * 1000 + TOLERANCE_NS); // an empty bucket
    p->alone = PACE_ALONE_NEXT;
}

static void cut_level(struct pace *p, int64_t tenths) {
    p->slow_start = false;
    p->round_count = 0;
    p->round_us = 0;
    if (!fixed(p) || p->ramping)
        set_level(p, (int64_t)p->level_milli * tenths / 10);
}

// Nine tenths of what was taken; but one answer is not believed to more than halve the rate.
static void learn(struct pace *p, int64_t now_us) {
    int64_t taken = taken_milli(p, now_us), was = p->learnt_milli;
    int64_t at_least = was > 0 ? was / 2 : taken > 0 ? 0 : RAMP_MILLI;
    int64_t next = most(most(taken * 9 / 10, at_least), LEAST_MILLI);
    p->learnt_milli = was > 0 ? least(next, was) : next;
    p->shed_milli = was > 0 ? taken : 0; // the first time, much of what it took is under way
    p->since_shed = 0;
    pause(p, now_us, least(SHED_FIRST_MS << p->shed_row, SHED_MAX_MS));
    p->shed_row += p->shed_row < SHED_DOUBLINGS;
}

static void grow_rate(struct pace *p) {
    int64_t near = p->shed_milli / 10, step = FAST_MILLI;
    if (p->learnt_milli == 0)
        return;
    if (p->shed_milli > 0 && p->learnt_milli > p->shed_milli + near)
        p->shed_milli = 0; // it can do more than it could
    else if (p->shed_milli > 0 && p->learnt_milli >= p->shed_milli - near)
        step = SLOW_MILLI + SLOW_MILLI * (int64_t)p->since_shed / SLOW_DOUBLES;
    p->since_shed++;
    p->learnt_milli += step;
    if (p->learnt_milli > MOST_MILLI)
        p->learnt_milli = p->shed_milli = 0;
}

static bool lags(const struct pace *p, int64_t took_us, int64_t times) {
    return took_us > times * p->quick_us + LAG_SLACK_US;
}

// What they take when little is asked becomes less at any time, and more only then.
static void learn_quick(struct pace *p, int64_t took_us) {
    if (p->quick_us == 0 || took_us < p->quick_us)
        p->quick_us = most(took_us, 1);
    else if (p->level_milli == level_least(p))
        p->quick_us += (took_us - p->quick_us) / 8;
}

// One more, if those of the round took about as long as they do when little is asked.
static void grow_by_round(struct pace *p, int64_t took_us) {
    p->round_us += took_us;
    p->round_count++;
    if (p->round_count < ROUND_LEAST || p->round_count < pace_level(p))
        return;
    int64_t mean = p->round_us / p->round_count;
    p->round_count = 0;
    p->round_us = 0;
    learn_quick(p, mean);
    if (lags(p, mean, 4))
        cut_level(p, 8);
    else if (!lags(p, mean, 2))
        set_level(p, (int64_t)p->level_milli + ONE);
}

static void grow_level(struct pace *p, const struct pace_end *e) {
    if (p->level_milli == level_most(p))
        p->slow_start = false;
    p->ramping = p->ramping && pace_level(p) < p->limits.min;
    if (fixed(p) && !p->ramping)
        return;
    bool used = e->under_way >= pace_level(p);
    if (p->slow_start)
        learn_quick(p, e->took_us);
    p->slow_start = p->slow_start && !lags(p, e->took_us, 4);
    if (p->slow_start && used)
        set_level(p, (int64_t)p->level_milli + ONE);
    else if (used || p->round_count > 0)
        grow_by_round(p, e->took_us);
}

static void ramp(struct pace *p) {
    p->ramping = p->slow_start = true;
    p->level_milli = ONE;
    p->learnt_milli = p->learnt_milli == 0 ? RAMP_MILLI : least(p->learnt_milli, RAMP_MILLI);
    p->round_count = 0;
    p->round_us = 0;
}

static void strained(struct pace *p, int64_t now_us, const struct pace_end *e) {
    bool sheds = e->word == PACE_SHEDS || e->word == PACE_BUSY;
    bool first = e->began_us >= p->cut_us && !p->breaker.open;
    if (sheds)
        pause(p, now_us, least(e->retry_after_ms, PACE_PAUSE_MAX_MS));
    if (!first)
        return;
    p->cut_us = now_us;
    cut_level(p, sheds ? 7 : 5);
    if (sheds)
        learn(p, now_us);
}

enum breaker_change pace_ended(struct pace *p, int64_t now_us, const struct pace_end *e) {
    bool down = e->word == PACE_BUSY || e->word == PACE_DOWN;
    bool lone = p->alone == PACE_ALONE_OUT && e->began_us >= p->paused_until_us;
    enum breaker_change change = breaker_ended(&p->breaker, now_us, e->began_us, down);
    if (lone)
        p->alone = PACE_TOGETHER;
    if (change == BREAKER_CLOSES)
        ramp(p);
    if (down || e->word == PACE_SHEDS) {
        strained(p, now_us, e);
    } else if (e->word == PACE_WELL) {
        p->shed_row = 0;
        (void)taken_milli(p, now_us);
        p->second_count++;
        grow_rate(p);
        grow_level(p, e);
    }
    return change;
}

bool pace_stands(const struct pace *p) { return p->breaker.open || p->alone != PACE_TOGETHER; }

size_t pace_hand(const struct pace *p, size_t times) {
    int64_t rate = pace_rate_milli(p);
    size_t n = pace_stands(p) ? 1 : (size_t)pace_level(p) * times;
    size_t soon = (size_t)(rate / 2 / ONE + 1); // of half a second
    return rate > 0 && soon < n ? soon : n;
}
