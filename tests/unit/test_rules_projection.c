// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "rules/projection.h"
#include "stripe/sample.h"
#include "stripe/types.h"

#define COUNT(a_) (sizeof(a_) / sizeof((a_)[0]))

static struct arena arena;
static struct event event;
static struct projection read;

static int prepare(void **state) {
    arena_init(&arena, 1 << 20);
    return 0;
}

static int clean(void **state) {
    event_drop(&event);
    arena_drop(&arena);
    return 0;
}

static void parse(bytes body) {
    OWN(text_drop)
    struct text why = {0};
    event_drop(&event);
    arena_reset(&arena);
    if (event_parse(body, &event, &why) != OK)
        fail_msg("no event: %s: %.*s", text_str(&why), BYTES_ARG(body));
}

static void read_object(const char *type, const char *object, const char *except) {
    OWN(text_drop)
    struct text body = {0};
    bytes excepted = bytes_of(except);
    text_addf(&body,
              "{\"id\":\"evt_1\",\"object\":\"event\",\"type\":\"%s\",\"created\":7,"
              "\"livemode\":false,\"data\":{\"object\":%s,\"previous_attributes\":"
              "{\"x\":{\"id\":\"cus_before\",\"object\":\"customer\"}}}}",
              type, object);
    for (size_t i = 0; i < body.n; i++) // ' stands for "
        if (body.p[i] == '\'')
            body.p[i] = '"';
    parse(text_bytes(&body));
    assert_null(projection_read(&event, &excepted, except != NULL, &arena, &read));
}

// "customers cus_1 changed deleted incomplete, …": the own one with its kind, the others without.
static void shown_objects(struct text *out) {
    static const char *const kinds[] = {"", " created", " changed", " deletion"};
    for (size_t i = 0; i < read.count; i++) {
        const struct projected *p = &read.objects[i];
        text_addf(out, "%s%s %.*s%s%s%s", i > 0 ? ", " : "", p->table->name, BYTES_ARG(p->id),
                  kinds[p->kind], p->deleted ? " deleted" : "", p->incomplete ? " incomplete" : "");
    }
}

static const struct {
    const char *about, *type, *object, *except, *shown;
    bool own;
} cases[] = {
    {"an object", "customer.created", "{'id':'cus_1','object':'customer'}", NULL,
     "customers cus_1 created", true},
    {"a change", "invoice.paid", "{'id':'in_1','object':'invoice'}", NULL, "invoices in_1 changed",
     true},
    {"a deletion drops", "product.deleted", "{'id':'prod_1','object':'product'}", NULL,
     "products prod_1 deletion deleted", true},
    {"but not a subscription", "customer.subscription.deleted",
     "{'id':'sub_1','object':'subscription'}", NULL, "subscriptions sub_1 deletion", true},
    {"an object that says that it is deleted", "customer.updated",
     "{'id':'cus_1','object':'customer','deleted':true}", NULL, "customers cus_1 changed deleted",
     true},
    {"no deletion unless it says true", "customer.updated",
     "{'id':'cus_1','object':'customer','deleted':'true'}", NULL, "customers cus_1 changed", true},
    {"a question comes before the creation", "issuing_authorization.request",
     "{'id':'iauth_1','object':'issuing.authorization'}", NULL, "issuing_authorizations iauth_1",
     true},
    {"a type without a table", "order.created", "{'id':'or_1','object':'order'}", NULL,
     "objects or_1 created", true},
    {"no type", "order.created", "{'id':'or_1'}", NULL, "objects or_1 created", true},
    {"an id that is another's", "cash_balance.funds_available",
     "{'object':'cash_balance','customer':'cus_1'}", NULL, "cash_balances cus_1 changed", true},
    {"no id", "balance.available", "{'object':'balance','available':[]}", NULL, "", false},
    {"an empty id", "customer.created", "{'id':'','object':'customer'}", NULL, "", false},
    {"an id that is no text", "customer.created", "{'id':7,'object':'customer'}", NULL, "", false},
    {"an array", "customer.created", "[{'id':'cus_1','object':'customer'}]", NULL,
     "customers cus_1", false},
    {"a preview", "invoice.upcoming",
     "{'id':'upcoming_in_1','object':'invoice','discount':{'id':'di_1','object':'discount'}}", NULL,
     "discounts di_1", false},
    {"no object at all", "customer.created", "null", NULL, "", false},

    {"an expanded customer", "invoice.paid",
     "{'id':'in_1','object':'invoice','customer':{'id':'cus_1','object':'customer'}}", NULL,
     "invoices in_1 changed, customers cus_1", true},
    {"a stub of what was deleted", "invoice.paid",
     "{'id':'in_1','object':'invoice','customer':{'id':'cus_1','object':'customer',"
     "'deleted':true}}",
     NULL, "invoices in_1 changed, customers cus_1 deleted", true},
    {"deep, and in arrays", "invoice.paid",
     "{'id':'in_1','object':'invoice','a':[[{'b':{'id':'cus_1','object':'customer',"
     "'c':[{'id':'card_1','object':'card'}]}}]]}",
     NULL, "invoices in_1 changed, customers cus_1, cards card_1", true},
    {"an embedded type without a table", "invoice.paid",
     "{'id':'in_1','object':'invoice','a':{'id':'or_1','object':'order'},'b':{'id':'x'},"
     "'c':{'object':'customer'},'d':{'id':[],'object':'customer'},'e':'customer'}",
     NULL, "invoices in_1 changed", true},
    {"inside of what has no id", "billing.alert.triggered",
     "{'object':'billing.alert_triggered','alert':{'id':'alrt_1','object':'billing.alert'}}", NULL,
     "billing_alerts alrt_1", false},
    {"a list without a table", "customer.updated",
     "{'id':'cus_1','object':'customer','sources':{'object':'list','data':["
     "{'id':'card_1','object':'card'},{'id':'ba_1','object':'bank_account'}]}}",
     NULL, "customers cus_1 changed, cards card_1, bank_accounts ba_1", true},
    {"members of a list with a table, and what is in them", "customer.subscription.updated",
     "{'id':'sub_1','object':'subscription','items':{'object':'list','data':["
     "{'id':'si_1','object':'subscription_item','price':{'id':'price_1','object':'price'}}]}}",
     NULL, "subscriptions sub_1 changed, prices price_1", true},
    {"the same twice", "customer.subscription.updated",
     "{'id':'sub_1','object':'subscription','items':{'data':["
     "{'object':'subscription_item','price':{'id':'p_1','object':'price','n':1}},"
     "{'object':'subscription_item','price':{'id':'p_1','object':'price','n':2}}]},"
     "'plan':{'id':'p_1','object':'plan'},'a':{'id':'sub_1','object':'subscription'}}",
     NULL, "subscriptions sub_1 changed, prices p_1, plans p_1", true},
    {"what people wrote", "customer.updated",
     "{'id':'cus_1','object':'customer','metadata':{'id':'cus_2','object':'customer',"
     "'x':{'id':'cus_3','object':'customer','has_more':true}}}",
     NULL, "customers cus_1 changed", true},

    {"somebody else's", "product.updated",
     "{'id':'prod_1','object':'product','default_price':{'id':'price_1','object':'price'}}",
     "product", "prices price_1", false},
    {"somebody else's embedded", "price.updated",
     "{'id':'price_1','object':'price','product':{'id':'prod_1','object':'product',"
     "'tax_code':{'id':'txcd_1','object':'tax_code'}}}",
     "product", "prices price_1 changed, tax_codes txcd_1", true},
    {"somebody else's, without a table", "order.created", "{'id':'or_1','object':'order'}", "order",
     "", false},

    {"a list cut short", "customer.subscription.updated",
     "{'id':'sub_1','object':'subscription','items':{'data':[],'has_more':true}}", NULL,
     "subscriptions sub_1 changed incomplete", true},
    {"a list that is whole", "customer.subscription.updated",
     "{'id':'sub_1','object':'subscription','items':{'data':[],'has_more':false}}", NULL,
     "subscriptions sub_1 changed", true},
    {"only around it", "customer.updated",
     "{'id':'cus_1','object':'customer','subscriptions':{'data':[{'id':'sub_1',"
     "'object':'subscription','items':{'data':[],'has_more':true}},"
     "{'id':'sub_2','object':'subscription'}]}}",
     NULL,
     "customers cus_1 changed incomplete, subscriptions sub_1 incomplete, subscriptions sub_2",
     true},
};

static void test_cases(void **state) {
    for (size_t i = 0; i < COUNT(cases); i++) {
        OWN(text_drop)
        struct text shown = {0};
        read_object(cases[i].type, cases[i].object, cases[i].except);
        shown_objects(&shown);
        if (strcmp(text_str(&shown), cases[i].shown) != 0 || read.own != cases[i].own)
            fail_msg("%s: %s", cases[i].about, text_str(&shown));
        assert_false(read.cut);
        for (size_t k = 0; k < read.count; k++)
            assert_true(bytes_equal(read.objects[k].id,
                                    object_id(read.objects[k].table, read.objects[k].data)));
        assert_int_equal(projection_incomplete(json_path(json_root(event.doc), B("data.object"))),
                         strstr(cases[i].shown, "incomplete") != NULL);
    }
}

static void test_first_of_two_counts(void **state) {
    read_object("invoice.paid",
                "{'id':'in_1','object':'invoice','a':{'id':'c','object':'customer','n':1},"
                "'b':{'id':'c','object':'customer','n':2}}",
                NULL);
    assert_int_equal(read.count, 2);
    assert_true(json_equals_text(json_get(read.objects[1].data, "n"), B("1")));
}

static void test_thin_events(void **state) {
    parse(B("{\"id\":\"evt_1\",\"object\":\"v2.core.event\",\"type\":\"v1.customer.created\","
            "\"created\":\"2026-11-23T10:00:00Z\",\"livemode\":true,\"related_object\":"
            "{\"id\":\"cus_1\",\"type\":\"customer\"},\"data\":{\"object\":{\"id\":\"cus_1\","
            "\"object\":\"customer\"}}}"));
    assert_null(projection_read(&event, NULL, 0, &arena, &read));
    assert_int_equal(read.count, 0);
    assert_false(read.own || read.cut);
}

// An invoice with that many customers in an array.
static void read_many(size_t customers) {
    OWN(text_drop)
    struct text object = {0};
    text_adds(&object, "{'id':'in_1','object':'invoice','all':[");
    for (size_t i = 0; i < customers; i++)
        text_addf(&object, "%s{'id':'cus_%zu','object':'customer'}", i > 0 ? "," : "", i);
    text_adds(&object, "],'has_more':true}");
    read_object("invoice.paid", text_str(&object), NULL);
}

static void test_at_most_so_many(void **state) {
    read_many(PROJECTION_OBJECTS_MAX - 1);
    assert_int_equal(read.count, PROJECTION_OBJECTS_MAX);
    assert_false(read.cut);
    for (size_t i = 1; i < read.count; i++) {
        char id[32];
        snprintf(id, sizeof id, "cus_%zu", i - 1);
        assert_true(bytes_equal(read.objects[i].id, bytes_of(id)));
    }
    read_many(PROJECTION_OBJECTS_MAX);
    assert_int_equal(read.count, PROJECTION_OBJECTS_MAX);
    assert_true(read.cut && read.own);
    assert_true(read.objects[0].incomplete); // what stands behind is still looked at
}

static void test_long_ids(void **state) {
    OWN(text_drop)
    struct text object = {0};
    text_addf(&object, "{'id':'%0256d','object':'customer','a':{'id':'%0255d','object':'card'}}", 0,
              0);
    read_object("customer.updated", text_str(&object), NULL);
    assert_int_equal(read.count, 1);
    assert_false(read.own);
    assert_int_equal(read.objects[0].id.n, 255);
}

static void test_deepest(void **state) {
    OWN(text_drop)
    struct text object = {0};
    text_adds(&object, "{'id':'in_1','object':'invoice','x':");
    for (int i = 0; i < 123; i++)
        text_addc(&object, '[');
    text_adds(&object, "{'id':'cus_1','object':'customer','has_more':true}");
    for (int i = 0; i < 123; i++)
        text_addc(&object, ']');
    text_addc(&object, '}');
    read_object("invoice.paid", text_str(&object), NULL);
    assert_int_equal(read.count, 2);
    assert_true(read.objects[0].incomplete && read.objects[1].incomplete);
}

static void test_memory(void **state) {
    struct arena small;
    read_many(1);
    arena_init(&small, 16);
    assert_true(failed_as(projection_read(&event, NULL, 0, &small, &read), FAIL_MEMORY));
    arena_drop(&small);
}

// Each sample is about an object with a row, but for the types that have none.
static void test_samples(void **state) {
    static const char *const without[] = {"balance", "balance_settings", "billing.alert_triggered",
                                          "tax.settings"};
    for (size_t i = 0; i < sample_count; i++) {
        OWN(text_drop)
        struct text body = {0}, why = {0};
        const struct sample_options o = {.now_s = 1795723000, .seed = 7};
        bool own = strcmp(samples[i].type, "invoice.upcoming") != 0; // a preview
        for (size_t k = 0; k < COUNT(without); k++)
            own &= strcmp(samples[i].kind, without[k]) != 0;
        assert_null(sample_make(&samples[i], &o, &body, &why));
        parse(text_bytes(&body));
        assert_null(projection_read(&event, NULL, 0, &arena, &read));
        if (read.own != own)
            fail_msg("%s: %s", samples[i].type, own ? "no row" : "a row");
        for (size_t k = 0; k < read.count; k++) {
            assert_true(strcmp(read.objects[k].table->name, "objects") != 0);
            assert_true(k == 0 || !own || read.objects[k].kind == VERSION_EMBEDDED);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),       cmocka_unit_test(test_first_of_two_counts),
        cmocka_unit_test(test_thin_events), cmocka_unit_test(test_at_most_so_many),
        cmocka_unit_test(test_long_ids),    cmocka_unit_test(test_deepest),
        cmocka_unit_test(test_memory),      cmocka_unit_test(test_samples),
    };
    return cmocka_run_group_tests(tests, prepare, clean);
}
