// SPDX-License-Identifier: MIT
// Stripe's API on the desk: what it answers to SDKs and CLI, and how it refuses.
#include "desk_house.h"

#define COUNT(a_) (sizeof(a_) / sizeof((a_)[0]))

// A request with lines of its own in the head.
static void ask(const struct house *h, const char *method, const char *target, const char *key,
                const char *lines, const char *body, struct reply *r) {
    char authorization[512];
    snprintf(authorization, sizeof authorization, "Bearer %s\r\n%s%s", key, lines,
             "Accept: application/json");
    call_as(h, method, target, authorization, body, r);
}

// The ids of a list, separated by spaces.
static const char *ids_of(const struct reply *r) {
    static char out[1024];
    json element;
    size_t n = 0;
    out[0] = '\0';
    for (size_t at = 0; json_element(reply_at(r, "data"), &at, &element);)
        n += (size_t)snprintf(out + n, sizeof out - n, "%s%.*s", n > 0 ? " " : "",
                              BYTES_ARG(json_string(json_get(element, "id"))));
    return out;
}

static void expect_list(const struct house *h, const char *key, const char *lines,
                        const char *query, const char *ids, bool more) {
    OWN(reply_drop)
    struct reply r;
    char target[512];
    snprintf(target, sizeof target, "/v1/events%s", query);
    ask(h, "GET", target, key, lines, NULL, &r);
    assert_status(&r, 200);
    if (strcmp(ids_of(&r), ids) != 0)
        fail_msg("%s: %s instead of %s", query, ids_of(&r), ids);
    assert_int_equal(json_true(reply_at(&r, "has_more")), more);
    assert_true(json_equals_text(reply_at(&r, "object"), B("list")));
    assert_true(json_equals_text(reply_at(&r, "url"), B("/v1/events")));
}

static void add_event(struct house *h, const char *id, const char *type, int created,
                      const char *more) {
    char body[512];
    snprintf(body, sizeof body,
             "{\n  \"id\": \"%s\",\n  \"object\": \"event\",\n  \"type\": \"%s\",\n"
             "  \"created\": %d,\n  \"pending_webhooks\": 99%s\n}",
             id, type, created, more);
    house_event(h, "/webhook", body);
}

static void fill(struct house *h) {
    add_event(h, "evt_1", "charge.refunded", 1000, ",\"livemode\":false");
    add_event(h, "evt_2", "customer.created", 1001, ",\"livemode\":false");
    add_event(h, "evt_live", "charge.refunded", 1002, ",\"livemode\":true");
    add_event(h, "evt_acct", "charge.refunded", 1003, ",\"livemode\":false,\"account\":\"acct_1\"");
    add_event(h, "evt_3", "charge.updated", 1004, ",\"livemode\":false");
    house_event(h, "/webhook",
                "{\"id\":\"evt_thin\",\"object\":\"v2.core.event\",\"type\":\"v1.charge.updated\","
                "\"created\":\"2026-11-27T00:00:00Z\",\"livemode\":false}");
    add_event(h, "evt_4", "charge.refunded", 990, ",\"livemode\":false");
}

static void test_list(void **state) {
    struct house *h = *state;
    fill(h);
    static const struct {
        const char *query, *ids;
        bool more;
    } rows[] = {
        {"", "evt_4 evt_3 evt_2 evt_1", false},
        {"?limit=2", "evt_4 evt_3", true},
        {"?limit=4", "evt_4 evt_3 evt_2 evt_1", false},
        {"?limit=2&starting_after=evt_3", "evt_2 evt_1", false},
        {"?limit=1&starting_after=evt_3", "evt_2", true},
        {"?starting_after=evt_1", "", false},
        {"?limit=2&ending_before=evt_1", "evt_3 evt_2", true},
        {"?limit=2&ending_before=evt_2", "evt_4 evt_3", false},
        {"?ending_before=evt_4", "", false},
        {"?type=charge.refunded", "evt_4 evt_1", false},
        {"?type=charge.*", "evt_4 evt_3 evt_1", false},
        {"?type=*.created", "evt_2", false},
        {"?type=*", "evt_4 evt_3 evt_2 evt_1", false},
        {"?type=char", "", false},
        {"?types[]=customer.created&types[]=charge.updated", "evt_3 evt_2", false},
        {"?types%5B0%5D=customer.created&types%5B1%5D=charge.updated", "evt_3 evt_2", false},
        {"?created=1001", "evt_2", false},
        {"?created[gte]=1001", "evt_3 evt_2", false},
        {"?created%5Bgt%5D=1001", "evt_3", false},
        {"?created[lt]=1000", "evt_4", false},
        {"?created[gt]=990&created[lte]=1000", "evt_1", false},
        {"?delivery_success=false", "evt_4 evt_3 evt_2 evt_1", false},
        {"?delivery_success=true", "", false},
        {"?expand[]=data.request", "evt_4 evt_3 evt_2 evt_1", false},
    };
    for (size_t i = 0; i < COUNT(rows); i++)
        expect_list(h, h->test_key, "", rows[i].query, rows[i].ids, rows[i].more);
    expect_list(h, h->reading_key, "", "?limit=1", "evt_4", true);
    expect_list(h, h->live_key, "", "", "evt_live", false);
    expect_list(h, h->live_key, "", "?created[gte]=1002", "evt_live", false);
    expect_list(h, h->live_key, "Stripe-Account: acct_1\r\n", "", "", false);
    expect_list(h, h->test_key, "Stripe-Account: acct_1\r\n", "", "evt_acct", false);
    expect_list(h, h->test_key, "Stripe-Account: acct_2\r\n", "", "", false);
}

// Stripe's clock may be before ours.
static void test_clocks(void **state) {
    struct house *h = *state;
    char query[64];
    int soon = (int)(clock_wall_ms(&clock_real) / 1000 + 3600);
    add_event(h, "evt_soon", "a.b", soon, ",\"livemode\":true");
    add_event(h, "evt_later", "a.b", soon + 1, ",\"livemode\":true");
    snprintf(query, sizeof query, "?created[gte]=%d", soon);
    expect_list(h, h->live_key, "", query, "evt_later evt_soon", false);
    snprintf(query, sizeof query, "?created[gt]=%d", soon);
    expect_list(h, h->live_key, "", query, "evt_later", false);
}

// An owner that is an account is selected as an account is.
static void test_owner(void **state) {
    struct house *h = *state;
    OWN(text_drop)
    struct text payload = {0};
    struct receipt_record r = {
        .source = B("/webhook"),
        .owner = B("acct_owner"),
        .secret_label = B("default"),
        .signed_at = 1700000000,
        .body = B("{\"id\":\"evt_o\",\"object\":\"event\",\"type\":\"a.b\",\"created\":1,"
                  "\"livemode\":false}"),
    };
    receipt_encode(&r, &payload);
    house_append(h, RECORD_EVENT, text_bytes(&payload));
    expect_list(h, h->test_key, "Stripe-Account: acct_owner\r\n", "", "evt_o", false);
    expect_list(h, h->test_key, "", "", "evt_o", false);
}

static void expect_error(const struct house *h, const char *method, const char *target,
                         const char *key, const char *lines, const char *body, int status,
                         const char *type, const char *code, const char *param) {
    OWN(reply_drop)
    struct reply r;
    ask(h, method, target, key, lines, body, &r);
    bool right = r.status == status &&
                 json_equals_text(reply_at(&r, "error.type"), bytes_of(type)) &&
                 bytes_equal(json_string(reply_at(&r, "error.code")), bytes_of(code)) &&
                 bytes_equal(json_string(reply_at(&r, "error.param")), bytes_of(param)) &&
                 json_string(reply_at(&r, "error.message")).n > 0;
    if (!right)
        fail_msg("%s %s: %d: %.*s", method, target, r.status, BYTES_ARG(r.body));
    assert_true(bytes_search(r.head, B("\r\nRequest-Id: req_")) < r.head.n);
}

#define REQUEST "invalid_request_error"

static void test_errors(void **state) {
    struct house *h = *state;
    fill(h);
    const char *key = h->test_key;
    static const char long_id[] =
        "/v1/events/evt_000000000000000000000000000000000000000000000000"
        "0000000000000000000000000000000000000000000000000000000000000000"
        "0000000000000000000000000000000000000000000000000000000000000000"
        "0000000000000000000000000000000000000000000000000000000000000000"
        "0000000000000000000000000000000000000000000000000000000000000000";
    const struct {
        const char *method, *target, *key, *lines, *body;
        int status;
        const char *code, *param;
    } rows[] = {
        {"GET", "/v1/events/evt_none", key, "", NULL, 404, "resource_missing", "id"},
        {"GET", long_id, key, "", NULL, 404, "resource_missing", "id"},
        {"GET", "/v1/events/evt_thin", key, "", NULL, 404, "resource_missing", "id"},
        {"GET", "/v1/events/evt_live", key, "", NULL, 404, "resource_missing", "id"},
        {"GET", "/v1/events/evt_1", h->live_key, "", NULL, 404, "resource_missing", "id"},
        {"GET", "/v1/events/evt_acct", key, "", NULL, 404, "resource_missing", "id"},
        {"GET", "/v1/events/3", key, "", NULL, 404, "resource_missing", "id"},
        {"GET", "/v1/events/evt_1?x=1", key, "", NULL, 400, "parameter_unknown", "x"},
        {"GET", "/v1/events?limit=0", key, "", NULL, 400, "parameter_invalid_integer", "limit"},
        {"GET", "/v1/events?starting_after=evt_none", key, "", NULL, 400, "resource_missing",
         "starting_after"},
        {"GET", "/v1/events?ending_before=evt_live", key, "", NULL, 400, "resource_missing",
         "ending_before"},
        {"GET", "/v1/events?limit=1&limit=2", key, "", NULL, 400, "", ""},
        {"GET", "/v1/events?a[b=c", key, "", NULL, 400, "", ""},
        {"GET", "/v1/events?a=%ff", key, "", NULL, 400, "", ""},
        {"GET", "/v1/charges", key, "", NULL, 404, "", ""},
        {"GET", "/v1", key, "", NULL, 404, "", ""},
        {"GET", "/v2/core/accounts", key, "", NULL, 404, "", ""},
        {"DELETE", "/v1/events/evt_1", key, "", NULL, 404, "", ""},
        {"GET", "/v1/events", key, "Stripe-Account: x\r\n", NULL, 403, "account_invalid", ""},
        {"GET", "/v1/events", key, "Stripe-Account: acct_1\r\nStripe-Account: acct_2\r\n", NULL,
         403, "account_invalid", ""},
        {"GET", "/v1/events", key, "Stripe-Context: acct_1/nobody\r\n", NULL, 403,
         "account_invalid", ""},
        {"GET", "/v1/events", key, "Stripe-Version: newest\r\n", NULL, 400, "", ""},
        {"GET", "/v1/events", key, "Stripe-Version: 2026-10\r\n", NULL, 400, "", ""},
        {"GET", "/v1/events", "sk_live_51canary", "", NULL, 401, "", ""},
        {"GET", "/v1/events", h->revoked_key, "", NULL, 401, "api_key_expired", ""},
        {"GET", "/v1/events", h->operator_key, "", NULL, 403, "", ""},
        {"POST", "/v1/events/evt_1/retry", h->reading_key, "", "webhook_endpoint=all", 403, "", ""},
        {"POST", "/v1/events/evt_1/retry", key, "", "", 400, "parameter_missing",
         "webhook_endpoint"},
        {"POST", "/v1/events/evt_1/retry", key, "", "for_stripecli=false", 400, "parameter_missing",
         "webhook_endpoint"},
        {"POST", "/v1/events/evt_1/retry", key, "", "for_stripecli=1", 400, "", "for_stripecli"},
        {"POST", "/v1/events/evt_1/retry", key, "", "{\"to\":\"all\"}", 400, "parameter_unknown",
         "{\"to\":\"all\"}"},
        {"POST", "/v1/events/evt_none/retry", key, "", "webhook_endpoint=all", 404,
         "resource_missing", "id"},
        {"POST", "/v1/events/evt_live/retry", key, "", "webhook_endpoint=all", 404,
         "resource_missing", "id"},
        {"POST", "/v1/events/evt_1/retry", key, "", "webhook_endpoint=we_1", 404,
         "resource_missing", "webhook_endpoint"},
        // It is there, but this event was not for it.
        {"POST", "/v1/events/evt_2/retry", key, "", "webhook_endpoint=charges", 404,
         "resource_missing", "webhook_endpoint"},
        {"POST", "/v1/events/evt_acct/retry", key, "", "webhook_endpoint=all&account=acct_2", 404,
         "resource_missing", "id"},
    };
    for (size_t i = 0; i < COUNT(rows); i++)
        expect_error(h, rows[i].method, rows[i].target, rows[i].key, rows[i].lines, rows[i].body,
                     rows[i].status, REQUEST, rows[i].code, rows[i].param);
}

// What a body or a question under /v2 is refused for, each by its parameter.
static void test_v2_errors(void **state) {
#define DESTINATIONS "/v2/core/event_destinations"
#define MADE                                                                                       \
    "{\"name\":\"n\",\"type\":\"webhook_endpoint\",\"event_payload\":\"snapshot\","                \
    "\"enabled_events\":[\"*\"],\"webhook_endpoint\":{\"url\":\"https://a.example/\"}"
    struct house *h = *state;
    fill(h);
    static const struct {
        const char *body, *code, *param;
    } made[] = {
        {"name=n", "", ""},
        {"[]", "", ""},
        {"{", "", ""},
        {MADE ",\"url\":\"https://a.example/\"}", "parameter_unknown", "url"},
        {MADE ",\"events_from\":\"@accounts\"}", "", "events_from"},
        {MADE ",\"events_from\":[\"@organization_members\"]}", "", "events_from"},
        {MADE ",\"include\":\"webhook_endpoint.url\"}", "", "include"},
        {MADE ",\"include\":[\"name\"]}", "", "include"},
        {MADE ",\"metadata\":{\"a\":\"1\",\"a\":\"2\"}}", "", "metadata"},
        {MADE ",\"metadata\":null}", "", "metadata"},
        {MADE ",\"description\":7}", "", "description"},
        {"{\"name\":\"n\",\"type\":\"amazon_eventbridge\",\"event_payload\":\"thin\","
         "\"amazon_eventbridge\":{}}",
         "", "type"},
        {"{\"name\":\"n\",\"type\":\"webhook_endpoint\",\"event_payload\":\"fat\"}", "",
         "event_payload"},
        {"{\"name\":\"n\",\"type\":\"webhook_endpoint\"}", "parameter_missing", "event_payload"},
        {"{\"type\":\"webhook_endpoint\",\"event_payload\":\"thin\"}", "parameter_missing", "name"},
    };
    static const struct {
        const char *target, *code, *param;
    } asked[] = {
        {DESTINATIONS "?page=00", "resource_missing", "page"},
        {DESTINATIONS "?limit=101", "parameter_invalid_integer", "limit"},
        {DESTINATIONS "?include=x", "", "include"},
        {DESTINATIONS "?include[a]=webhook_endpoint.url", "", "include"},
        {DESTINATIONS "?starting_after=ed_1", "parameter_unknown", "starting_after"},
        {"/v2/core/events?page=xy", "", "page"},
        {"/v2/core/events?limit=0", "parameter_invalid_integer", "limit"},
        {"/v2/core/events?types[a]=v1.a", "", "types"},
        {"/v2/core/events?types=v1.a&types=v1.*", "", "types"},
        {"/v2/core/events?types[]=v1.*", "", "types"},
        {"/v2/core/events?created=5", "", "created"},
        {"/v2/core/events?created[eq]=2026-11-27T12:00:00Z", "parameter_unknown", "created"},
        {"/v2/core/events?created[gt]=5", "", "created"},
    };
    for (size_t i = 0; i < COUNT(made); i++)
        expect_error(h, "POST", DESTINATIONS, h->test_key, "", made[i].body, 400, REQUEST,
                     made[i].code, made[i].param);
    for (size_t i = 0; i < COUNT(asked); i++)
        expect_error(h, "GET", asked[i].target, h->test_key, "", NULL, 400, REQUEST, asked[i].code,
                     asked[i].param);
    expect_error(h, "POST", DESTINATIONS, h->reading_key, "", MADE "}", 403, REQUEST, "", "");
    expect_error(h, "GET", "/v2/core/events/evt_1", h->test_key, "", NULL, 404, REQUEST,
                 "resource_missing", "id");
    expect_error(h, "GET", DESTINATIONS "/we_1", h->test_key, "", NULL, 404, REQUEST,
                 "resource_missing", "id");
}

static void test_show(void **state) {
    struct house *h = *state;
    fill(h);
    OWN(reply_drop)
    struct reply r;
    ask(h, "GET", "/v1/events/evt_1?expand[]=data.object", h->test_key,
        "Stripe-Version: 2026-10-28.endive; beta=v1\r\n", NULL, &r);
    assert_status(&r, 200);
    // Its own bytes, but for the count: it goes to both destinations.
    assert_true(bytes_equal(r.body, B("{\n  \"id\": \"evt_1\",\n  \"object\": \"event\",\n"
                                      "  \"type\": \"charge.refunded\",\n  \"created\": 1000,\n"
                                      "  \"pending_webhooks\": 2,\"livemode\":false\n}")));
    assert_true(bytes_search(r.head, B("\r\nStripe-Version: 2026-10-28.endive; beta=v1\r\n")) <
                r.head.n);
    assert_true(bytes_search(r.head, B("\r\nRequest-Id: req_")) < r.head.n);
    OWN(reply_drop)
    struct reply plain;
    ask(h, "GET", "/v1/events/evt_2", h->test_key, "", NULL, &plain);
    assert_int_equal(reply_number(&plain, "pending_webhooks"), 1);
    assert_true(bytes_search(plain.head, B("Stripe-Version")) == plain.head.n);
}

static void expect_pending(struct house *h, const char *id, int pending, const char *delivered) {
    OWN(reply_drop)
    struct reply r;
    char target[64];
    snprintf(target, sizeof target, "/v1/events/%s", id);
    ask(h, "GET", target, h->test_key, "", NULL, &r);
    assert_int_equal(reply_number(&r, "pending_webhooks"), pending);
    expect_list(h, h->test_key, "", "?delivery_success=true", delivered, false);
}

static void house_cancel(struct house *h, int delivery) {
    OWN(reply_drop)
    struct reply r;
    char target[64];
    snprintf(target, sizeof target, "/api/deliveries/%d/cancel", delivery);
    call(h, "POST", target, "{}", &r);
    assert_status(&r, 200);
}

static void outcome(struct house *h, uint64_t delivery, uint32_t attempt, enum outcome how) {
    OWN(text_drop)
    struct text payload = {0};
    struct outcome_record o = {
        .delivery = delivery, .attempt = attempt, .outcome = how, .status = 500};
    outcome_encode(&o, &payload);
    house_append(h, RECORD_OUTCOME, text_bytes(&payload));
}

// pending_webhooks is 0 exactly where delivery_success is true.
static void test_pending(void **state) {
    struct house *h = *state;
    add_event(h, "evt_1", "charge.refunded", 1, ",\"livemode\":false");
    expect_pending(h, "evt_1", 2, "");
    outcome(h, 1, 1, OUTCOME_DONE);
    expect_pending(h, "evt_1", 1, "");
    house_cancel(h, 2);
    expect_pending(h, "evt_1", 0, "evt_1");
    // Given up is owed still, until it is sent again and taken.
    add_event(h, "evt_2", "customer.created", 1, ",\"livemode\":false");
    outcome(h, 3, 1, OUTCOME_FAILED);
    outcome(h, 3, 2, OUTCOME_FAILED);
    expect_pending(h, "evt_2", 1, "evt_1");
    expect_list(h, h->test_key, "", "?delivery_success=false", "evt_2", false);
    OWN(reply_drop)
    struct reply r;
    ask(h, "POST", "/v1/events/evt_2/retry", h->test_key, "", "webhook_endpoint=all", &r);
    assert_status(&r, 200);
    outcome(h, 4, 1, OUTCOME_DONE);
    expect_pending(h, "evt_2", 0, "evt_2 evt_1");
}

static void retry(struct house *h, const char *lines, const char *body, int status, int pending) {
    OWN(reply_drop)
    struct reply r;
    ask(h, "POST", "/v1/events/evt_1/retry", h->test_key, lines, body, &r);
    assert_status(&r, status);
    if (status == 200) {
        assert_true(json_equals_text(reply_at(&r, "id"), B("evt_1")));
        assert_int_equal(reply_number(&r, "pending_webhooks"), pending);
    }
    if (strstr(lines, "Idempotency-Key: key") != NULL)
        assert_true(bytes_search(r.head, B("\r\nIdempotency-Key: key\r\n")) < r.head.n);
}

static int64_t deliveries(struct house *h) {
    OWN(reply_drop)
    struct reply r;
    call(h, "GET", "/api/deliveries?event=evt_1", NULL, &r);
    return (int64_t)json_size(reply_at(&r, "data"));
}

static void test_retry(void **state) {
    struct house *h = *state;
    add_event(h, "evt_1", "charge.refunded", 1, ",\"livemode\":false");
    outcome(h, 1, 1, OUTCOME_DONE);
    outcome(h, 2, 1, OUTCOME_DONE);
    retry(h, "", "webhook_endpoint=all", 200, 1);
    assert_int_equal(deliveries(h), 3);
    retry(h, "Idempotency-Key: key\r\n", "webhook_endpoint=charges&expand[]=x", 200, 2);
    retry(h, "Idempotency-Key: key\r\n", "webhook_endpoint=charges", 200, 2);
    assert_int_equal(deliveries(h), 4);
    expect_error(h, "POST", "/v1/events/evt_1/retry", h->test_key, "Idempotency-Key: key\r\n",
                 "webhook_endpoint=all", 400, "idempotency_error", "", "");
    assert_int_equal(deliveries(h), 4);
    // Of the same text, but another caller's: another.
    char other[DESK_KEY_MAX];
    house_key(h, KEY_MODE_TEST, other);
    OWN(reply_drop)
    struct reply others;
    ask(h, "POST", "/v1/events/evt_1/retry", other, "Idempotency-Key: key\r\n",
        "webhook_endpoint=all", &others);
    assert_status(&others, 200);
    assert_int_equal(deliveries(h), 5);
    OWN(reply_drop)
    struct reply r;
    char lines[256];
    snprintf(lines, sizeof lines, "Bearer %s\r\nIdempotency-Key: key", h->operator_key);
    call_as(h, "POST", "/api/deliveries/4/cancel", lines, "{}", &r);
    assert_status(&r, 200);
    // What left the configuration gets nothing more.
    house_plan(h, DESTINATION("all", "null"));
    expect_error(h, "POST", "/v1/events/evt_1/retry", h->test_key, "", "webhook_endpoint=charges",
                 400, REQUEST, "", "");
}

static void test_retry_account(void **state) {
    struct house *h = *state;
    fill(h);
    for (int i = 0; i < 2; i++) {
        OWN(reply_drop)
        struct reply r;
        ask(h, "POST", "/v1/events/evt_acct/retry", h->test_key,
            i == 0 ? "" : "Stripe-Account: acct_1\r\n",
            i == 0 ? "webhook_endpoint=all&account=acct_1" : "webhook_endpoint=all", &r);
        assert_status(&r, 200);
        assert_true(json_equals_text(reply_at(&r, "account"), B("acct_1")));
    }
}

static void test_foreign_key(void **state) {
    struct house *h = *state;
    static const char *const keys[][2] = {
        {"sk_live_51Canary0123456789abcdef", "sk_live_****"},
        {"rk_test_51Canary0123456789abcdef", "rk_test_****"},
        {"pk_live_Canary", "pk_live_****"},
        {"sk_Canary", NULL},
    };
    for (size_t i = 0; i < COUNT(keys); i++) {
        OWN(reply_drop)
        struct reply r;
        ask(h, "GET", "/v1/events", keys[i][0], "", NULL, &r);
        assert_status(&r, 401);
        assert_int_equal(bytes_search(text_bytes(&r.all), B("anary")), r.all.n);
        if (keys[i][1] != NULL)
            assert_says(&r, keys[i][1]);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        HOUSE_TEST(test_list),      HOUSE_TEST(test_clocks),        HOUSE_TEST(test_owner),
        HOUSE_TEST(test_errors),    HOUSE_TEST(test_show),          HOUSE_TEST(test_pending),
        HOUSE_TEST(test_v2_errors), HOUSE_TEST(test_show),          HOUSE_TEST(test_pending),
        HOUSE_TEST(test_retry),     HOUSE_TEST(test_retry_account), HOUSE_TEST(test_foreign_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
