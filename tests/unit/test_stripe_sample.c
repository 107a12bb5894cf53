// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "stripe/event.h"
#include "stripe/sample.h"
#include "stripe/sample_print.h"
#include "stripe/types.h"

#define NOW 1795723000

static struct text body, why;

static result make_with(const char *type, const struct sample_options *o) {
    text_reset(&body);
    text_reset(&why);
    const struct sample *s = sample_find(bytes_of(type));
    assert_non_null(s);
    return sample_make(s, o, &body, &why);
}

static void make(const char *type, const char *account, bool livemode, struct event *e) {
    const struct sample_options o = {
        .now_s = NOW, .seed = 7, .livemode = livemode, .account = bytes_of(account)};
    assert_true(make_with(type, &o) == OK);
    assert_true(event_parse(text_bytes(&body), e, &why) == OK);
}

static bool one_of(bytes name, const char *list) {
    bytes rest = bytes_of(list);
    while (rest.n > 0)
        if (bytes_equal(bytes_cut(&rest, '|'), name))
            return true;
    return false;
}

// Every `livemode` at whatever depth.
static void check_livemode(json v, bool livemode) {
    bytes key;
    json member;
    for (size_t at = 0; json_member(v, &at, &key, &member);) {
        if (bytes_equal(key, B("livemode")))
            assert_int_equal(json_true(member), livemode);
        check_livemode(member, livemode);
    }
    for (size_t at = 0; json_element(v, &at, &member);)
        check_livemode(member, livemode);
}

// What changed is there, and was something else before.
static void check_previous(json object, json previous) {
    bytes key;
    json before;
    assert_true(json_size(previous) > 0);
    for (size_t at = 0; json_member(previous, &at, &key, &before);) {
        OWN(text_drop)
        struct text was = {0}, is = {0};
        json now = json_getb(object, key);
        json_write(before, &was);
        json_write(now, &is);
        if (json_type(now) == JSON_ABSENT || strcmp(text_str(&was), text_str(&is)) == 0)
            fail_msg("%.*s: was %s, is %s", BYTES_ARG(key), text_str(&was), text_str(&is));
        if (json_type(before) == JSON_OBJECT && json_type(now) == JSON_OBJECT)
            check_previous(now, before);
    }
}

static void check_type(const struct event_type *type, const char *account, bool livemode) {
    OWN(event_drop)
    struct event e = {0};
    make(type->name, account, livemode, &e);
    json whole = json_root(e.doc), data = json_get(whole, "data");
    json object = json_get(data, "object"), previous = json_get(data, "previous_attributes");
    assert_true(bytes_equal(e.type, bytes_of(type->name)));
    assert_true(one_of(e.object_type, type->object));
    assert_true(bytes_equal(e.account, bytes_of(account)));
    assert_true(bytes_equal(e.api_version, B(SAMPLE_API_VERSION)));
    assert_true(bytes_starts(e.id, B("evt_1")) && e.id.n == 28);
    assert_int_equal(e.created, NOW);
    assert_int_equal(e.livemode, livemode);
    assert_int_equal(json_type(json_path(whole, B("request.id"))),
                     sample_find(e.type)->asked ? JSON_STRING : JSON_NULL);
    if (strcmp(type->object, "test_helpers.test_clock") != 0) // of test mode alone
        check_livemode(whole, livemode);
    if (json_type(previous) != JSON_ABSENT)
        check_previous(object, previous);
    assert_true(!bytes_ends(e.type, B(".updated")) || json_type(previous) == JSON_OBJECT);
    assert_true(bytes_search(text_bytes(&body), B("<")) == body.n);
    assert_true(bytes_search(text_bytes(&body), B("&")) == body.n);
}

static void test_all_types(void **state) {
    assert_int_equal(sample_count, event_type_count);
    for (size_t i = 0; i < event_type_count; i++) {
        check_type(&event_types[i], "", false);
        check_type(&event_types[i], "acct_1Harbor", true);
    }
}

static bytes at(const struct event *e, const char *path) {
    json v = json_path(json_root(e->doc), bytes_of(path));
    return json_type(v) == JSON_STRING ? json_string(v) : json_number(v);
}

static void test_states(void **state) {
    static const char *const rows[][3] = {
        {"charge.failed", "data.object.failure_code", "card_declined"},
        {"charge.failed", "data.object.status", "failed"},
        {"customer.subscription.deleted", "data.object.status", "canceled"},
        {"customer.subscription.trial_will_end", "data.object.status", "trialing"},
        {"invoice.paid", "data.object.status", "paid"},
        {"invoice.paid", "data.object.amount_remaining", "0"},
        {"invoice.payment_failed", "data.object.status", "open"},
        {"payment_intent.payment_failed", "data.object.last_payment_error.code", "card_declined"},
        {"payment_intent.succeeded", "data.object.amount_received", "4800"},
        {"charge.dispute.closed", "data.object.status", "lost"},
        {"payout.failed", "data.object.failure_code", "account_closed"},
        {"topup.failed", "data.object.status", "failed"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        OWN(event_drop)
        struct event e = {0};
        make(rows[i][0], "", false, &e);
        assert_true(bytes_equal(at(&e, rows[i][1]), bytes_of(rows[i][2])));
    }
}

static void test_references(void **state) {
    OWN(event_drop)
    struct event invoice = {0}, other = {0};
    make("invoice.paid", "", false, &invoice);
    assert_true(bytes_equal(at(&invoice, "data.object.id"),
                            at(&invoice, "data.object.lines.data.0.invoice")));
    const char *path = "data.object.parent.subscription_details.subscription";
    assert_true(bytes_starts(at(&invoice, path), B("sub_1")));
    assert_true(
        bytes_equal(at(&invoice, path), at(&invoice, "data.object.lines.data.0.parent."
                                                     "subscription_item_details.subscription")));
    const struct sample_options o = {.now_s = NOW, .seed = 8};
    assert_true(make_with("invoice.paid", &o) == OK);
    assert_true(event_parse(text_bytes(&body), &other, NULL) == OK);
    assert_false(bytes_equal(invoice.id, other.id));
    assert_false(bytes_equal(invoice.object_id, other.object_id));
    event_drop(&other);
    make("account.updated", "acct_1Harbor", false, &other);
    assert_true(bytes_equal(other.object_id, B("acct_1Harbor")));
}

static void test_sets(void **state) {
    static const char *const sets[] = {
        "amount=650",
        "metadata.site=eu",
        "metadata.note=a=b & <now>",
        "name=\"12\"",
        "shipping.address.city=null",
        "new.deep.key=[]",
        "data.object.metadata.long=way",
        ".request.id=null",
        ".id=evt_mine",
    };
    const struct sample_options o = {
        .now_s = NOW, .seed = 1, .sets = sets, .set_count = sizeof sets / sizeof *sets};
    OWN(event_drop)
    struct event e = {0};
    assert_true(make_with("charge.succeeded", &o) == OK);
    assert_true(event_parse(text_bytes(&body), &e, NULL) == OK);
    assert_true(bytes_equal(at(&e, "data.object.amount"), B("650")));
    assert_true(bytes_equal(at(&e, "data.object.metadata.site"), B("eu")));
    assert_true(bytes_equal(at(&e, "data.object.metadata.long"), B("way")));
    assert_true(bytes_equal(at(&e, "data.object.metadata.note"), B("a=b & <now>")));
    assert_true(bytes_equal(at(&e, "data.object.metadata.order"), B("1042")));
    assert_true(bytes_equal(at(&e, "data.object.name"), B("12")));
    assert_int_equal(
        JSON_NULL, json_type(json_path(json_root(e.doc), B("data.object.shipping.address.city"))));
    assert_int_equal(JSON_ARRAY,
                     json_type(json_path(json_root(e.doc), B("data.object.new.deep.key"))));
    assert_true(bytes_equal(e.id, B("evt_mine")));
    assert_int_equal(0, e.request_id.n);
    assert_true(bytes_search(text_bytes(&body), B("a=b \\u0026 <now>")) < body.n);
}

static void test_refused(void **state) {
    static const char *const rows[][2] = {
        {"amount", "`amount` sets nothing; expected PATH=VALUE"},
        {"=3", "`=3` sets nothing; expected PATH=VALUE"},
        {"amount.x=3", "`amount.x` cannot be set: `amount`: it is neither an object nor an array"},
        {"lines..x=3", "`lines..x` cannot be set: `lines`: a step of the path is empty"},
        {".request.id.x=3",
         "`request.id.x` cannot be set: `request.id`: it is neither an object nor an array"},
        {"refunds.data.5=3", NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct sample_options o = {.sets = rows[i], .set_count = 1};
        result made = make_with("charge.succeeded", &o);
        if (rows[i][1] == NULL) {
            assert_true(made == OK); // refunds was null
            continue;
        }
        assert_true(failed_as(made, FAIL_INVALID));
        assert_string_equal(text_str(&why), rows[i][1]);
    }
    static const char *const accounts[] = {"acct_", "acme", "acct_1\"", "acct_1 2", "acct_<now>"};
    for (size_t i = 0; i < sizeof accounts / sizeof *accounts; i++) {
        const struct sample_options o = {.account = bytes_of(accounts[i])};
        assert_true(failed_as(make_with("charge.succeeded", &o), FAIL_INVALID));
        assert_true(why.n > 0);
    }
    assert_null(sample_find(B("charge.succeede")));
    assert_null(sample_find(NO_BYTES));
}

static void test_layout(void **state) {
    OWN(json_close)
    struct json_doc *doc = NULL;
    OWN(text_drop)
    struct text out = {0};
    assert_true(json_parse(B("{\"b\":[1,[]],\"object\":\"x\",\"a\":{},\"id\":\"\\u0026\\u00e9\\n\","
                             "\"c\":[{\"z\":null,\"id\":1.50}]}"),
                           &doc) == OK);
    sample_print(json_root(doc), &out);
    assert_string_equal(text_str(&out), "{\n"
                                        "  \"id\": \"\\u0026é\\n\",\n"
                                        "  \"object\": \"x\",\n"
                                        "  \"a\": {\n"
                                        "  },\n"
                                        "  \"b\": [\n"
                                        "    1,\n"
                                        "    [\n"
                                        "\n"
                                        "    ]\n"
                                        "  ],\n"
                                        "  \"c\": [\n"
                                        "    {\n"
                                        "      \"id\": 1.50,\n"
                                        "      \"z\": null\n"
                                        "    }\n"
                                        "  ]\n"
                                        "}");
}

static int drop(void **state) {
    text_drop(&body);
    text_drop(&why);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_types),  cmocka_unit_test(test_states),
        cmocka_unit_test(test_references), cmocka_unit_test(test_sets),
        cmocka_unit_test(test_refused),    cmocka_unit_test(test_layout),
    };
    return cmocka_run_group_tests(tests, NULL, drop);
}
