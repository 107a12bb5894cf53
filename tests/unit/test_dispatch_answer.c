// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "dispatch/answer.h"

#define NOW INT64_C(784111777000) // 1994-11-06 08:49:37 UTC

static const struct {
    const char *header;
    int64_t ms;
} waits[] = {
    {"", 0},
    {"0", 0},
    {"5", 5000},
    {"86399", 86399000},
    {"86401", RETRY_AFTER_MAX_MS},
    {"99999999999999999999999", 0},
    {"18446744073709551615", RETRY_AFTER_MAX_MS},
    {"-5", 0},
    {"5s", 0},
    {"1.5", 0},
    {"Sun, 06 Nov 1994 08:49:37 GMT", 0},
    {"Sun, 06 Nov 1994 08:49:38 GMT", 1000},
    {"Sun, 06 Nov 1994 09:49:37 GMT", 3600000},
    {"Sun, 06 Nov 1994 07:49:37 GMT", 0},
    {"Fri, 31 Dec 1999 23:59:59 GMT", RETRY_AFTER_MAX_MS},
    {"Sun, 06 Nov 1994 09:49:37 CET", 0},
    {"Sun, 06 Nox 1994 09:49:37 GMT", 0},
    {"Sun, 36 Nov 1994 09:49:37 GMT", 0},
    {"Sun, 06 Nov 1994 09:49:37 GMT ", 0},
    {"Sun, 06-Nov-1994 09:49:37 GMT", 0},
    {"Sunday, 06-Nov-94 09:49:37 GMT", 0},
    {"Sun, 06 Nov 1994 09:49:3", 0},
    {"Sun Nov  6 09:49:37 1994", 0},
};

static void retry_after_is_seconds_or_a_date(void **state) {
    for (size_t i = 0; i < sizeof waits / sizeof waits[0]; i++) {
        int64_t ms = answer_retry_after(bytes_of(waits[i].header), NOW);
        if (ms != waits[i].ms)
            fail_msg("\"%s\" waits %lld ms", waits[i].header, (long long)ms);
    }
}

static const struct place timed_out = {.code = FAIL_TIMEOUT, .text = "it took too long"};
static const struct place refused = {.code = FAIL_REFUSED, .text = "TLS"};
static const struct place judged = {.code = FAIL_INVALID, .text = "no address to connect to"};
static const struct place closed = {.code = FAIL_CLOSED, .text = "the peer left"};

static const struct {
    result failed;
    const char *library;
    int status;
    enum outcome outcome;
    const char *sentence;
} answers[] = {
    {OK, "", 200, OUTCOME_DONE, ""},
    {OK, "", 204, OUTCOME_DONE, ""},
    {OK, "", 299, OUTCOME_DONE, ""},
    {OK, "", 101, OUTCOME_FAILED, "answered 101"},
    {OK, "", 301, OUTCOME_FAILED, "answered 301: redirects are not followed"},
    {OK, "", 400, OUTCOME_FAILED, "answered 400"},
    {OK, "", 409, OUTCOME_NOT_YET, "answered 409: not yet"},
    {OK, "", 425, OUTCOME_NOT_YET, "answered 425: not yet"},
    {OK, "", 503, OUTCOME_FAILED, "answered 503"},
    {&timed_out, "Timeout was reached", 0, OUTCOME_FAILED, "no answer within 30s"},
    {&refused, "self-signed certificate", 0, OUTCOME_FAILED,
     "certificate refused: self-signed certificate"},
    {&judged, "not connected to 10.0.0.1: private", 0, OUTCOME_FAILED,
     "not sent: not connected to 10.0.0.1: private; desk.allow_private lists the networks that "
     "endpoints may lead to all the same"},
    {&closed, "Connection refused", 0, OUTCOME_FAILED, "no answer: Connection refused"},
    {&closed, "", 0, OUTCOME_FAILED, "no answer: the peer left"},
    {&closed, "a\nb", 0, OUTCOME_FAILED, "no answer: a\\x0ab"},
};

static void each_answer_has_its_outcome_and_sentence(void **state) {
    for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
        struct fetch_answer a = {
            .failed = answers[i].failed,
            .error = answers[i].library,
            .status = answers[i].status,
            .body = B("see you"),
            .retry_after = B("7"),
            .micros = 1234,
        };
        struct outcome_record o = {0};
        OWN(text_drop)
        struct text sentence = {0};
        answer_judge(&a, 30000, NOW, &o, &sentence);
        assert_int_equal(o.outcome, answers[i].outcome);
        assert_string_equal(text_str(&sentence), answers[i].sentence);
        assert_true(bytes_equal(o.error, bytes_of(answers[i].sentence)));
        assert_int_equal(o.status, answers[i].status);
        assert_int_equal(o.micros, 1234);
        bool answered = answers[i].failed == OK;
        assert_int_equal(o.answer.n, answered ? 7 : 0);
        assert_int_equal(o.retry_after_ms, answered && o.outcome != OUTCOME_DONE ? 7000 : 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(retry_after_is_seconds_or_a_date),
        cmocka_unit_test(each_answer_has_its_outcome_and_sentence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
