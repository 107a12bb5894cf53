// SPDX-License-Identifier: MIT
// What Stripe's API is asked about events, how it refuses, and how it shows an event.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/json.h"
#include "stripe/event_query.h"
#include "stripe/event_shown.h"
#include "stripe/form.h"

static bool read_query(const char *form, struct json_doc **doc, struct event_query *q,
                       struct api_refusal *why) {
    OWN(text_drop)
    struct text json_text = {0};
    OWN(text_drop)
    struct text form_why = {0};
    if (form_read(bytes_of(form), &json_text, &form_why) != OK)
        fail_msg("%s: %s", form, text_str(&form_why));
    assert_null(json_parse(text_bytes(&json_text), doc));
    return event_query_read(json_root(*doc), q, why);
}

// Written as one line, to be compared.
static void say(const struct event_query *q, struct text *out) {
    for (size_t i = 0; i < q->type_count; i++)
        text_addf(out, "%.*s ", BYTES_ARG(q->types[i]));
    if (q->created_min != INT64_MIN)
        text_addf(out, "from %lld ", (long long)q->created_min);
    if (q->created_max != INT64_MAX)
        text_addf(out, "to %lld ", (long long)q->created_max);
    if (q->delivered != DELIVERED_OR_NOT)
        text_addf(out, "%s ", q->delivered == DELIVERED ? "delivered" : "undelivered");
    text_addf(out, "%zu", q->limit);
    if (q->after.n > 0)
        text_addf(out, " after %.*s", BYTES_ARG(q->after));
    if (q->before.n > 0)
        text_addf(out, " before %.*s", BYTES_ARG(q->before));
}

static void what_is_asked_is_read(void **state) {
    static const char *const rows[][2] = {
        {"", "10"},
        {"limit=1", "1"},
        {"limit=100&expand[]=data.account", "100"},
        {"type=charge.refunded", "charge.refunded 10"},
        {"type=charge.*", "charge.* 10"},
        {"type=%2A", "* 10"},
        {"types[]=a.b&types[]=c.d", "a.b c.d 10"},
        {"types%5B0%5D=a.b&types%5B1%5D=c.%2A", "a.b c.* 10"},
        {"created=7", "from 7 to 7 10"},
        {"created[gt]=7&created[lt]=9", "from 8 to 8 10"},
        {"created[gte]=7&created[lte]=9", "from 7 to 9 10"},
        {"created%5Bgte%5D=-1", "from -1 10"},
        {"created[gte]=9&created[gt]=20", "from 21 10"},
        {"created[lte]=9&created[lt]=5", "to 4 10"},
        {"created[gt]=9223372036854775807", "from 9223372036854775807 to -9223372036854775808 10"},
        {"created[lt]=-9223372036854775808", "from 9223372036854775807 to -9223372036854775808 10"},
        {"delivery_success=true", "delivered 10"},
        {"delivery_success=false", "undelivered 10"},
        {"starting_after=evt_1", "10 after evt_1"},
        {"ending_before=evt_1&limit=3", "3 before evt_1"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        OWN(json_close)
        struct json_doc *doc = NULL;
        OWN(api_refusal_drop)
        struct api_refusal why = {0};
        OWN(text_drop)
        struct text said = {0};
        struct event_query q;
        if (!read_query(rows[i][0], &doc, &q, &why))
            fail_msg("%s: %s", rows[i][0], text_str(&why.message));
        say(&q, &said);
        assert_string_equal(text_str(&said), rows[i][1]);
    }
}

static void what_is_wrong_is_refused(void **state) {
    static const struct {
        const char *form;
        enum api_error error;
        const char *param, *says;
    } rows[] = {
        {"limt=1", API_ERROR_PARAMETER_UNKNOWN, "limt", "unknown"},
        {"%1b%5b2J=1", API_ERROR_PARAMETER_UNKNOWN, "\\x1b[2J", NULL},
        {"limit=0", API_ERROR_PARAMETER_INTEGER, "limit", "`0`; 1 to 100"},
        {"limit=101", API_ERROR_PARAMETER_INTEGER, "limit", "1 to 100"},
        {"limit=-1", API_ERROR_PARAMETER_INTEGER, "limit", "1 to 100"},
        {"limit=1e1", API_ERROR_PARAMETER_INTEGER, "limit", "an integer"},
        {"limit=18446744073709551617", API_ERROR_PARAMETER_INTEGER, "limit", "an integer"},
        {"limit=", API_ERROR_PARAMETER_EMPTY, "limit", "empty"},
        {"limit[]=1", API_ERROR_INVALID, "limit", "brackets"},
        {"limit[x]=1", API_ERROR_INVALID, "limit", "brackets"},
        {"type=", API_ERROR_PARAMETER_EMPTY, "type", "empty"},
        {"type[]=a", API_ERROR_PARAMETER_EMPTY, "type", "brackets"},
        {"type=a&types[]=b", API_ERROR_PARAMETERS_EXCLUSIVE, "type", "do not go together"},
        {"type=*a*", API_ERROR_INVALID, "type", "one *"},
        {"type=a?", API_ERROR_INVALID, "type", "one *"},
        {"type=%5Ba-z%5D*", API_ERROR_INVALID, "type", "one *"},
        {"types=a", API_ERROR_INVALID, "types", "at most 20"},
        {"types[x]=a", API_ERROR_INVALID, "types", "at most 20"},
        {"types[]=", API_ERROR_PARAMETER_EMPTY, "types", "empty"},
        {"types[0][a]=b", API_ERROR_PARAMETER_EMPTY, "types", "brackets"},
        {"types[]=1&types[]=2&types[]=3&types[]=4&types[]=5&types[]=6&types[]=7&types[]=8&"
         "types[]=9&types[]=10&types[]=11&types[]=12&types[]=13&types[]=14&types[]=15&types[]=16&"
         "types[]=17&types[]=18&types[]=19&types[]=20&types[]=21",
         API_ERROR_INVALID, "types", "at most 20"},
        {"created=", API_ERROR_PARAMETER_INTEGER, "created", "an integer"},
        {"created=yesterday", API_ERROR_PARAMETER_INTEGER, "created", "yesterday"},
        {"created[]=1", API_ERROR_INVALID, "created", "brackets"},
        {"created[eq]=1", API_ERROR_PARAMETER_UNKNOWN, "created", "gt, gte"},
        {"created[gt]=x", API_ERROR_PARAMETER_INTEGER, "created[gt]", "an integer"},
        {"created[gt][lt]=1", API_ERROR_PARAMETER_INTEGER, "created[gt]", "an integer"},
        {"delivery_success=yes", API_ERROR_INVALID, "delivery_success", "true or false"},
        {"starting_after=a&ending_before=b", API_ERROR_PARAMETERS_EXCLUSIVE, "starting_after",
         "give one"},
        {"starting_after=", API_ERROR_PARAMETER_EMPTY, "starting_after", "empty"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        OWN(json_close)
        struct json_doc *doc = NULL;
        OWN(api_refusal_drop)
        struct api_refusal why = {0};
        struct event_query q;
        if (strcmp(rows[i].form, "%1b%5b2J=1") == 0) { // a bracket that is open: no form at all
            assert_null(json_parse(B("{\"\\u001b[2J\":\"1\"}"), &doc));
            assert_false(event_query_read(json_root(doc), &q, &why));
        } else if (read_query(rows[i].form, &doc, &q, &why)) {
            fail_msg("%s was taken", rows[i].form);
        }
        if (why.error != rows[i].error)
            fail_msg("%s: %d: %s", rows[i].form, why.error, text_str(&why.message));
        assert_string_equal(text_str(&why.param), rows[i].param);
        if (rows[i].says != NULL && strstr(text_str(&why.message), rows[i].says) == NULL)
            fail_msg("%s: %s", rows[i].form, text_str(&why.message));
    }
}

static void errors_have_stripes_envelope(void **state) {
    OWN(text_drop)
    struct text out = {0};
    api_error_write(API_ERROR_MISSING, B("id"), B("No such \"x\""), &out);
    assert_string_equal(text_str(&out),
                        "{\"error\":{\"code\":\"resource_missing\",\"message\":\"No such "
                        "\\\"x\\\"\",\"param\":\"id\",\"type\":\"invalid_request_error\"}}");
    text_reset(&out);
    api_error_write_status(503, B("later"), &out);
    assert_string_equal(text_str(&out),
                        "{\"error\":{\"message\":\"later\",\"type\":\"api_error\"}}");
    for (enum api_error e = 0; e < API_ERRORS; e++)
        assert_true(api_error_status(e) >= 400 && api_error_status(e) < 600);
}

static void an_event_is_shown_with_our_count(void **state) {
    static const char *const rows[][2] = {
        {"{\"id\":\"a\",\"pending_webhooks\":2}", "{\"id\":\"a\",\"pending_webhooks\":7}"},
        {" {\n  \"pending_webhooks\" : 2 ,\n  \"id\": \"a\"\n}\n",
         " {\n  \"pending_webhooks\" : 7 ,\n  \"id\": \"a\"\n}\n"},
        {"{\"id\":\"a\"}", "{\"pending_webhooks\":7,\"id\":\"a\"}"},
        // Whatever stands there, and as often as it does.
        {"{\"pending_webhooks\":{\"a\":[1,\"}\"]},\"b\":[{}],\"pending_webhooks\":\"\\\"\"}",
         "{\"pending_webhooks\":7,\"b\":[{}],\"pending_webhooks\":7}"},
        {"{\"pending\\u005fwebhooks\":null}", "{\"pending\\u005fwebhooks\":7}"},
        // Its own, not what its object has.
        {"{\"data\":{\"pending_webhooks\":1},\"s\":\"\\\\\",\"t\":\"pending_webhooks\"}",
         "{\"pending_webhooks\":7,\"data\":{\"pending_webhooks\":1},\"s\":\"\\\\\",\"t\":"
         "\"pending_webhooks\"}"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        OWN(text_drop)
        struct text out = {0};
        assert_null(event_show(bytes_of(rows[i][0]), 7, &out));
        assert_string_equal(text_str(&out), rows[i][1]);
    }
    static const char *const bad[] = {
        "", "[]", "{\"a\"", "{\"a\":", "{\"a\":1", "{\"a\":\"", "{\"a"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        OWN(text_drop)
        struct text out = {0};
        if (!failed_as(event_show(bytes_of(bad[i]), 7, &out), FAIL_INVALID))
            fail_msg("%s", bad[i]);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_asked_is_read),
        cmocka_unit_test(what_is_wrong_is_refused),
        cmocka_unit_test(errors_have_stripes_envelope),
        cmocka_unit_test(an_event_is_shown_with_our_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
