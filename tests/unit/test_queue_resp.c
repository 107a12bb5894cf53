// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "queue/resp.h"
#include "rules/queue_target.h"

static void a_command_is_its_words(void **state) {
    OWN(text_drop)
    struct text t = {0};
    resp_write(&t, (const bytes[]){B("SET"), B("k\r\n"), B("")}, 3);
    assert_true(bytes_equal(text_bytes(&t), B("*3\r\n$3\r\nSET\r\n$3\r\nk\r\n\r\n$0\r\n\r\n")));
}

static const struct {
    bytes sent;
    enum resp_type type;
    bytes text;
    int64_t integer;
    size_t count;
} replies[] = {
    {BYTES_INIT("+PONG\r\n"), RESP_STATUS, BYTES_INIT("PONG"), 0, 0},
    {BYTES_INIT("-WRONGTYPE no\r\n"), RESP_ERROR, BYTES_INIT("WRONGTYPE no"), 0, 0},
    {BYTES_INIT(":-7\r\n"), RESP_INTEGER, BYTES_INIT(""), -7, 0},
    {BYTES_INIT("$4\r\na\r\nb\r\n"), RESP_BULK, BYTES_INIT("a\r\nb"), 4, 0},
    {BYTES_INIT("$0\r\n\r\n"), RESP_BULK, BYTES_INIT(""), 0, 0},
    {BYTES_INIT("$-1\r\n"), RESP_NULL, BYTES_INIT(""), -1, 0},
    {BYTES_INIT("*-1\r\n"), RESP_NULL, BYTES_INIT(""), -1, 0},
    {BYTES_INIT("*0\r\n"), RESP_ARRAY, BYTES_INIT(""), 0, 0},
    {BYTES_INIT("*3\r\n$6\r\nmaster\r\n:0\r\n*1\r\n+x\r\n"), RESP_ARRAY, BYTES_INIT("master"), 3,
     3},
};

// Whole, and in each two pieces: of the first alone it asks for more.
static void a_reply_is_read_when_it_is_whole(void **state) {
    for (size_t i = 0; i < sizeof replies / sizeof replies[0]; i++) {
        bytes sent = replies[i].sent;
        struct resp r;
        size_t used;
        for (size_t n = 0; n < sent.n; n++) {
            assert_null(resp_read(bytes_slice(sent, 0, n), &r, &used));
            assert_int_equal(used, 0);
        }
        OWN(text_drop)
        struct text more = {0};
        text_add(&more, sent);
        text_adds(&more, "+next\r\n");
        assert_null(resp_read(text_bytes(&more), &r, &used));
        assert_int_equal(used, sent.n);
        assert_int_equal(r.type, replies[i].type);
        assert_true(bytes_equal(r.text, replies[i].text));
        assert_int_equal(r.integer, replies[i].integer);
        assert_int_equal(r.count, replies[i].count);
    }
}

static void what_is_no_reply_is_refused(void **state) {
    static const bytes bad[] = {
        BYTES_INIT("PONG\r\n"),        BYTES_INIT("\r\n"),
        BYTES_INIT("+PONG\n"),         BYTES_INIT(":x\r\n"),
        BYTES_INIT("$x\r\n"),          BYTES_INIT("$3\r\nabcd\r\n"),
        BYTES_INIT("$9999999999\r\n"), BYTES_INIT("$99999999999999999999\r\n"),
        BYTES_INIT("*1025\r\n"),       BYTES_INIT("*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n"),
        BYTES_INIT("*1\r\n?\r\n"),
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct resp r;
        size_t used;
        assert_non_null(resp_read(bad[i], &r, &used));
    }
    // A line without an end is not waited for without one.
    OWN(text_drop)
    struct text endless = {0};
    while (endless.n <= RESP_LINE_MAX)
        text_adds(&endless, "+aaaaaaaaaaaaaaa");
    struct resp r;
    size_t used;
    assert_non_null(resp_read(text_bytes(&endless), &r, &used));
}

static void urls_of_a_redis(void **state) {
    static const struct {
        bytes url, host, user, path;
        uint16_t port;
        uint32_t database;
        bool tls;
    } good[] = {
        {BYTES_INIT("redis://r"), BYTES_INIT("r"), .port = 6379},
        {BYTES_INIT("rediss://me@r.x:1/7"), BYTES_INIT("r.x"), BYTES_INIT("me"), .port = 1,
         .database = 7, .tls = true},
        {BYTES_INIT("redis://[::1]:7/"), BYTES_INIT("::1"), .port = 7},
        {BYTES_INIT("redis://[::1]"), BYTES_INIT("::1"), .port = 6379},
        {BYTES_INIT("unix:/run/r"), .path = BYTES_INIT("/run/r")},
    };
    struct redis_place at;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_null(redis_place_read(good[i].url, &at));
        assert_true(bytes_equal(at.host, good[i].host));
        assert_true(bytes_equal(at.user, good[i].user));
        assert_true(bytes_equal(at.path, good[i].path));
        assert_int_equal(at.port, good[i].port);
        assert_int_equal(at.database, good[i].database);
        assert_int_equal(at.tls, good[i].tls);
    }
    static const char *const bad[] = {
        "",
        "r:6379",
        "http://r",
        "redis://",
        "redis:///1",
        "redis://r:",
        "redis://r:0",
        "redis://r:65536",
        "redis://r/x",
        "redis://:pw@r",
        "unix:",
        "redis://@r",
        "redis://[::1",
        "redis://[::1]x",
        "redis://a b",
        "redis://r:1:2",
        "redis://u:p@r",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_non_null(redis_place_read(bytes_of(bad[i]), &at));
}

static void ids_of_jobs(void **state) {
    assert_true(queue_job_id(B("evt_1NG8Du2eZvKYlo2CUI79vXWy")));
    assert_true(queue_job_id(B("evt_test_61RCj")));
    static const char *const bad[] = {"",           "evt_",    "evt",          "12",   "wait",
                                      "evt_a:lock", "evt_a b", "evt_\xc3\xa9", "EVT_1"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(queue_job_id(bytes_of(bad[i])));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_command_is_its_words),
        cmocka_unit_test(a_reply_is_read_when_it_is_whole),
        cmocka_unit_test(what_is_no_reply_is_refused),
        cmocka_unit_test(urls_of_a_redis),
        cmocka_unit_test(ids_of_jobs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
