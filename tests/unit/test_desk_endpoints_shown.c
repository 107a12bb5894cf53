// SPDX-License-Identifier: MIT
// Endpoints made through the API wherever the desk shows destinations: their list, explaining,
// what a replay would do, types, the doctor, metrics.
#include "desk_house.h"

#include "base/metrics.h"

#define ENDPOINT(id_, more_)                                                                       \
    "{\"do\":\"endpoint_create\",\"endpoint\":{\"id\":\"" id_ "\"," more_ "\"url\":"               \
    "\"https://shop.example/" id_ "\",\"scope\":\"account\",\"payload\":\"snapshot\",\"name\":"    \
    "\"\",\"description\":\"\",\"api_version\":\"\",\"application\":\"\",\"metadata\":{},"         \
    "\"updated_ms\":0,\"sealed\":\"5ec1e7\"}}"
#define LIVE "\"livemode\":true,"
#define TEST "\"livemode\":false,"
#define ON "\"enabled\":true,\"because\":\"\","
#define OFF "\"enabled\":false,\"because\":\"\","
#define FAILED "\"enabled\":false,\"because\":\"failed\","
#define OLD "\"created_s\":17000,"
#define NEW_ONE "\"created_s\":9999999999,"
#define ALL "\"types\":[\"*\"],"
#define PAYOUTS "\"types\":[\"payout.paid\"],"

static void book(struct house *h, const char *command) {
    house_append(h, RECORD_COMMAND, bytes_of(command));
}

static void expect(struct house *h, const char *target, int status, const char *says) {
    OWN(reply_drop)
    struct reply r;
    call(h, "GET", target, NULL, &r);
    assert_status(&r, status);
    assert_says(&r, says);
    assert_false(reply_says(&r, "5ec1e7"));
}

static void expect_none(struct house *h, const char *target, const char *says) {
    OWN(reply_drop)
    struct reply r;
    call(h, "GET", target, NULL, &r);
    assert_status(&r, 200);
    if (reply_says(&r, says))
        fail_msg("`%s` in %.*s", says, BYTES_ARG(r.body));
}

static void test_list(void **state) {
    struct house *h = *state;
    book(h, ENDPOINT("we_b", LIVE ON OLD ALL));
    book(h, ENDPOINT("ed_a", TEST FAILED OLD PAYOUTS));
    book(h, ENDPOINT("we_gone", LIVE ON OLD ALL));
    house_stripe_event(h, "evt_1", "charge.failed", NULL, true);
    book(h, "{\"do\":\"endpoint_delete\",\"id\":\"we_gone\",\"livemode\":true}");
    OWN(reply_drop)
    struct reply r;
    call(h, "GET", "/api/destinations", NULL, &r);
    assert_status(&r, 200);
    static const char *const names[] = {"all", "charges", "we_b", "ed_a"};
    assert_int_equal(json_size(reply_at(&r, "data")), 4);
    for (size_t i = 0; i < 4; i++) {
        char path[32];
        snprintf(path, sizeof path, "data.%zu.name", i);
        assert_true(bytes_equal(json_string(reply_at(&r, path)), bytes_of(names[i])));
    }
    assert_int_equal(reply_number(&r, "data.2.deliveries.due"), 1);
    assert_int_equal(reply_number(&r, "data.3.deliveries.due"), 0);
    assert_false(reply_says(&r, "5ec1e7"));
    expect(h, "/api/destinations/all", 200,
           "\"made_by\":\"file\",\"status\":\"configured\",\"kind\":\"http\",\"endpoint\":null,"
           "\"pace\":null}");
    expect(
        h, "/api/destinations/we_b", 200,
        "\"made_by\":\"api\",\"status\":\"enabled\",\"kind\":\"http\",\"endpoint\":{\"livemode\":"
        "\"live\",\"url\":\"https://shop.example/we_b\",\"because\":\"\",\"enabled_events\":"
        "[\"*\"],\"scope\":\"account\",\"payload\":\"snapshot\",\"name\":\"\","
        "\"description\":\"\",\"api_version\":\"\",\"created\":17000,\"failing_since\":0,"
        "\"deleted_at\":0},\"pace\":null}");
    expect(h, "/api/destinations/ed_a", 200, "\"status\":\"disabled\"");
    expect(h, "/api/destinations/ed_a", 200, "\"because\":\"failed\"");
    expect(h, "/api/destinations/we_gone", 200, "\"status\":\"deleted\"");
    expect(h, "/api/destinations/we_gone", 200, "\"cancelled\":1");
    expect(h, "/api/destinations/we_never", 404, "there are: all, charges\"");
    house_plan(h, DESTINATION("all", "null"));
    expect(h, "/api/destinations/charges", 200, "\"status\":\"removed\",\"kind\":null");
}

// The row of an endpoint in what explains an event; its deliveries, "due due", in *states.
static json row_of(const struct reply *r, const char *receipt, const char *name) {
    char path[64];
    json row;
    snprintf(path, sizeof path, "receipts.%s.destinations", receipt);
    for (size_t at = 0; json_element(reply_at(r, path), &at, &row);)
        if (bytes_equal(json_string(json_get(row, "name")), bytes_of(name)))
            return row;
    return (json){NULL};
}

static void assert_explained(const struct reply *r, const char *name, bool gets, const char *why) {
    json row = row_of(r, "0", name);
    if (json_true(json_get(row, "gets")) != gets ||
        bytes_search(json_string(json_get(row, "why")), bytes_of(why)) ==
            json_string(json_get(row, "why")).n)
        fail_msg("%s, expected %d and %s, in %.*s", name, gets, why, BYTES_ARG(r->body));
}

static void test_explain(void **state) {
    struct house *h = *state;
    book(h, ENDPOINT("we_all", LIVE ON OLD ALL));
    book(h, ENDPOINT("we_payouts", LIVE ON OLD PAYOUTS));
    book(h, ENDPOINT("we_test", TEST ON OLD ALL));
    book(h, ENDPOINT("we_off", LIVE OFF OLD ALL));
    book(h, ENDPOINT("we_failed", LIVE FAILED OLD ALL));
    book(h, ENDPOINT("we_gone", LIVE ON OLD ALL));
    book(h, ENDPOINT("we_stops", LIVE ON OLD ALL));
    house_stripe_event(h, "evt_1", "charge.failed", NULL, true);
    house_stripe_event(h, "evt_1", "charge.failed", NULL, true);
    book(h, "{\"do\":\"endpoint_delete\",\"id\":\"we_gone\",\"livemode\":true}");
    book(h, "{\"do\":\"endpoint_update\",\"id\":\"we_stops\",\"livemode\":true,\"set\":{"
            "\"enabled\":false}}");
    book(h, ENDPOINT("we_later", LIVE ON NEW_ONE ALL));
    book(h, ENDPOINT("we_since", LIVE ON OLD ALL));
    OWN(reply_drop)
    struct reply r;
    call(h, "GET", "/api/events/evt_1/explain", NULL, &r);
    assert_status(&r, 200);
    assert_explained(&r, "all", true, "");
    assert_explained(&r, "we_all", true, "types * matches charge.failed");
    assert_int_equal(json_size(json_get(row_of(&r, "0", "we_all"), "deliveries")), 1);
    assert_explained(&r, "we_payouts", false, "types charge.failed is not payout.paid");
    assert_int_equal(json_type(row_of(&r, "0", "we_test")), JSON_ABSENT);
    assert_explained(&r, "we_off", false, "the endpoint is disabled");
    assert_explained(&r, "we_failed", false, "disabled, as it did nothing but fail");
    assert_explained(&r, "we_gone", false, "the endpoint was deleted");
    assert_int_equal(json_size(json_get(row_of(&r, "0", "we_gone"), "deliveries")), 1);
    assert_explained(&r, "we_stops", false, "what it is owed waits until it is enabled");
    assert_explained(&r, "we_later", false, "made after the event came");
    assert_explained(&r, "we_since", false, "when the event came the endpoint was not there");
    // Of a second receipt it owes them nothing.
    assert_int_equal(json_type(row_of(&r, "1", "all")), JSON_OBJECT);
    assert_int_equal(json_type(row_of(&r, "1", "we_all")), JSON_ABSENT);
    book(h, "{\"do\":\"endpoint_update\",\"id\":\"we_all\",\"livemode\":true,\"set\":{"
            "\"types\":[\"payout.paid\"]}}");
    reply_drop(&r);
    call(h, "GET", "/api/events/evt_1/explain", NULL, &r);
    assert_explained(&r, "we_all", true, "asks for others since");
}

static void test_replay_plan(void **state) {
    struct house *h = *state;
    book(h, ENDPOINT("we_all", LIVE ON OLD ALL));
    book(h, ENDPOINT("we_stops", LIVE ON OLD ALL));
    uint64_t seq = house_stripe_event(h, "evt_1", "payout.paid", NULL, true);
    book(h, "{\"do\":\"endpoint_update\",\"id\":\"we_stops\",\"livemode\":true,\"set\":{"
            "\"enabled\":false}}");
    book(h, ENDPOINT("we_later", LIVE ON OLD ALL));
    char body[64];
    snprintf(body, sizeof body, "{\"events\":[%llu]}", (unsigned long long)seq);
    OWN(reply_drop)
    struct reply r;
    call(h, "POST", "/api/replay/plan", body, &r);
    assert_status(&r, 200);
    assert_says(&r, "\"to\":[\"all\",\"we_all\"]");
    reply_drop(&r);
    call(h, "POST", "/api/replay", body, &r); // as it was said
    assert_status(&r, 200);
    assert_int_equal(json_size(reply_at(&r, "deliveries")), 2);
    house_plan(h, "");
    reply_drop(&r);
    call(h, "POST", "/api/replay/plan", body, &r);
    assert_says(&r, "\"to\":[\"we_all\"]");
}

static void test_types(void **state) {
    struct house *h = *state;
    house_plan(h, "");
    expect_none(h, "/api/types?type=payout&taken=true", "\"type\":\"payout.paid\"");
    for (int i = 0; i < 22; i++) {
        char command[1024];
        snprintf(command, sizeof command, ENDPOINT("we_%02d", TEST ON OLD PAYOUTS), i, i);
        book(h, command);
    }
    book(h, ENDPOINT("we_off", TEST OFF OLD ALL));
    expect(h, "/api/types?type=payout&taken=true", 200, "\"type\":\"payout.paid\"");
    expect(h, "/api/types?type=payout&taken=true", 200, "\"destination\":\"we_19\"");
    expect(h, "/api/types?type=payout&taken=true", 200, "\"takers_more\":2}");
    expect_none(h, "/api/types?type=payout&taken=true", "we_20");
    expect_none(h, "/api/types?type=payout&taken=true", "payout.created");
}

static void test_doctor(void **state) {
    struct house *h = *state;
    house_plan(h, "");
    house_stripe_event(h, "evt_1", "payout.paid", NULL, true);
    expect(h, "/api/doctor", 200, "\"no_destination\"");
    book(h, ENDPOINT("we_off", LIVE OFF OLD ALL));
    expect_none(h, "/api/doctor", "\"no_destination\"");
    expect(h, "/api/doctor", 200, "\"types_unmatched\"");
    expect_none(h, "/api/doctor", "\"endpoints_disabled\"");
    book(h, ENDPOINT("we_test", TEST ON OLD PAYOUTS));
    expect(h, "/api/doctor", 200, "\"types_unmatched\"");
    book(h, ENDPOINT("we_live", LIVE ON OLD PAYOUTS));
    expect_none(h, "/api/doctor", "\"types_unmatched\"");
    book(h, ENDPOINT("we_failed", LIVE FAILED OLD PAYOUTS));
    expect(h, "/api/doctor", 200, "\"found\":\"we_failed: disabled, as attempts did nothing");
    metric_set(METRIC_ENDPOINTS_SEALED, 2);
    expect(h, "/api/doctor", 200, "nothing goes to 2 endpoints made by the API");
    metric_set(METRIC_ENDPOINTS_SEALED, 0);
    expect_none(h, "/api/doctor", "\"endpoints_sealed\"");
}

static void test_metrics(void **state) {
    struct house *h = *state;
    house_plan(h, "");
    static const char *const made[] = {
        ENDPOINT("we_1", LIVE ON OLD ALL), ENDPOINT("we_2", LIVE ON OLD ALL),
        ENDPOINT("we_3", LIVE ON OLD ALL), ENDPOINT("we_4", LIVE ON OLD PAYOUTS)};
    for (size_t i = 0; i < 4; i++)
        book(h, made[i]);
    house_stripe_event(h, "evt_1", "payout.paid", NULL, true);
    book(h, "{\"do\":\"endpoint_delete\",\"id\":\"we_1\",\"livemode\":true}");
    expect(h, "/metrics", 200, "hookkeep_backlog_deliveries{destination=\"we_2\"} 1\n");
    expect(h, "/metrics", 200, "hookkeep_backlog_deliveries{destination=\"we_other\"} 2\n");
    expect(h, "/metrics", 200, "hookkeep_destination_held{destination=\"we_other\"} 0\n");
    expect_none(h, "/metrics", "\"we_3\"");
    expect_none(h, "/metrics", "\"we_1\"");
    expect_none(h, "/metrics", "destination=\"we_other\"} -");
    // Nobody is late with what an endpoint that is disabled is owed.
    static const char late_not[] = "hookkeep_oldest_due_seconds{destination=\"we_2\"} 0.000\n";
    expect_none(h, "/metrics", late_not);
    book(h, "{\"do\":\"endpoint_update\",\"id\":\"we_2\",\"livemode\":true,\"set\":{"
            "\"enabled\":false}}");
    expect(h, "/metrics", 200, late_not);
    expect(h, "/metrics", 200, "hookkeep_backlog_deliveries{destination=\"we_2\"} 1\n");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        HOUSE_TEST(test_list),  HOUSE_TEST(test_explain), HOUSE_TEST(test_replay_plan),
        HOUSE_TEST(test_types), HOUSE_TEST(test_doctor),  HOUSE_TEST(test_metrics),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
