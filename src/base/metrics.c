// SPDX-License-Identifier: MIT
#include "base/metrics.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/ensure.h"
#include "base/text.h"

enum kind { KIND_COUNTER, KIND_GAUGE, KIND_HISTOGRAM };

static const char *const kind_names[] = {"counter", "gauge", "histogram"};

struct row {
    enum kind kind;
    const char *name, *labels, *help;
};

static const struct row rows[METRICS] = {
#define COUNTER(id, name, labels, help) [METRIC_##id] = {KIND_COUNTER, name, labels, help},
#define GAUGE(id, name, labels, help) [METRIC_##id] = {KIND_GAUGE, name, labels, help},
#define HISTOGRAM(id, name, labels, help) [METRIC_##id] = {KIND_HISTOGRAM, name, labels, help},
#include "base/metrics.def"
#undef COUNTER
#undef GAUGE
#undef HISTOGRAM
};

static const int64_t bounds[] = {
    50,     100,    200,    500,     1000,    2000,    5000,     10000,    20000,    50000,
    100000, 200000, 500000, 1000000, 2000000, 5000000, 10000000, 20000000, 50000000, 100000000,
};

#define BOUNDS (sizeof(bounds) / sizeof(bounds[0]))

static _Atomic uint64_t values[METRICS];              // a histogram's: sum of its durations
static _Atomic uint64_t buckets[METRICS][BOUNDS + 1]; // not cumulative; the last is +Inf

static uint64_t load(const _Atomic uint64_t *v) {
    return atomic_load_explicit(v, memory_order_relaxed);
}

static void add(_Atomic uint64_t *v, uint64_t n) {
    atomic_fetch_add_explicit(v, n, memory_order_relaxed);
}

void metric_add(enum metric m, uint64_t n) {
    ensure(m < METRICS && rows[m].kind != KIND_HISTOGRAM);
    add(&values[m], n);
}

void metric_set(enum metric m, int64_t v) {
    ensure(m < METRICS && rows[m].kind == KIND_GAUGE);
    atomic_store_explicit(&values[m], (uint64_t)v, memory_order_relaxed);
}

uint64_t metric_get(enum metric m) {
    ensure(m < METRICS);
    if (rows[m].kind != KIND_HISTOGRAM)
        return load(&values[m]);
    uint64_t count = 0;
    for (size_t i = 0; i <= BOUNDS; i++)
        count += load(&buckets[m][i]);
    return count;
}

void metric_time(enum metric m, int64_t micros) {
    ensure(m < METRICS && rows[m].kind == KIND_HISTOGRAM);
    // A clock that was set back makes a duration of 0, not one that breaks the sum.
    micros = micros < 0 ? 0 : micros;
    size_t at = 0;
    while (at < BOUNDS && micros > bounds[at])
        at++;
    add(&buckets[m][at], 1);
    add(&values[m], (uint64_t)micros);
}

static void add_seconds(struct text *out, uint64_t micros) {
    char s[40];
    int n = snprintf(s, sizeof(s), "%" PRIu64 ".%06" PRIu64, micros / 1000000, micros % 1000000);
    while (s[n - 1] == '0')
        n--;
    if (s[n - 1] == '.')
        n--;
    text_add(out, bytes_from(s, (size_t)n));
}

static void write_histogram(struct text *out, enum metric m) {
    const struct row *r = &rows[m];
    const char *comma = r->labels[0] != '\0' ? "," : "";
    const char *open = r->labels[0] != '\0' ? "{" : "", *close = r->labels[0] != '\0' ? "}" : "";
    uint64_t count = 0;
    for (size_t i = 0; i <= BOUNDS; i++) {
        count += load(&buckets[m][i]);
        text_addf(out, "%s_bucket{%s%sle=\"", r->name, r->labels, comma);
        if (i < BOUNDS)
            add_seconds(out, (uint64_t)bounds[i]);
        else
            text_adds(out, "+Inf");
        text_addf(out, "\"} %" PRIu64 "\n", count);
    }
    text_addf(out, "%s_sum%s%s%s ", r->name, open, r->labels, close);
    add_seconds(out, load(&values[m]));
    // The count is the sum of the buckets just written, so that both agree whatever other threads
    // do meanwhile.
    text_addf(out, "\n%s_count%s%s%s %" PRIu64 "\n", r->name, open, r->labels, close, count);
}

static void write_value(struct text *out, enum metric m) {
    const struct row *r = &rows[m];
    text_adds(out, r->name);
    if (r->labels[0] != '\0')
        text_addf(out, "{%s}", r->labels);
    text_addc(out, ' ');
    if (r->kind == KIND_GAUGE)
        text_add_i64(out, (int64_t)load(&values[m]));
    else
        text_add_u64(out, load(&values[m]));
    text_addc(out, '\n');
}

void metrics_write(struct text *out) {
    for (enum metric m = 0; m < METRICS; m++) {
        const struct row *r = &rows[m];
        if (m == 0 || strcmp(r->name, rows[m - 1].name) != 0)
            text_addf(out, "# HELP %s %s\n# TYPE %s %s\n", r->name, r->help, r->name,
                      kind_names[r->kind]);
        if (r->kind == KIND_HISTOGRAM)
            write_histogram(out, m);
        else
            write_value(out, m);
    }
}

void metrics_reset(void) {
    for (enum metric m = 0; m < METRICS; m++) {
        atomic_store_explicit(&values[m], 0, memory_order_relaxed);
        for (size_t i = 0; i <= BOUNDS; i++)
            atomic_store_explicit(&buckets[m][i], 0, memory_order_relaxed);
    }
}
