// SPDX-License-Identifier: MIT
#include "twin_house.h"

static void makes_and_changes(void **state) {
    struct twin_house h;
    house_open(&h);
    assert_int_equal(house_ask(&h, "POST /v1/customers", "name=Ada&metadata[a]=1&metadata[b]=2"),
                     200);
    char id[64];
    snprintf(id, sizeof id, "POST /v1/customers/%s", house_text(&h, "id"));
    assert_true(bytes_starts(bytes_of(house_text(&h, "id")), B("cus_")));
    assert_string_equal(house_text(&h, "name"), "Ada");
    assert_string_equal(house_text(&h, "created"), "1790000000");
    assert_string_equal(house_text(&h, "livemode"), "false");
    house_events(&h, "customer.created ");
    assert_string_equal(house_told(&h, "request.id"), "req_1");
    assert_string_equal(house_told(&h, "api_version"), "2026-10-28.endive");
    assert_string_equal(house_told(&h, "data.previous_attributes"), "");
    assert_string_equal(house_told(&h, "pending_webhooks"), "1");
    assert_int_equal(house_ask(&h, id, "email=a@b.example&metadata[b]=&metadata[c]=3"), 200);
    house_events(&h, "customer.updated ");
    assert_string_equal(house_told(&h, "data.previous_attributes"),
                        "{\"email\":null,\"metadata\":{\"b\":\"2\",\"c\":null}}");
    assert_string_equal(house_told(&h, "data.object.metadata"), "{\"a\":\"1\",\"c\":\"3\"}");
    // What changes nothing says nothing.
    assert_int_equal(house_ask(&h, id, "email=a@b.example"), 200);
    house_events(&h, "");
    assert_int_equal(house_ask(&h, id, "metadata=&name="), 200);
    assert_string_equal(house_text(&h, "metadata"), "{}");
    assert_string_equal(house_text(&h, "name"), "null");
    house_events(&h, "customer.updated ");
    memcpy(id, "GET ", 4);
    memmove(id + 3, id + 4, strlen(id + 4) + 1);
    assert_int_equal(house_ask(&h, id, ""), 200);
    house_close(&h);
}

static void refuses(void **state) {
    static const struct {
        const char *what, *form;
        int status;
        const char *code, *param, *message;
    } cases[] = {
        {"POST /v1/prices", "unit_amount=5&currency=usd", 400, "parameter_missing", "product",
         "Missing required param: product."},
        {"POST /v1/prices", "unit_amount=x&currency=usd&product=prod_1", 400, "resource_missing",
         "product", "No such product: 'prod_1'"},
        {"POST /v1/customers", "nmae=x", 400, "parameter_unknown", "nmae",
         "Received unknown parameter: nmae. Did you mean name?"},
        {"POST /v1/customers", "invoice_settings[x]=x", 400, "parameter_unknown",
         "invoice_settings[x]", NULL},
        {"POST /v1/customers", "address[x]=x", 400, "parameter_unknown", "address[x]", NULL},
        {"POST /v1/customers", "address=x", 400, "", "address", NULL},
        {"POST /v1/customers", "balance=1.5", 400, "parameter_invalid_integer", "balance",
         "Invalid integer: 1.5"},
        {"POST /v1/customers", "tax_exempt=maybe", 400, "", "tax_exempt",
         "Invalid tax_exempt: must be one of none, exempt, reverse, not maybe"},
        {"POST /v1/customers", "test_clock=clock_1", 400, "resource_missing", "test_clock", NULL},
        {"GET /v1/customers/cus_1", "", 404, "resource_missing", "id", "No such customer: 'cus_1'"},
        {"GET /v1/nothing", "", 404, "", "", NULL},
        {"DELETE /v1/customers", "", 404, "", "", NULL},
        {"GET /v1/customers", "limit=0", 400, "parameter_invalid_integer", "limit", NULL},
        {"GET /v1/customers", "colour=red", 400, "parameter_unknown", "colour", NULL},
        {"GET /v1/customers", "starting_after=cus_1", 400, "resource_missing", "starting_after",
         NULL},
        {"GET /v1/customers/search", "query=name", 400, "", "query", NULL},
    };
    struct twin_house h;
    house_open(&h);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(house_ask(&h, cases[i].what, cases[i].form), cases[i].status);
        assert_string_equal(house_text(&h, "error.type"), "invalid_request_error");
        assert_string_equal(house_text(&h, "error.code"), cases[i].code);
        assert_string_equal(house_text(&h, "error.param"), cases[i].param);
        if (cases[i].message != NULL)
            assert_string_equal(house_text(&h, "error.message"), cases[i].message);
    }
    house_events(&h, "");
    assert_int_equal(twin_counts(h.world).objects, 0);
    house_close(&h);
}

static void deletes(void **state) {
    struct twin_house h;
    house_open(&h);
    house_do(&h, "POST /v1/customers", "name=Ada");
    OWN(text_drop)
    struct text what = {0};
    text_addf(&what, "DELETE /v1/customers/%s", house_text(&h, "id"));
    house_do(&h, text_str(&what), "%s", "");
    assert_string_equal(house_text(&h, "deleted"), "true");
    house_events(&h, "customer.created customer.deleted ");
    assert_string_equal(house_told(&h, "data.object.name"), "Ada");
    assert_int_equal(house_ask(&h, text_str(&what), ""), 404);
    OWN(text_drop)
    struct text get = {0};
    text_addf(&get, "GET%s", text_str(&what) + 6);
    house_do(&h, text_str(&get), "%s", "");
    assert_string_equal(house_text(&h, "deleted"), "true");
    house_do(&h, "GET /v1/customers", "%s", "");
    assert_string_equal(house_text(&h, "data"), "[]");
    house_close(&h);
}

static void lists_and_searches(void **state) {
    struct twin_house h;
    char ids[25][32];
    house_open(&h);
    for (int i = 0; i < 25; i++) {
        house_do(&h, "POST /v1/customers", "name=c%d&email=%s@x.example&metadata[n]=%d", i,
                 i % 2 ? "odd" : "even", i);
        snprintf(ids[i], sizeof ids[i], "%s", house_text(&h, "id"));
    }
    house_do(&h, "GET /v1/customers", "limit=%d", 10);
    assert_string_equal(house_text(&h, "data.0.name"), "c24");
    assert_string_equal(house_text(&h, "has_more"), "true");
    assert_string_equal(house_text(&h, "url"), "/v1/customers");
    house_do(&h, "GET /v1/customers", "limit=10&starting_after=%s", ids[5]);
    assert_string_equal(house_text(&h, "data.4.name"), "c0");
    assert_string_equal(house_text(&h, "has_more"), "false");
    house_do(&h, "GET /v1/customers", "limit=2&ending_before=%s", ids[5]);
    assert_string_equal(house_text(&h, "data.0.name"), "c7");
    assert_string_equal(house_text(&h, "data.1.name"), "c6");
    assert_string_equal(house_text(&h, "has_more"), "true");
    house_do(&h, "GET /v1/customers", "email=odd@x.example&limit=%d", 100);
    assert_int_equal(json_size(house_at(&h, "data")), 12);
    house_do(&h, "GET /v1/customers/search",
             "query=email:\"odd@x.example\" AND metadata[\"n\"]:\"7\"");
    assert_int_equal(json_size(house_at(&h, "data")), 1);
    assert_string_equal(house_text(&h, "data.0.name"), "c7");
    house_do(&h, "GET /v1/customers/search", "query=id~'%.10s'", ids[3]);
    assert_string_equal(house_text(&h, "data.0.id"), ids[3]);
    // Another account sees nothing of it.
    h.account = "acct_1";
    house_do(&h, "GET /v1/customers", "limit=%d", 10);
    assert_string_equal(house_text(&h, "data"), "[]");
    house_take(&h);
    house_do(&h, "POST /v1/customers", "name=%s", "other");
    text_reset(&h.trace);
    house_events(&h, "customer.created ");
    assert_string_equal(house_told(&h, "account"), "acct_1");
    house_close(&h);
}

static void expands(void **state) {
    struct twin_house h;
    house_open(&h);
    house_do(&h, "POST /v1/products", "name=%s", "Tea");
    house_do(&h, "POST /v1/prices",
             "unit_amount=500&currency=USD&product=%s&recurring[interval]=month&expand[]=product",
             house_text(&h, "id"));
    assert_string_equal(house_text(&h, "product.name"), "Tea");
    assert_string_equal(house_text(&h, "currency"), "usd");
    assert_string_equal(house_text(&h, "recurring.interval_count"), "1");
    house_do(&h, "GET /v1/prices", "expand[]=%s", "data.product");
    assert_string_equal(house_text(&h, "data.0.product.name"), "Tea");
    assert_int_equal(house_ask(&h, "GET /v1/prices", "expand[]=data.currency.x"), 200);
    assert_int_equal(house_ask(&h, "GET /v1/prices", "expand[]=data.nothing"), 400);
    assert_int_equal(house_ask(&h, "GET /v1/prices", "expand[]=product"), 400);
    assert_int_equal(house_ask(&h, "GET /v1/prices", "expand[]=data.a.b.c.d.e"), 400);
    house_close(&h);
}

static void repeats_keys(void **state) {
    struct twin_house h;
    house_open(&h);
    h.key = "k1";
    house_do(&h, "POST /v1/customers", "name=%s", "Ada");
    char id[32];
    snprintf(id, sizeof id, "%s", house_text(&h, "id"));
    house_do(&h, "POST /v1/customers", "name=%s", "Ada");
    assert_string_equal(house_text(&h, "id"), id);
    assert_true(h.replayed);
    house_events(&h, "customer.created ");
    assert_string_equal(house_told(&h, "request.idempotency_key"), "k1");
    assert_int_equal(house_ask(&h, "POST /v1/customers", "name=Eve"), 400);
    assert_string_equal(house_text(&h, "error.type"), "idempotency_error");
    // What was refused as wrong holds no key.
    h.key = "k2";
    assert_int_equal(house_ask(&h, "POST /v1/customers", "nmae=Eve"), 400);
    house_do(&h, "POST /v1/customers", "name=%s", "Eve");
    h.key = "k1";
    h.now_ms += (int64_t)25 * 60 * 60 * 1000;
    house_do(&h, "POST /v1/customers", "name=%s", "Ada");
    assert_string_not_equal(house_text(&h, "id"), id);
    house_close(&h);
}

static void clocks_advance(void **state) {
    struct twin_house h;
    house_open(&h);
    house_do(&h, "POST /v1/test_helpers/test_clocks", "frozen_time=%d", 1800000000);
    OWN(text_drop)
    struct text advance = {0};
    text_addf(&advance, "POST /v1/test_helpers/test_clocks/%s/advance", house_text(&h, "id"));
    house_do(&h, "POST /v1/customers", "test_clock=%s", house_text(&h, "id"));
    assert_string_equal(house_text(&h, "created"), "1800000000");
    house_do(&h, text_str(&advance), "frozen_time=%d", 1800086400);
    assert_string_equal(house_text(&h, "status"), "advancing");
    house_events(&h, "test_helpers.test_clock.created customer.created "
                     "test_helpers.test_clock.advancing test_helpers.test_clock.ready ");
    assert_string_equal(house_told(&h, "data.object.frozen_time"), "1800086400");
    assert_string_equal(house_told(&h, "request.id"), "null");
    assert_int_equal(house_ask(&h, text_str(&advance), "frozen_time=1800086400"), 400);
    house_close(&h);
}

static void saves_and_loads(void **state) {
    struct twin_house h;
    house_open(&h);
    house_do(&h, "POST /v1/test_helpers/test_clocks", "frozen_time=%d", 1800000000);
    house_do(&h, "POST /v1/customers", "name=Ada&test_clock=%s", house_text(&h, "id"));
    OWN(text_drop)
    struct text saved = {0}, again = {0}, why = {0};
    twin_save(h.world, &saved);
    house_do(&h, "POST /v1/customers", "name=%s", "Eve");
    assert_true(twin_load(h.world, text_bytes(&saved), &why) == OK);
    twin_save(h.world, &again);
    assert_string_equal(text_str(&again), text_str(&saved));
    assert_int_equal(twin_counts(h.world).objects, 2);
    assert_int_equal(twin_counts(h.world).events, 2);
    house_do(&h, "POST /v1/customers", "name=%s", "Eve");
    house_events(&h, "test_helpers.test_clock.created customer.created customer.created ");
    assert_false(twin_load(h.world, B("{\"format\":2}"), &why) == OK);
    assert_false(twin_load(h.world, B("nothing"), &why) == OK);
    assert_int_equal(twin_counts(h.world).objects, 3);
    twin_reset(h.world);
    assert_int_equal(twin_counts(h.world).objects, 0);
    house_close(&h);
}

static void searches_go_on(void **state) {
    struct twin_house h;
    house_open(&h);
    for (int i = 0; i < 5; i++)
        house_do(&h, "POST /v1/customers", "name=c%d&metadata[a.b]=x", i);
    house_do(&h, "GET /v1/customers/search", "query=metadata[\"a.b\"]:\"x\"&limit=%d", 3);
    assert_int_equal(json_size(house_at(&h, "data")), 3);
    assert_string_equal(house_text(&h, "has_more"), "true");
    house_do(&h, "GET /v1/customers/search", "query=metadata[\"a.b\"]:\"x\"&limit=3&page=%s",
             house_text(&h, "next_page"));
    assert_string_equal(house_text(&h, "data.0.name"), "c1");
    assert_string_equal(house_text(&h, "has_more"), "false");
    assert_string_equal(house_text(&h, "next_page"), "null");
    assert_int_equal(house_ask(&h, "GET /v1/customers/search", "query=name:'c1'&limit=0"), 400);
    assert_int_equal(house_ask(&h, "GET /v1/customers/search", "query=name:'c1'&page=cus_1"), 400);
    house_close(&h);
}

// The same seed gives the same ids; somebody who kept one from another time may ask for it.
static void chosen_ids_are_passed_over(void **state) {
    struct twin_house h;
    char next[64];
    house_open(&h);
    house_do(&h, "POST /v1/products", "name=%s", "a");
    house_do(&h, "POST /v1/products", "name=%s", "b");
    snprintf(next, sizeof next, "%s", house_text(&h, "id"));
    house_close(&h);
    house_open(&h);
    house_do(&h, "POST /v1/products", "name=a&id=%s", next);
    for (int i = 0; i < 5; i++)
        house_do(&h, "POST /v1/products", "name=%d", i);
    assert_int_equal(twin_counts(h.world).objects, 6);
    house_close(&h);
}

static void holds_so_many(void **state) {
    struct twin_house h;
    house_open(&h);
    twin_set_max(h.world, 2);
    house_do(&h, "POST /v1/products", "name=%s", "a");
    house_do(&h, "POST /v1/products", "name=%s", "b");
    assert_int_equal(house_ask(&h, "POST /v1/products", "name=c"), 400);
    assert_int_equal(twin_counts(h.world).objects, 2);
    OWN(text_drop)
    struct text saved = {0}, why = {0};
    twin_save(h.world, &saved);
    twin_set_max(h.world, 1);
    assert_false(twin_load(h.world, text_bytes(&saved), &why) == OK);
    house_close(&h);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(makes_and_changes),
        cmocka_unit_test(refuses),
        cmocka_unit_test(deletes),
        cmocka_unit_test(lists_and_searches),
        cmocka_unit_test(expands),
        cmocka_unit_test(repeats_keys),
        cmocka_unit_test(clocks_advance),
        cmocka_unit_test(saves_and_loads),
        cmocka_unit_test(holds_so_many),
        cmocka_unit_test(searches_go_on),
        cmocka_unit_test(chosen_ids_are_passed_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
