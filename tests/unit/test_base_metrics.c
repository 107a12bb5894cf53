// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "base/metrics.h"
#include "base/text.h"

static int reset(void **state) {
    metrics_reset();
    return 0;
}

static bool has_line(const struct text *t, const char *line) {
    OWN(text_drop)
    struct text wanted = {0};
    text_addf(&wanted, "\n%s\n", line);
    return bytes_search(text_bytes(t), text_bytes(&wanted)) < t->n;
}

static void counts(void **state) {
    OWN(text_drop)
    struct text t = {0};
    metric_add(METRIC_ACK_NEW, 2);
    metric_add(METRIC_ACK_NEW, UINT64_C(10000000000));
    metric_set(METRIC_CONN_OPEN, 7);
    metric_add(METRIC_CONN_OPEN, (uint64_t)-8);
    assert_true(metric_get(METRIC_ACK_NEW) == 10000000002);
    assert_true((int64_t)metric_get(METRIC_CONN_OPEN) == -1);
    metrics_write(&t);
    assert_true(has_line(&t, "hookkeep_answers_total{reason=\"received\"} 10000000002"));
    assert_true(has_line(&t, "hookkeep_connections_open -1"));
    assert_true(has_line(&t, "# TYPE hookkeep_connections_open gauge"));
    metrics_reset();
    assert_true(metric_get(METRIC_ACK_NEW) == 0);
}

static void puts_durations_in_buckets(void **state) {
    OWN(text_drop)
    struct text t = {0};
    static const int64_t micros[] = {-5, 0, 50, 51, 1000, 100000000, 100000001, 90000000000};
    for (size_t i = 0; i < sizeof(micros) / sizeof(micros[0]); i++)
        metric_time(METRIC_SYNC_TIME, micros[i]);
    assert_int_equal(metric_get(METRIC_SYNC_TIME), 8);
    metrics_write(&t);
    static const char *const lines[] = {
        "hookkeep_stage_seconds_bucket{stage=\"sync\",le=\"0.00005\"} 3",
        "hookkeep_stage_seconds_bucket{stage=\"sync\",le=\"0.0001\"} 4",
        "hookkeep_stage_seconds_bucket{stage=\"sync\",le=\"0.0005\"} 4",
        "hookkeep_stage_seconds_bucket{stage=\"sync\",le=\"0.001\"} 5",
        "hookkeep_stage_seconds_bucket{stage=\"sync\",le=\"50\"} 5",
        "hookkeep_stage_seconds_bucket{stage=\"sync\",le=\"100\"} 6",
        "hookkeep_stage_seconds_bucket{stage=\"sync\",le=\"+Inf\"} 8",
        "hookkeep_stage_seconds_sum{stage=\"sync\"} 90200.001102",
        "hookkeep_stage_seconds_count{stage=\"sync\"} 8",
        "hookkeep_stage_seconds_count{stage=\"append\"} 0",
    };
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
        assert_true(has_line(&t, lines[i]));
}

// Text format 0.0.4: each line is HELP, TYPE or a sample; the samples of one name stand together
// right behind its HELP and TYPE, and no series comes twice.
static void writes_the_text_format(void **state) {
    static const char form[] =
        "^(# HELP [a-z_]+ [A-Z].*\\.|# TYPE [a-z_]+ (counter|gauge|histogram)|"
        "[a-z_]+(\\{[a-z_]+=\"[^\"\\]+\"(,[a-z_]+=\"[^\"\\]+\")*\\})? -?[0-9]+(\\.[0-9]+)?)$";
    OWN(text_drop)
    struct text t = {0};
    struct map names = {0}, series = {0};
    regex_t re;
    static int seen;
    assert_int_equal(regcomp(&re, form, REG_EXTENDED | REG_NOSUB), 0);
    metric_time(METRIC_BOOK_TIME, 1234);
    metrics_write(&t);
    assert_false(t.failed);
    assert_int_equal(t.p[t.n - 1], '\n');
    bytes rest = text_bytes(&t), name = NO_BYTES;
    while (rest.n > 0) {
        bytes line = bytes_cut(&rest, '\n');
        char *copy = bytes_strdup(line);
        if (regexec(&re, copy, 0, NULL, 0) != 0)
            fail_msg("not a line of the format: %s", copy);
        free(copy);
        if (bytes_starts(line, B("# HELP "))) {
            bytes words = bytes_slice(line, 7, line.n);
            name = bytes_cut(&words, ' ');
            assert_null(map_put(&names, name, &seen));
        } else if (bytes_starts(line, B("# TYPE "))) {
            assert_true(bytes_starts(bytes_slice(line, 7, line.n), name));
        } else {
            assert_true(bytes_starts(line, name));
            assert_null(map_put(&series, bytes_cut(&line, ' '), &seen));
        }
    }
    assert_true(names.n > 10 && series.n > METRICS);
    regfree(&re);
    map_drop(&names);
    map_drop(&series);
}

#define ROUNDS 500000

static void *add_many(void *arg) {
    pthread_barrier_wait(arg); // else one could be done before the next begins
    for (int i = 0; i < ROUNDS; i++) {
        metric_add(METRIC_JOURNAL_RECORDS, 1);
        metric_time(METRIC_APPEND_TIME, 75);
    }
    return NULL;
}

static void loses_nothing_between_threads(void **state) {
    pthread_t threads[4];
    pthread_barrier_t all_there;
    assert_int_equal(pthread_barrier_init(&all_there, NULL, 4), 0);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, add_many, &all_there), 0);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    pthread_barrier_destroy(&all_there);
    assert_int_equal(metric_get(METRIC_JOURNAL_RECORDS), 4 * ROUNDS);
    assert_int_equal(metric_get(METRIC_APPEND_TIME), 4 * ROUNDS);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(counts, reset),
        cmocka_unit_test_setup(puts_durations_in_buckets, reset),
        cmocka_unit_test_setup(writes_the_text_format, reset),
        cmocka_unit_test_setup(loses_nothing_between_threads, reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
