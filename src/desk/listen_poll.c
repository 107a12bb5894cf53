// SPDX-License-Identifier: MIT
#include "desk/listen_poll.h"

#include "base/memory.h"
#include "desk/answers.h"
#include "desk/listen_secret.h"
#include "desk/params.h"
#include "rules/match.h"
#include "rules/site.h"
#include "stripe/event.h"

#define LOOK_MS 100
#define PAGE_EVENTS 50
#define PAGES_AT_ONCE 20
#define PAGE_BYTES ((size_t)1 << 20)
#define PAGE_MEMORY_MAX (64u << 20)

// Does a list of patterns or names, with commas between, have this one? An empty list has all.
static bool listed(bytes list, bytes name, bool patterns) {
    bool any = list.n == 0;
    while (list.n > 0 && !any) {
        bytes one = bytes_cut(&list, ',');
        any = patterns ? match_type(one, name) : bytes_equal(one, name);
    }
    return any;
}

static bool is_wanted(const struct ask *a, const struct push_event *p) {
    OWN(event_drop)
    struct event e = {0};
    bytes site = p->site.n > 0 ? p->site : B(SITE_UNCLAIMED);
    return event_parse(p->body, &e, NULL) == OK && listed(param(a, "types"), e.type, true) &&
           listed(param(a, "sites"), site, false);
}

static void add_event(const struct push_event *p, struct text *out) {
    text_addf(out, "%s{\"seq\":%llu,\"site\":", out->n > 0 ? "," : "", (unsigned long long)p->seq);
    if (p->site.n > 0)
        text_add_json(out, p->site);
    else
        text_adds(out, "null");
    text_adds(out, ",\"body\":");
    text_add_json(out, p->body);
    text_addc(out, '}');
}

// Looks at events behind the cursor until some fit, there are no more, or others want to ask.
static result look_for(struct ask *a, struct reader *r, struct text *rows) {
    bool more = true;
    struct poll *p = &a->poll;
    for (int pages = 0; more && rows->n == 0 && pages < PAGES_AT_ONCE; pages++) {
        OWN(arena_drop)
        struct arena memory;
        arena_init(&memory, PAGE_MEMORY_MAX);
        struct push_event *events;
        size_t n;
        struct push_question q = {.livemode = p->livemode == MODE_LIVE,
                                  .either = p->livemode == MODE_BOTH,
                                  .since_ms = a->filter.since_ms,
                                  .after = p->after,
                                  .upto = p->upto,
                                  .max = PAGE_EVENTS,
                                  .max_bytes = PAGE_BYTES};
        TRY(reader_pushes(r, &q, &memory, &events, &n, &more));
        for (size_t i = 0; i < n; i++)
            if (is_wanted(a, &events[i]))
                add_event(&events[i], rows);
        p->after = more && n > 0 ? events[n - 1].seq : p->upto;
    }
    p->more = more;
    return OK;
}

static void drop_plan(struct plan **p) { plan_free(*p); }

// Who names a site that there is not would wait for ever. False: refused.
static bool sites_known(struct ask *a, struct reader *r) {
    OWN(drop_plan)
    struct plan *now = NULL;
    bytes names = param(a, "sites");
    result read = names.n > 0 ? explain_plan(a, r, &now) : OK;
    if (read != OK)
        ask_fail_read(a, read, "no plan");
    while (now != NULL && names.n > 0) {
        bytes name = bytes_cut(&names, ',');
        if (bytes_equal(name, B(SITE_UNCLAIMED)) || plan_site_find(now, name) != SIZE_MAX)
            continue;
        ask_fail(a, 400,
                 "the configuration has no site %.*s; `hookkeep sites list` has those that there "
                 "are, and unclaimed stands for events without one",
                 BYTES_ARG(ask_short(name)));
        return false;
    }
    return read == OK;
}

static void look_work(struct ask *a, struct reader *r) {
    OWN(text_drop)
    struct text rows = {0};
    if (!sites_known(a, r))
        return;
    text_reset(&a->out);
    result looked = look_for(a, r, &rows);
    a->poll.found = rows.n > 0;
    if (looked != OK)
        ask_fail_read(a, looked, "no events");
    else
        text_addf(&a->out, "{\"data\":[%s],\"after\":%llu}", text_str(&rows),
                  (unsigned long long)a->poll.after);
}

static void ask_on(struct ask *a);

static void answer(struct ask *a) {
    list_remove(&a->poll.link);
    ask_send(a);
}

// The gateway stops, or the key was revoked.
static void end(struct ask *a) {
    if (a->desk->draining)
        ask_fail(a, 503, "the gateway is stopping; ask again when it runs");
    else
        ask_fail(a, 401, "the key was revoked");
    answer(a);
}

static void looked(struct ask *a) {
    struct desk *d = a->desk;
    a->poll.asking = false;
    bool over = clock_mono_us(d->o.clock) >= a->poll.until_us;
    if (a->poll.ended && a->session != NULL)
        end(a);
    else if (a->session == NULL)
        list_remove(&a->poll.link);
    else if (a->poll.found || a->status != 0 || over)
        answer(a);
    else if (a->poll.more)
        ask_on(a);
}

static void ask_on(struct ask *a) {
    a->poll.asking = true;
    ask_query(a, look_work, looked);
}

static void look(struct ask *a) {
    struct desk *d = a->desk;
    uint64_t booked = ledger_booked(d->o.ledger);
    bool over = clock_mono_us(d->o.clock) >= a->poll.until_us;
    if (a->poll.asking || (booked <= a->poll.upto && !over))
        return;
    a->poll.upto = booked > a->poll.after ? booked : a->poll.after;
    ask_on(a);
}

static void look_all(void *ctx) {
    struct desk *d = ctx;
    LIST_EACH_SAFE(it, &d->polls) {
        struct ask *a = CONTAINER(it, struct ask, poll.link);
        ask_hold(a);
        look(a);
        ask_release(a);
    }
    if (!list_empty(&d->polls))
        timer_set(d->poll_timer, LOOK_MS);
}

void polls_open(struct desk *d) {
    list_init(&d->polls);
    d->poll_timer = timer_open(d->loop, look_all, d);
}

void polls_end(struct desk *d, bytes key_id) {
    LIST_EACH_SAFE(it, &d->polls) {
        struct ask *a = CONTAINER(it, struct ask, poll.link);
        if (key_id.n > 0 && !bytes_equal(bytes_of(a->caller.id), key_id))
            continue;
        a->poll.ended = true;
        if (a->poll.asking)
            continue;
        ask_hold(a);
        end(a);
        ask_release(a);
    }
}

static enum mode mode_of(const struct ask *a) {
    bytes asked = param(a, "livemode");
    if (key_mode_stripe(a->caller.mode))
        return key_mode_live(a->caller.mode) ? MODE_LIVE : MODE_TEST;
    return asked.n == 0 ? MODE_BOTH : bytes_equal(asked, B("true")) ? MODE_LIVE : MODE_TEST;
}

void listen_events(struct ask *a) {
    struct desk *d = a->desk;
    uint64_t wait_s = 0;
    if (!params_filter(a, NULL, &a->filter) || !param_number(a, "wait", &wait_s)) {
        ask_send(a);
        return;
    }
    if (wait_s > POLL_WAIT_MAX_S) {
        ask_fail(a, 400, "`wait` is %llu; 1 to %d seconds are waited for events",
                 (unsigned long long)wait_s, POLL_WAIT_MAX_S);
        ask_send(a);
        return;
    }
    uint64_t booked = ledger_booked(d->o.ledger);
    a->poll.livemode = mode_of(a);
    bool since = a->filter.since_ms > 0;
    a->poll.after = a->filter.after > 0 || since ? a->filter.after : booked;
    a->poll.until_us = clock_mono_us(d->o.clock) + (int64_t)wait_s * 1000000;
    if (list_empty(&d->polls))
        timer_set(d->poll_timer, LOOK_MS);
    list_push(&d->polls, &a->poll.link);
    a->poll.upto = booked > a->poll.after ? booked : a->poll.after;
    ask_on(a);
}

void listen_secret_show(struct ask *a) {
    char secret[LISTEN_SECRET_MAX];
    static const char *const modes[] = {
        [MODE_BOTH] = "null", [MODE_LIVE] = "true", [MODE_TEST] = "false"};
    listen_secret(a->desk->o.sealing_key, a->caller.hash, secret);
    a->tells_secret = true;
    text_addf(&a->out, "{\"secret\":\"%s\",\"livemode\":%s,\"after\":%llu}", secret,
              modes[mode_of(a)], (unsigned long long)ledger_booked(a->desk->o.ledger));
    memory_wipe(secret, sizeof secret);
    ask_send(a);
}
