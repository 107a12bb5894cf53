// SPDX-License-Identifier: MIT
// Counters and histograms of the process, declared in base/metrics.def, added to by any thread
// without locks (relaxed atomics), rendered in Prometheus's text format.
#ifndef BASE_METRICS_H
#define BASE_METRICS_H

#include <stdint.h>

enum metric {
#define COUNTER(id, name, labels, help) METRIC_##id,
#define GAUGE(id, name, labels, help) METRIC_##id,
#define HISTOGRAM(id, name, labels, help) METRIC_##id,
#include "base/metrics.def"
#undef COUNTER
#undef GAUGE
#undef HISTOGRAM
    METRICS
};

struct text;

void metric_add(enum metric m, uint64_t n);
void metric_set(enum metric m, int64_t v); // gauges
uint64_t metric_get(enum metric m);        // a counter's or gauge's value; a histogram's count
// Records a duration in a histogram whose buckets run from 50 µs to 100 s, 1-2-5.
void metric_time(enum metric m, int64_t micros);
// Appends all in Prometheus's text exposition format 0.0.4, grouped by name with HELP and TYPE.
void metrics_write(struct text *out);
// For tests.
void metrics_reset(void);

#endif
