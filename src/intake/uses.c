// SPDX-License-Identifier: MIT
#include "intake/uses.h"

#include <stdlib.h>

#include "base/memory.h"
#include "port/log.h"

#define MINUTE_MS INT64_C(60000)
#define HOUR_MS (60 * MINUTE_MS)
#define DAY_MS (24 * HOUR_MS)
#define SOON_MS (7 * DAY_MS)

static struct secret_use *find(const struct secret_uses *u, bytes source, bytes label) {
    struct secret_use *it = atomic_load_explicit(&u->first, memory_order_acquire);
    while (it != NULL && !(bytes_equal(it->source, source) && bytes_equal(it->label, label)))
        it = it->next;
    return it;
}

const struct secret_use *secret_uses_find(const struct secret_uses *u, bytes source, bytes label) {
    return find(u, source, label);
}

struct secret_use *secret_uses_take(struct secret_uses *u, bytes source, bytes label) {
    struct secret_use *row = find(u, source, label);
    if (row != NULL)
        return row;
    row = NEW(struct secret_use);
    row->source = bytes_of(bytes_strdup(source));
    row->label = bytes_of(bytes_strdup(label));
    row->next = atomic_load_explicit(&u->first, memory_order_relaxed);
    atomic_store_explicit(&u->first, row, memory_order_release);
    return row;
}

void secret_uses_drop(struct secret_uses *u) {
    for (struct secret_use *it = atomic_load(&u->first), *next; it != NULL; it = next) {
        next = it->next;
        free((void *)(uintptr_t)it->source.p);
        free((void *)(uintptr_t)it->label.p);
        free(it);
    }
    atomic_store(&u->first, NULL);
    for (struct source_use *it = atomic_load(&u->first_source), *next; it != NULL; it = next) {
        next = it->next;
        free((void *)(uintptr_t)it->path.p);
        free(it);
    }
    atomic_store(&u->first_source, NULL);
}

struct source_use *source_uses_take(struct secret_uses *u, bytes path) {
    struct source_use *first = atomic_load_explicit(&u->first_source, memory_order_acquire);
    for (struct source_use *it = first; it != NULL; it = it->next)
        if (bytes_equal(it->path, path))
            return it;
    struct source_use *row = NEW(struct source_use);
    row->path = bytes_of(bytes_strdup(path));
    row->next = first;
    atomic_store_explicit(&u->first_source, row, memory_order_release);
    return row;
}

// Loops may overwrite each other's: one time in a few is as good as all.
void source_use_received(struct source_use *u, int64_t signed_at_s, int64_t now_ms) {
    int64_t apart = now_ms - signed_at_s * 1000;
    int64_t before = atomic_load_explicit(&u->clock_ms, memory_order_relaxed);
    bool first = atomic_fetch_add_explicit(&u->received, 1, memory_order_relaxed) == 0;
    atomic_store_explicit(&u->clock_ms, first ? apart : before + (apart - before) / 8,
                          memory_order_relaxed);
}

void source_use_refused(struct source_use *u, enum source_refusal why) {
    atomic_fetch_add_explicit(&u->refused[why], 1, memory_order_relaxed);
}

void source_uses_json(const struct secret_uses *u, struct text *out) {
    static const char *const names[SOURCE_REFUSALS] = {
#define X(id, name) name,
        SOURCE_REFUSALS_LIST(X)
#undef X
    };
    const struct source_use *it = atomic_load_explicit(&u->first_source, memory_order_acquire);
    text_addc(out, '{');
    for (bool first = true; it != NULL; it = it->next, first = false) {
        text_adds(out, first ? "" : ",");
        text_add_json(out, it->path);
        text_adds(out, ":{\"received\":");
        text_add_u64(out, atomic_load_explicit(&it->received, memory_order_relaxed));
        text_adds(out, ",\"clock_ms\":");
        text_add_i64(out, atomic_load_explicit(&it->clock_ms, memory_order_relaxed));
        text_adds(out, ",\"refused\":");
        for (unsigned i = 0; i < SOURCE_REFUSALS; i++)
            text_addf(
                out, "%s\"%s\":%llu", i == 0 ? "{" : ",", names[i],
                (unsigned long long)atomic_load_explicit(&it->refused[i], memory_order_relaxed));
        text_adds(out, "}}");
    }
    text_addc(out, '}');
}

// Has it not been told for so long? Of several loops one tells it.
static bool may_tell(_Atomic int64_t *told_at, int64_t now_ms, int64_t pause_ms) {
    int64_t before = atomic_load_explicit(told_at, memory_order_relaxed);
    return (before == 0 || now_ms - before >= pause_ms || now_ms < before) &&
           atomic_compare_exchange_strong(told_at, &before, now_ms);
}

static uint64_t count(_Atomic uint64_t *n, _Atomic int64_t *at, int64_t now_ms) {
    atomic_store_explicit(at, now_ms, memory_order_relaxed);
    return atomic_fetch_add_explicit(n, 1, memory_order_relaxed) + 1;
}

void secret_use_matched(struct secret_use *u, const struct plan_secret *s, int64_t now_ms) {
    (void)count(&u->matched, &u->matched_at, now_ms);
    int64_t left_ms = s->not_after_s * 1000 - now_ms;
    if (s->not_after_s == 0 || left_ms > SOON_MS)
        return;
    if (may_tell(&u->told_expiry_at, now_ms, left_ms > DAY_MS ? DAY_MS : HOUR_MS))
        log_event(LOG_SECRET_EXPIRES, log_b("source", u->source), log_b("secret", u->label),
                  log_i("seconds_left", left_ms / 1000));
}

void secret_use_retired(struct secret_use *u, const struct plan_secret *s, int64_t now_ms) {
    uint64_t n = count(&u->retired, &u->retired_at, now_ms);
    bool early = now_ms / 1000 < s->not_before_s;
    if (may_tell(&u->told_retired_at, now_ms, MINUTE_MS))
        log_event(LOG_RETIRED_SECRET, log_b("source", u->source), log_b("secret", u->label),
                  log_s("in_force", early ? "not yet" : "no more"), log_i("times", (int64_t)n));
}

static void add_row(struct text *out, const char *name, const struct secret_use *u, uint64_t n) {
    text_addf(out, "%s{source=", name);
    text_add_json(out, u->source); // a path has no character that the two write differently
    text_adds(out, ",secret=");
    text_add_json(out, u->label);
    text_adds(out, "} ");
    text_add_u64(out, n);
    text_addc(out, '\n');
}

void secret_uses_metrics(const struct secret_uses *u, struct text *out) {
    const struct secret_use *first = atomic_load_explicit(&u->first, memory_order_acquire);
    text_adds(out, "# HELP hookkeep_secret_matches_total Events taken, by the secret that signed "
                   "them.\n# TYPE hookkeep_secret_matches_total counter\n");
    for (const struct secret_use *it = first; it != NULL; it = it->next)
        add_row(out, "hookkeep_secret_matches_total", it,
                atomic_load_explicit(&it->matched, memory_order_relaxed));
    text_adds(out, "# HELP hookkeep_retired_secret_total Signatures refused because their secret "
                   "is not in force, by that secret.\n# TYPE hookkeep_retired_secret_total "
                   "counter\n");
    for (const struct secret_use *it = first; it != NULL; it = it->next)
        add_row(out, "hookkeep_retired_secret_total", it,
                atomic_load_explicit(&it->retired, memory_order_relaxed));
}
