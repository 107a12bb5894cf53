// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/json.h"
#include "rules/frame.h"

static void an_event_is_one_line_with_its_exact_bytes(void **state) {
    OWN(text_drop)
    struct text t = {0};
    const struct frame_event e = {
        .delivery = 7,
        .attempt = 2,
        .destination = B("books"),
        .event = B("evt_1"),
        .type = B("charge.succeeded"),
        .account = B("acct_1"),
        .livemode = true,
        .payload = B("{\n  \"id\": \"evt_1\",\r\n\t\"n\": 1.0, \"u\": \"\xc3\xa9\\u00e9\x7f\"\n}"),
    };
    frame_event_write(&e, &t);
    assert_int_equal(bytes_find(text_bytes(&t), '\n'), t.n - 1);
    OWN(json_close)
    struct json_doc *doc = NULL;
    assert_null(json_parse(text_bytes(&t), &doc));
    json root = json_root(doc);
    assert_int_equal(json_size(root), 8);
    assert_true(bytes_equal(json_string(json_get(root, "payload")), e.payload));
    text_reset(&t);
    json_write(root, &t);
    assert_true(bytes_starts(
        text_bytes(&t),
        B("{\"delivery\":7,\"attempt\":2,\"destination\":\"books\",\"event\":\"evt_1\","
          "\"type\":\"charge.succeeded\",\"account\":\"acct_1\",\"livemode\":true,")));
}

static void an_event_without_an_account_says_null(void **state) {
    OWN(text_drop)
    struct text t = {0};
    frame_event_write(&(struct frame_event){.delivery = 1, .attempt = 1, .payload = B("{}")}, &t);
    assert_string_equal(
        text_str(&t),
        "{\"delivery\":1,\"attempt\":1,\"destination\":\"\",\"event\":\"\",\"type\":\"\","
        "\"account\":null,\"livemode\":false,\"payload\":\"{}\"}\n");
}

static void an_event_is_read_as_it_was_written(void **state) {
    OWN(text_drop)
    struct text t = {0}, again = {0};
    OWN(json_close)
    struct json_doc *doc = NULL;
    const struct frame_event e = {
        .delivery = 7,
        .attempt = 2,
        .destination = B("books"),
        .event = B("evt_1"),
        .type = B("charge.succeeded"),
        .livemode = true,
        .payload = B("{\n\"u\": \"\xc3\xa9\"}"),
    };
    struct frame_event read;
    frame_event_write(&e, &t);
    assert_null(frame_event_read(bytes_slice(text_bytes(&t), 0, t.n - 1), &read, &doc));
    assert_int_equal(read.account.n, 0);
    frame_event_write(&read, &again);
    assert_string_equal(text_str(&again), text_str(&t));
}

static void what_is_no_event_is_refused(void **state) {
    static const char *const lines[] = {
        "",
        "[]",
        "{\"delivery\":1,\"attempt\":1}",
        "{\"delivery\":0,\"attempt\":1,\"payload\":\"\"}",
        "{\"delivery\":1,\"attempt\":0,\"payload\":\"\"}",
        "{\"delivery\":1,\"attempt\":1,\"payload\":{}}",
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        OWN(json_close)
        struct json_doc *doc = NULL;
        struct frame_event read;
        assert_true(failed_as(frame_event_read(bytes_of(lines[i]), &read, &doc), FAIL_INVALID));
    }
}

static const struct {
    const char *line;
    struct frame_answer answer; // error: as bytes
} good[] = {
    {"{\"delivery\":1,\"outcome\":\"done\"}", {.delivery = 1, .outcome = OUTCOME_DONE}},
    {" { \"outcome\" : \"failed\" , \"delivery\" : 9223372036854775807 } ",
     {.delivery = INT64_MAX, .outcome = OUTCOME_FAILED}},
    {"{\"delivery\":2,\"attempt\":3,\"outcome\":\"not_yet\",\"retry_after\":30,"
     "\"error\":\"so\\n\"}",
     {2, 3, OUTCOME_NOT_YET, 30000, BYTES_INIT("so\n")}},
    {"{\"delivery\":2,\"outcome\":\"failed\",\"retry_after\":9223372036854775807}",
     {.delivery = 2, .outcome = OUTCOME_FAILED, .retry_after_ms = RETRY_AFTER_MAX_MS}},
    {"{\"delivery\":2,\"outcome\":\"done\",\"attempt\":null,\"retry_after\":null,\"error\":null}",
     {.delivery = 2, .outcome = OUTCOME_DONE}},
    {"{\"delivery\":2,\"outcome\":\"done\",\"more\":[1,{}],\"more\":2}",
     {.delivery = 2, .outcome = OUTCOME_DONE}},
};

static void answers_are_read(void **state) {
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        OWN(text_drop)
        struct text error = {0};
        struct frame_answer a;
        result r = frame_answer_read(bytes_of(good[i].line), &a, &error);
        if (r != OK)
            fail_msg("%s: %s", good[i].line, r->text);
        assert_int_equal(a.delivery, good[i].answer.delivery);
        assert_int_equal(a.attempt, good[i].answer.attempt);
        assert_int_equal(a.outcome, good[i].answer.outcome);
        assert_int_equal(a.retry_after_ms, good[i].answer.retry_after_ms);
        assert_true(bytes_equal(a.error, good[i].answer.error));
        OWN(text_drop)
        struct text written = {0}, more = {0};
        struct frame_answer b;
        frame_answer_write(&a, &written);
        assert_int_equal(bytes_find(text_bytes(&written), '\n'), written.n - 1);
        assert_null(frame_answer_read(text_bytes(&written), &b, &more));
        assert_int_equal(b.delivery, a.delivery);
        assert_int_equal(b.attempt, a.attempt);
        assert_int_equal(b.outcome, a.outcome);
        assert_int_equal(b.retry_after_ms, a.retry_after_ms);
        assert_true(bytes_equal(b.error, a.error));
    }
}

static const struct {
    const char *line, *why;
} bad[] = {
    {"", "it is no JSON"},
    {"hello", "it is no JSON"},
    {"{\"delivery\":1,\"outcome\":\"done\"", "it is no JSON"},
    {"{\"delivery\":1,\"outcome\":\"done\"}{}", "it is no JSON"},
    {"{\"delivery\":1,\"outcome\":\"done\",\"error\":\"\xff\"}", "it is no JSON"},
    {"[1]", "it is no JSON object"},
    {"\"done\"", "it is no JSON object"},
    {"{\"outcome\":\"done\"}", "`delivery` is no delivery's number"},
    {"{\"delivery\":\"1\",\"outcome\":\"done\"}", "`delivery` is no delivery's number"},
    {"{\"delivery\":0,\"outcome\":\"done\"}", "`delivery` is no delivery's number"},
    {"{\"delivery\":-1,\"outcome\":\"done\"}", "`delivery` is no delivery's number"},
    {"{\"delivery\":1.0,\"outcome\":\"done\"}", "`delivery` is no delivery's number"},
    {"{\"delivery\":99999999999999999999,\"outcome\":\"done\"}",
     "`delivery` is no delivery's number"},
    {"{\"delivery\":1,\"attempt\":4294967296,\"outcome\":\"done\"}",
     "`attempt` is no attempt's number"},
    {"{\"delivery\":1,\"attempt\":\"1\",\"outcome\":\"done\"}", "`attempt` is no attempt's number"},
    {"{\"delivery\":1,\"retry_after\":-1,\"outcome\":\"failed\"}",
     "`retry_after` is no whole number of seconds"},
    {"{\"delivery\":1,\"retry_after\":1.5,\"outcome\":\"failed\"}",
     "`retry_after` is no whole number of seconds"},
    {"{\"delivery\":1}", "`outcome` is none of \"done\", \"not_yet\" and \"failed\""},
    {"{\"delivery\":1,\"outcome\":\"Done\"}",
     "`outcome` is none of \"done\", \"not_yet\" and \"failed\""},
    {"{\"delivery\":1,\"outcome\":1}", "`outcome` is none of \"done\", \"not_yet\" and \"failed\""},
    {"{\"delivery\":1,\"outcome\":\"done\",\"outcome\":\"failed\"}", "it has a member twice"},
    {"{\"delivery\":1,\"delivery\":2,\"outcome\":\"done\"}", "it has a member twice"},
    {"{\"delivery\":1,\"outcome\":\"done\",\"error\":[]}", "`error` is no text"},
};

static void what_is_no_answer_is_refused_and_says_why(void **state) {
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        OWN(text_drop)
        struct text error = {0};
        struct frame_answer a;
        result r = frame_answer_read(bytes_of(bad[i].line), &a, &error);
        if (!failed_as(r, FAIL_INVALID) || strcmp(r->text, bad[i].why) != 0)
            fail_msg("%s: %s", bad[i].line, r == OK ? "taken" : r->text);
    }
}

static void an_answer_may_not_be_longer_than_its_cap(void **state) {
    OWN(text_drop)
    struct text line = {0}, error = {0};
    text_adds(&line, "{\"delivery\":1,\"outcome\":\"done\"}");
    while (line.n < FRAME_LINE_MAX)
        text_addc(&line, ' ');
    struct frame_answer a;
    assert_null(frame_answer_read(text_bytes(&line), &a, &error));
    text_addc(&line, ' ');
    assert_true(failed_as(frame_answer_read(text_bytes(&line), &a, &error), FAIL_INVALID));
}

static void note_line(void *ctx, bytes line, bool cut) {
    text_addf(ctx, "[%.*s%s]", BYTES_ARG(line), cut ? "..." : "");
}

static const struct {
    const char *stream, *lines; // of at most 4 bytes
} streams[] = {
    {"", ""},
    {"a\n", "[a]"},
    {"a\nb\n", "[a][b]"},
    {"a\r\nb\r\r\n", "[a][b\r]"},
    {"\n\n", "[][]"},
    {"a\nb", "[a][b]"},
    {"abcd\nx\n", "[abcd][x]"},
    {"abcd\r\nx\n", "[abcd][x]"},
    {"abcde\nx\n", "[abcd...][x]"},
    {"abcde\r\nx\n", "[abcd...][x]"},
    {"abcdef\r\nx\n", "[abcd...][x]"},
    {"abcdefghijklmnop\nx\n", "[abcd...][x]"},
    {"abcdefgh", "[abcd...]"},
    {"abcde", "[abcd...]"},
    {"x\nabcdefgh", "[x][abcd...]"},
};

static void a_stream_gives_the_same_lines_however_it_comes(void **state) {
    for (size_t i = 0; i < sizeof streams / sizeof *streams; i++) {
        bytes all = bytes_of(streams[i].stream);
        for (size_t step = 1; step <= all.n + 1; step++) {
            OWN(text_drop)
            struct text got = {0};
            struct frame_lines l = {.max = 4};
            for (size_t at = 0; at < all.n; at += step)
                frame_lines_add(&l, bytes_slice(all, at, at + step), note_line, &got);
            frame_lines_end(&l, note_line, &got);
            frame_lines_drop(&l);
            if (strcmp(text_str(&got), streams[i].lines) != 0)
                fail_msg("\"%s\" by %zu: %s", streams[i].stream, step, text_str(&got));
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_event_is_one_line_with_its_exact_bytes),
        cmocka_unit_test(an_event_without_an_account_says_null),
        cmocka_unit_test(an_event_is_read_as_it_was_written),
        cmocka_unit_test(what_is_no_event_is_refused),
        cmocka_unit_test(answers_are_read),
        cmocka_unit_test(what_is_no_answer_is_refused_and_says_why),
        cmocka_unit_test(an_answer_may_not_be_longer_than_its_cap),
        cmocka_unit_test(a_stream_gives_the_same_lines_however_it_comes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
