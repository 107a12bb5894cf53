// SPDX-License-Identifier: MIT
// Each route, with what it answers and what it refuses.
#include "desk_house.h"
#include "stripe/signature.h"

static void expect(const struct house *h, const char *method, const char *target, const char *body,
                   int status, const char *says) {
    OWN(reply_drop)
    struct reply r;
    call(h, method, target, body, &r);
    if (r.status != status || !reply_says(&r, says))
        fail_msg("%s %s %s: %d without `%s`: %.*s", method, target, body == NULL ? "" : body,
                 r.status, says, BYTES_ARG(r.body));
    if (status >= 400)
        assert_true(json_string(reply_at(&r, "error")).n > 0);
}

static void test_health(void **state) {
    struct house *h = *state;
    OWN(reply_drop)
    struct reply r;
    call_as(h, "GET", "/healthz", NULL, NULL, &r);
    assert_status(&r, 200);
    h->not_ready = true;
    OWN(reply_drop)
    struct reply not_ready;
    call_as(h, "GET", "/readyz", NULL, NULL, &not_ready);
    assert_status(&not_ready, 503);
    assert_says(&not_ready, "not booked yet");
    h->not_ready = false;
    OWN(reply_drop)
    struct reply ready;
    call_as(h, "GET", "/readyz", NULL, NULL, &ready);
    assert_status(&ready, 200);
}

static void test_paths(void **state) {
    struct house *h = *state;
    expect(h, "GET", "/api/event", NULL, 404, "did you mean /api/events");
    expect(h, "GET", "/nowhere/at/all", NULL, 404, "hookkeep-api(7)");
    OWN(reply_drop)
    struct reply r;
    call(h, "DELETE", "/api/keys", NULL, &r);
    assert_status(&r, 405);
    assert_true(bytes_search(r.head, B("Allow: GET, POST\r\n")) < r.head.n);
    expect(h, "POST", "/api/status", NULL, 405, "it takes GET");
}

#define TEST_EVENT(more_)                                                                          \
    "{\\\"id\\\":\\\"evt_1\\\",\\\"object\\\":\\\"event\\\",\\\"type\\\":\\\"a.b\\\","             \
    "\\\"created\\\":1" more_ "}"
#define TEST_MODE ",\\\"livemode\\\":false"

// The header that a request to sign was answered with holds under this secret alone.
static void check_signed(struct house *h, const char *body, const char *secret) {
    OWN(reply_drop)
    struct reply r;
    OWN(json_close)
    struct json_doc *asked = NULL;
    struct signature s;
    size_t which;
    const bytes key = bytes_of(secret);
    call(h, "POST", "/api/sign", body, &r);
    assert_status(&r, 200);
    assert_ok(json_parse(bytes_of(body), &asked));
    assert_int_equal(signature_parse(json_string(reply_at(&r, "signature")), &s), SIGNATURE_HOLDS);
    struct signature_ring *ring = signature_ring_open(&key, 1);
    struct signature_check *check = signature_check_open(ring, &s);
    bytes signed_body = json_string(json_get(json_root(asked), "body"));
    signature_check_add(check, signed_body);
    assert_int_equal(signature_check_finish(check, signed_body, s.time, 0, &which),
                     SIGNATURE_HOLDS);
    signature_ring_close(ring);
    assert_true(reply_says(&r, "\"addresses\":[\"http://127.0.0.1:4242\"]"));
    assert_false(reply_says(&r, "whsec_"));
}

static void test_sign(void **state) {
    struct house *h = *state;
    check_signed(h, "{\"body\":\"" TEST_EVENT(TEST_MODE) "\"}", "whsec_any");
    check_signed(h,
                 "{\"source\":\"/webhook\",\"body\":\"" TEST_EVENT(
                     TEST_MODE ",\\\"account\\\":\\\"acct_1\\\"") "\"}",
                 "whsec_connect");
    static const struct {
        const char *body;
        int status;
        const char *says;
    } rows[] = {
        {"{}", 400, "`body` is missing"},
        {"{\"body\":3}", 400, "`body` is missing"},
        {"{\"body\":\"x\"}", 400, "no event"},
        {"{\"body\":\"" TEST_EVENT("") "\"}", 400, "no event"},
        {"{\"body\":\"x\",\"source\":3}", 400, "`source` is the path"},
        {"{\"body\":\"x\",\"more\":3}", 400, "more"},
        {"{\"body\":\"" TEST_EVENT(TEST_MODE) "\",\"source\":\"/x\"}", 404, "no source /x"},
        {"{\"body\":\"" TEST_EVENT(",\\\"livemode\\\":true") "\"}", 409, "takes test events"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        expect(h, "POST", "/api/sign", rows[i].body, rows[i].status, rows[i].says);
}

#define SAME_PLAN                                                                                  \
    "{\"sources\":[{\"path\":\"/webhook\",\"owner\":\"main\",\"livemode\":\"both\","               \
    "\"tolerance_s\":300,\"secrets\":[{\"label\":\"default\",\"scope\":\"any\",\"fingerprint\":"   \
    "\"0123456789ab\"}]}],\"destinations\":[" DESTINATION("other", "null") "]}"

static void test_match_diff(void **state) {
    struct house *h = *state;
    static const struct {
        const char *target, *body;
        int status;
        const char *says;
    } rows[] = {
        {"/api/match/diff", NULL, 400, "`plan` is missing"},
        {"/api/match/diff", "{\"plan\":{\"sources\":3}}", 400, "no plan"},
        {"/api/match/diff", "{\"plna\":{}}", 400, "did you mean `plan`"},
        {"/api/match/diff?since=soon", "{\"plan\":" SAME_PLAN "}", 400, "RFC 3339"},
        {"/api/match/diff?limit=3", "{\"plan\":" SAME_PLAN "}", 400, "allowed: since, until"},
        {"/api/match/diff", "{\"plan\":" SAME_PLAN "}", 200,
         "\"name\":\"other\",\"change\":\"appears\""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        expect(h, "POST", rows[i].target, rows[i].body, rows[i].status, rows[i].says);
    OWN(reply_drop)
    struct reply r;
    call_with(h, "POST", "/api/match/diff", h->viewer_key, "{\"plan\":" SAME_PLAN "}", &r);
    assert_status(&r, 200);
    // A plan may be larger than what else is asked.
    OWN(text_drop)
    struct text large = {0};
    text_adds(&large, "{\"plan\":" SAME_PLAN ",\"more\":\"");
    while (large.n < (size_t)100 << 10)
        text_adds(&large, "0123456789abcdef");
    text_adds(&large, "\"}");
    expect(h, "POST", "/api/match/diff", text_str(&large), 400, "`more`");
    expect(h, "POST", "/api/replay", text_str(&large), 413, "over 65536 bytes");
}

static void test_parameters(void **state) {
    struct house *h = *state;
    static const struct {
        const char *target, *says;
    } rows[] = {
        {"/api/events?tpye=x", "did you mean `type`"},
        {"/api/events?colour=x", "allowed: id, type"},
        {"/api/status?x=1", "none is allowed"},
        {"/api/events?type=a&type=b", "given twice"},
        {"/api/events?type=", "is empty"},
        {"/api/events?limit=0", "a number over 0"},
        {"/api/events?limit=1001", "at most 1000"},
        {"/api/events?limit=-1", "a number over 0"},
        {"/api/events?before=18446744073709551615", "a number over 0"},
        {"/api/events?since=yesterday", "RFC 3339"},
        {"/api/events?livemode=live", "allowed: true, false"},
        {"/api/events?status=paid", "allowed: pending, done, failed, ignored"},
        {"/api/events?order=up", "allowed: newest, oldest"},
        {"/api/deliveries?state=lost", "allowed: due, taken"},
        {"/api/suspense?state=lost", "allowed: waiting, booked, dropped"},
        {"/api/deliveries/x", "a number over 0"},
        {"/api/suspense/0", "a number over 0"},
        {"/api/events/1/body?receipt=x", "a number over 0"},
        {"/api/events/tail?since=1", "unknown parameter"},
        {"/api/sightings/types?account=acct_1", "are of accounts"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        expect(h, "GET", rows[i].target, NULL, 400, rows[i].says);
    expect(h, "GET",
           "/api/events?since=2020-01-01&until=2099-01-01T00:00:00Z&limit=1000&order=oldest", NULL,
           200, "\"data\"");
    expect(h, "GET", "/api/events?", NULL, 200, "\"data\"");
    expect(h, "GET", "/api/events?type=charge%2e%2A&&since=1", NULL, 200, "\"data\"");
}

static void test_bodies(void **state) {
    struct house *h = *state;
    static const struct {
        const char *target, *body, *says;
    } rows[] = {
        {"/api/replay", NULL, "`events`"},
        {"/api/replay", "{", "no JSON object"},
        {"/api/replay", "[]", "no JSON object"},
        {"/api/replay", "{}", "`events`"},
        {"/api/replay", "{\"event\":[1]}", "did you mean `events`"},
        {"/api/replay", "{\"events\":1}", "`events`"},
        {"/api/replay", "{\"events\":[]}", "`events`"},
        {"/api/replay", "{\"events\":[null]}", "neither"},
        {"/api/replay", "{\"events\":[-1]}", "neither"},
        {"/api/replay", "{\"events\":[1.5]}", "neither"},
        {"/api/replay", "{\"events\":[1],\"events\":[2]}", "given twice"},
        {"/api/replay", "{\"events\":[1],\"to\":3}", "`to`"},
        {"/api/replay", "{\"events\":[1],\"to\":\"\"}", "`to`"},
        {"/api/keys", "{}", "`mode`"},
        {"/api/keys", "{\"mode\":\"root\"}", "`mode`"},
        {"/api/keys", "{\"mode\":\"viewer\",\"name\":1}", "`name`"},
        {"/api/keys", "{\"mode\":\"viewer\",\"nmae\":\"x\"}", "did you mean `name`"},
        {"/api/destinations/all/hold", "{\"reason\":[]}", "`reason`"},
        {"/api/destinations/all/release", "{\"reason\":\"\"}", "none is allowed"},
        {"/api/ledger/backup", "{}", "`file`"},
        {"/api/ledger/backup", "{\"file\":\"\"}", "`file`"},
        {"/api/ledger/backup", "{\"file\":\"a\\u0000b\"}", "`file`"},
        {"/api/deliveries/x/retry", NULL, "a number over 0"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        expect(h, "POST", rows[i].target, rows[i].body, 400, rows[i].says);
    expect(h, "GET", "/api/status", "{}", 400, "GET with a body");
}

static void test_large_body(void **state) {
    struct house *h = *state;
    OWN(text_drop)
    struct text body = {0};
    while (body.n < 70000)
        text_adds(&body, "          ");
    expect(h, "POST", "/api/replay", text_str(&body), 413, "error");
}

static void test_status(void **state) {
    struct house *h = *state;
    OWN(reply_drop)
    struct reply r;
    call(h, "GET", "/api/status", NULL, &r);
    assert_status(&r, 200);
    assert_int_equal(reply_number(&r, "generation"), (int64_t)h->generation);
    assert_int_equal(reply_number(&r, "ledger.booked"), (int64_t)ledger_booked(h->ledger));
    assert_true(json_equals_text(reply_at(&r, "sources.0.secrets.0.label"), B("default")));
    assert_true(json_equals_text(reply_at(&r, "key.mode"), B("operator")));
    assert_true(reply_number(&r, "uptime_ms") >= 0);
}

static void test_metrics(void **state) {
    struct house *h = *state;
    house_stripe_event(h, "evt_m", "charge.x", NULL, false);
    OWN(reply_drop)
    struct reply r;
    call(h, "GET", "/metrics", NULL, &r);
    assert_status(&r, 200);
    assert_says(&r, "hookkeep_desk_requests_total");
    assert_says(&r, "hookkeep_journal_used_bytes");
    assert_says(&r, "charges");
    assert_true(bytes_search(r.head, B("text/plain; version=0.0.4")) < r.head.n);
}

static void test_events(void **state) {
    struct house *h = *state;
    uint64_t first = house_stripe_event(h, "evt_a", "charge.succeeded", NULL, true);
    uint64_t second = house_stripe_event(h, "evt_b", "customer.created", "acct_1", false);
    char path[128], says[128];
    OWN(reply_drop)
    struct reply r;
    call(h, "GET", "/api/events", NULL, &r);
    assert_status(&r, 200);
    assert_int_equal(reply_number(&r, "data.0.seq"), (int64_t)second);
    assert_int_equal(reply_number(&r, "data.1.seq"), (int64_t)first);
    assert_true(json_equals_text(reply_at(&r, "data.1.livemode"), B("true")));
    assert_true(json_equals_text(reply_at(&r, "data.1.object_id"), B("ob_evt_a")));
    assert_true(json_equals_text(reply_at(&r, "data.1.status"), B("pending")));
    assert_true(json_equals_text(reply_at(&r, "has_more"), B("false")));
    expect(h, "GET", "/api/sightings/accounts", NULL, 200, "\"account\":\"acct_1\"");
    expect(h, "GET", "/api/sightings/secrets", NULL, 200, "\"secret_label\":\"default\"");
    expect(h, "GET", "/api/sightings/versions", NULL, 200, "2025-03-31.basil");
    expect(h, "GET", "/api/sightings/types?livemode=true", NULL, 200, "\"livemode\":true");
    expect(h, "GET", "/api/types?seen=yes", NULL, 400, "`seen` is yes; true is expected");
    OWN(reply_drop)
    struct reply types;
    call(h, "GET", "/api/types?seen=true", NULL, &types);
    assert_true(json_equals_text(reply_at(&types, "data.0.type"), B("charge.succeeded")));
    assert_true(json_equals_text(reply_at(&types, "data.0.tables.0"), B("charges")));
    assert_true(json_equals_text(reply_at(&types, "data.1.type"), B("customer.created")));
    assert_int_equal(reply_number(&types, "data.1.receipts"), 1);
    assert_true(reply_number(&types, "data.1.first_at") > 0);
    assert_int_equal(json_type(reply_at(&types, "data.2")), JSON_ABSENT);
    expect(h, "GET", "/api/types?type=charge.ref*&taken=true", NULL, 200,
           "{\"name\":\"charges\",\"destination\":\"charges\",\"handler\":null,"
           "\"description\":\"\"}],\"takers_more\":0}");
    // What each source was sent is not known here; the rest is.
    expect(h, "GET", "/api/doctor", NULL, 200,
           "\"check\":\"livemodes_mix\",\"severity\":\"warning\"");
    expect(h, "GET", "/api/sightings/account", NULL, 404, "there are accounts, secrets");
    expect(h, "GET", "/api/events?type=charge.*", NULL, 200, "evt_a");
    expect(h, "GET", "/api/events?account=acct_1", NULL, 200, "evt_b");
    expect(h, "GET", "/api/events?limit=1", NULL, 200, "\"has_more\":true");
    OWN(reply_drop)
    struct reply platform;
    call(h, "GET", "/api/events?account=platform", NULL, &platform);
    assert_says(&platform, "evt_a");
    assert_false(reply_says(&platform, "evt_b"));
    snprintf(says, sizeof says, "\"seq\":%llu", (unsigned long long)first);
    expect(h, "GET", "/api/events/evt_a", NULL, 200, says);
    snprintf(path, sizeof path, "/api/events/%llu", (unsigned long long)first);
    expect(h, "GET", path, NULL, 200, "\"evt_a\"");
    expect(h, "GET", path, NULL, 200, "\"receipts\":[{");
    expect(h, "GET", path, NULL, 200, "\"deliveries\":[{");
    expect(h, "GET", "/api/events/evt_none", NULL, 404, "no event evt_none");
    expect(h, "GET", "/api/events/99999", NULL, 404, "no event");
    expect(h, "GET", "/api/events/evt%5fa", NULL, 200, says);
}

static void test_body(void **state) {
    struct house *h = *state;
    const char *body = "{ \"id\":\"evt_body\", \"object\":\"event\",\"type\":\"a.b\",\"created\":1,"
                       "\"livemode\":false ,\"data\":{\"object\":{\"x\":1.0}}}";
    uint64_t seq = house_event(h, "/webhook", body);
    OWN(reply_drop)
    struct reply r;
    call(h, "GET", "/api/events/evt_body/body", NULL, &r);
    assert_status(&r, 200);
    assert_true(bytes_equal(r.body, bytes_of(body)));
    char path[128];
    snprintf(path, sizeof path, "/api/events/evt_body/body?receipt=%llu", (unsigned long long)seq);
    expect(h, "GET", path, NULL, 200, "1.0");
    expect(h, "GET", "/api/events/evt_body/body?receipt=77777", NULL, 404, "receipt");
    expect(h, "GET", "/api/events/evt_none/body", NULL, 404, "no event");
}

static void test_one_id_two_events(void **state) {
    struct house *h = *state;
    house_stripe_event(h, "evt_twice", "a.b", "acct_1", true);
    house_stripe_event(h, "evt_twice", "a.b", NULL, true);
    house_stripe_event(h, "evt_twice", "a.b", NULL, false);
    OWN(reply_drop)
    struct reply r;
    call(h, "GET", "/api/events/evt_twice", NULL, &r);
    assert_status(&r, 409);
    assert_int_equal(json_size(reply_at(&r, "events")), 3);
    expect(h, "GET", "/api/events/evt_twice?account=acct_1", NULL, 200, "acct_1");
    expect(h, "GET", "/api/events/evt_twice?account=platform", NULL, 409, "2 events");
    expect(h, "GET", "/api/events/evt_twice?livemode=false", NULL, 200, "\"livemode\":false");
    expect(h, "GET", "/api/events/evt_twice/body?livemode=false", NULL, 200, "evt_twice");
    expect(h, "GET", "/api/events/evt_twice/explain?account=acct_1", NULL, 200, "receipts");
    expect(h, "GET", "/api/events/evt_twice?owner=nobody", NULL, 404, "no event");
    expect(h, "POST", "/api/replay", "{\"events\":[\"evt_twice\"]}", 409, "3 events");
}

static void test_explain(void **state) {
    struct house *h = *state;
    house_stripe_event(h, "evt_x", "customer.created", NULL, true);
    OWN(reply_drop)
    struct reply r;
    call(h, "GET", "/api/events/evt_x/explain", NULL, &r);
    assert_status(&r, 200);
    assert_true(json_equals_text(reply_at(&r, "receipts.0.destinations.0.name"), B("all")));
    assert_true(json_true(reply_at(&r, "receipts.0.destinations.0.gets")));
    assert_int_equal(json_type(reply_at(&r, "receipts.0.destinations.0.deliveries.0.seq")),
                     JSON_NUMBER);
    assert_true(json_equals_text(reply_at(&r, "receipts.0.destinations.1.gets"), B("false")));
    assert_int_equal(json_type(reply_at(&r, "receipts.0.destinations.1.then")), JSON_NULL);
    assert_true(json_string(reply_at(&r, "receipts.0.destinations.1.why")).n > 0);

    // Another plan: what the receipt's own decided is told beside it.
    house_plan(h, DESTINATION("late", "null") "," DESTINATION("charges", "null"));
    OWN(reply_drop)
    struct reply later;
    call(h, "GET", "/api/events/evt_x/explain", NULL, &later);
    assert_status(&later, 200);
    assert_true(json_true(reply_at(&later, "receipts.0.destinations.0.gets"))); // late
    assert_true(
        json_equals_text(reply_at(&later, "receipts.0.destinations.0.then.gets"), B("false")));
    assert_true(json_true(reply_at(&later, "receipts.0.destinations.1.gets"))); // charges
    assert_true(json_equals_text(reply_at(&later, "receipts.0.destinations.2.name"), B("all")));
    assert_true(json_equals_text(reply_at(&later, "receipts.0.destinations.2.gets"), B("false")));
    assert_true(json_true(reply_at(&later, "receipts.0.destinations.2.then.gets")));
    assert_true(json_equals_text(reply_at(&later, "receipts.0.destinations.2.deliveries.0.state"),
                                 B("cancelled")));
    expect(h, "GET", "/api/events/evt_none/explain", NULL, 404, "no event");
    expect(h, "GET", "/api/events/424242/explain", NULL, 404, "no event");
}

#define SITE_PLAN                                                                                  \
    DESTINATION("all", "null")                                                                     \
    "],\"sites\":[{\"name\":\"shop\",\"late\":\"route\",\"claims\":[{\"where\":[{\"path\":"        \
    "\"data.object.site\",\"values\":[\"shop\"]}]}]}"
#define SITE_EVENT(id_, account_, object_)                                                         \
    "{\"id\":\"" id_ "\",\"object\":\"event\",\"type\":\"a.b\",\"created\":1,"                     \
    "\"livemode\":false," account_ "\"data\":{\"object\":{" object_ "}}}"

static void test_sites(void **state) {
    struct house *h = *state;
    expect(h, "GET", "/api/sites", NULL, 200, "{\"data\":[],");
    expect(h, "POST", "/api/sites/learn", "{\"events\":[1]}", 409, "has no sites");
    house_plan(h, SITE_PLAN);
    house_event(
        h, "/webhook",
        SITE_EVENT("evt_1", "", "\"id\":\"ch_1\",\"object\":\"charge\",\"customer\":\"cus_1\""));
    house_event(h, "/webhook", SITE_EVENT("evt_2", "", "\"id\":\"p\",\"object\":\"product\""));
    house_event(h, "/webhook",
                SITE_EVENT("evt_3", "\"account\":\"acct_1\",",
                           "\"id\":\"p\",\"object\":\"product\",\"site\":\"shop\""));
    expect(h, "GET", "/api/sites", NULL, 200, "data.object.site is shop");
    expect(h, "GET", "/api/sites/unclaimed", NULL, 200, "{\"events\":2,");
    expect(h, "GET", "/api/sites/contradictions", NULL, 200, "{\"data\":[],\"has_more\":false}");
    expect(h, "GET", "/api/events?site=shop", NULL, 200, "evt_3");
    expect(h, "GET", "/api/events?site=ship", NULL, 400, "no site was ever called so");
    expect(h, "GET", "/api/events/evt_3/explain", NULL, 200, "\"site\":{\"name\":\"shop\"");
    expect(h, "GET", "/api/objects/cus_1", NULL, 200, "\"chain\":[]");
    expect(h, "GET", "/api/objects/cus_0", NULL, 404, "there is no object cus_0");
    expect(h, "GET", "/api/objects/99", NULL, 404, "no object of this number");
    expect(h, "GET", "/api/objects/p", NULL, 409, "2 objects have the id p");
    expect(h, "GET", "/api/objects/p?account=acct_1", NULL, 200, "acct_1/product:p");
    expect(h, "GET", "/api/objects/acct_1%2fproduct:p", NULL, 200, "\"site\":\"shop\"");
    expect(h, "GET", "/api/sightings/sites", NULL, 200, "\"site\":\"shop\"");
    // Digits are a number, and an id that a user may have chosen.
    house_event(h, "/webhook", SITE_EVENT("evt_4", "", "\"id\":\"77\",\"object\":\"product\""));
    house_event(h, "/webhook", SITE_EVENT("evt_5", "", "\"id\":\"1\",\"object\":\"product\""));
    expect(h, "GET", "/api/objects/77", NULL, 200, "\"key\":\"product:77\"");
    expect(h, "GET", "/api/objects/77?owner=nobody", NULL, 404, "no object of this number");
    expect(h, "GET", "/api/objects/2", NULL, 200, "\"number\":2,");
    expect(h, "GET", "/api/objects/1", NULL, 409,
           "2 objects have the id or number 1; name one by its key");
    expect(h, "GET", "/api/objects/product:1", NULL, 200, "\"id\":\"1\"");
    expect(h, "POST", "/api/objects/77/assign", "{\"site\":\"shop\"}", 200, "\"routed\":1}");
}

static void test_sites_by_hand(void **state) {
    struct house *h = *state;
    house_plan(h, SITE_PLAN);
    uint64_t seq = house_event(
        h, "/webhook",
        SITE_EVENT("evt_1", "", "\"id\":\"ch_1\",\"object\":\"charge\",\"customer\":\"cus_1\""));
    static const struct {
        const char *target, *body;
        int status;
        const char *says;
    } rows[] = {
        {"/api/objects/cus_1/assign", "{\"site\":\"ship\"}", 409, "no site of this name"},
        {"/api/objects/cus_1/assign", "{}", 400, "a site's name, or null"},
        {"/api/objects/cus_1/assign", "{\"site\":3}", 400, "a site's name, or null"},
        {"/api/objects/cus_2/assign", "{\"site\":\"shop\"}", 404, "there is no object cus_2"},
        {"/api/objects/99/assign", "{\"site\":\"shop\"}", 409, "no event has named such"},
        {"/api/objects/cus_1/assign", "{\"site\":\"shop\"}", 200, "{\"ok\":true,\"routed\":1}"},
        {"/api/objects/cus_1/assign?livemode=false", "{\"site\":null}", 200, "\"routed\":0"},
        {"/api/sites/learn", "{}", 400, "1 to 500 event numbers"},
        {"/api/sites/learn", "{\"events\":[\"1\"]}", 400, "1 to 500 event numbers"},
        {"/api/sites/learn", "{\"events\":[0]}", 400, "1 to 500 event numbers"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        expect(h, "POST", rows[i].target, rows[i].body, rows[i].status, rows[i].says);
    char body[64];
    snprintf(body, sizeof body, "{\"events\":[%llu,99]}", (unsigned long long)seq);
    expect(h, "POST", "/api/sites/learn", body, 200, "\"learnt\":1,\"routed\":0}");
}

static void test_replay(void **state) {
    struct house *h = *state;
    uint64_t seq = house_stripe_event(h, "evt_r", "charge.x", NULL, true);
    char body[128];
    snprintf(body, sizeof body, "{\"events\":[%llu,\"evt_r\",\"%llu\"],\"to\":\"all\"}",
             (unsigned long long)seq, (unsigned long long)seq);
    OWN(reply_drop)
    struct reply r;
    call(h, "POST", "/api/replay", body, &r);
    assert_status(&r, 200);
    assert_int_equal(json_size(reply_at(&r, "deliveries")), 3);
    expect(h, "POST", "/api/replay", "{\"events\":[\"evt_r\"]}", 200, "\"refused\":[]");
    expect(h, "POST", "/api/replay", "{\"events\":[\"evt_r\"],\"to\":null}", 200, "\"ok\":true");
    expect(h, "POST", "/api/replay", "{\"events\":[\"evt_r\"],\"to\":\"none\"}", 200, "\"why\"");
    expect(h, "POST", "/api/replay", "{\"events\":[\"evt_none\"]}", 404, "no event evt_none");
    expect(h, "POST", "/api/replay", "{\"events\":[999999]}", 200, "no such event");
    OWN(text_drop)
    struct text many = {0};
    text_adds(&many, "{\"events\":[1");
    for (int i = 0; i < 500; i++)
        text_adds(&many, ",1");
    text_adds(&many, "]}");
    expect(h, "POST", "/api/replay", text_str(&many), 400, "1 to 500");
}

#define MATCH_SOURCE_B                                                                             \
    "[{\"types\":[],\"accounts\":[],\"sources\":[\"/b\"],\"secrets\":[],\"scope\":\"any\","        \
    "\"where\":[]}]"

// A dry run says who would get it by any of its receipts, as the replay then does.
static void test_replay_plan(void **state) {
    struct house *h = *state;
    const char *body = "{\"id\":\"evt_b\",\"object\":\"event\",\"type\":\"charge.x\","
                       "\"created\":1,\"livemode\":true,\"data\":{\"object\":{}}}";
    house_plan(h, DESTINATION("by_b", MATCH_SOURCE_B) "," DESTINATION("charges", MATCH_CHARGES));
    house_event(h, "/webhook", body);
    expect(h, "POST", "/api/replay/plan", "{\"events\":[\"evt_b\"]}", 200, "\"to\":[\"charges\"]");
    house_event(h, "/b", body);
    expect(h, "POST", "/api/replay/plan", "{\"events\":[\"evt_b\"]}", 200,
           "\"to\":[\"charges\",\"by_b\"]");
    expect(h, "POST", "/api/replay/plan", "{\"events\":[\"evt_b\"],\"to\":\"by_b\"}", 200,
           "\"to\":[\"by_b\"]");
    OWN(reply_drop)
    struct reply r;
    call(h, "POST", "/api/replay", "{\"events\":[\"evt_b\"]}", &r);
    assert_status(&r, 200);
    assert_int_equal(json_size(reply_at(&r, "deliveries")), 2);
    assert_int_equal(json_size(reply_at(&r, "refused")), 0);
}

// As the operator, with this Idempotency-Key.
static void call_once(const struct house *h, const char *target, const char *key, const char *body,
                      struct reply *r) {
    OWN(text_drop)
    struct text headers = {0};
    text_addf(&headers, "Bearer %s\r\nIdempotency-Key: %s", h->operator_key, key);
    call_as(h, "POST", target, text_str(&headers), body, r);
}

static void test_idempotency_key(void **state) {
    struct house *h = *state;
    house_stripe_event(h, "evt_i", "charge.x", NULL, true);
    static const char body[] = "{\"events\":[\"evt_i\"],\"to\":\"all\"}";
    OWN(reply_drop)
    struct reply first, again, after, other;
    call_once(h, "/api/replay", "run-1", body, &first);
    assert_status(&first, 200);
    call_once(h, "/api/replay", "run-1", body, &again);
    assert_status(&again, 200);
    assert_true(bytes_equal(first.body, again.body));
    call_once(h, "/api/replay", "run-2", body, &after);
    assert_int_equal(reply_number(&after, "deliveries.0"),
                     reply_number(&first, "deliveries.0") + 1);
    call_once(h, "/api/replay", "run-1", "{\"events\":[\"evt_i\"]}", &other);
    assert_status(&other, 409);
    assert_says(&other, "another command");
}

static void test_idempotency_keys_that_are_none(void **state) {
    struct house *h = *state;
    OWN(text_drop)
    struct text long_one = {0};
    for (int i = 0; i < 256; i++)
        text_addc(&long_one, 'k');
    const char *const bad[] = {"", "two words", "\xc3\xa4", "a\r\nIdempotency-Key: a",
                               text_str(&long_one)};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        OWN(reply_drop)
        struct reply r;
        call_once(h, "/api/replay", bad[i], "{\"events\":[1]}", &r);
        assert_status(&r, 400);
        assert_says(&r, "Idempotency-Key is one text");
    }
    OWN(reply_drop)
    struct reply r;
    call_once(h, "/api/keys", "k", "{\"mode\":\"viewer\"}", &r);
    assert_status(&r, 400);
}

static void test_deliveries(void **state) {
    struct house *h = *state;
    house_stripe_event(h, "evt_d", "charge.x", NULL, true);
    OWN(reply_drop)
    struct reply r;
    call(h, "GET", "/api/deliveries?destination=all&order=oldest", NULL, &r);
    assert_status(&r, 200);
    assert_int_equal(json_size(reply_at(&r, "data")), 1);
    assert_true(json_equals_text(reply_at(&r, "data.0.event_id"), B("evt_d")));
    assert_true(json_equals_text(reply_at(&r, "data.0.state"), B("due")));
    char path[128];
    long long n = (long long)reply_number(&r, "data.0.seq");
    snprintf(path, sizeof path, "/api/deliveries/%lld", n);
    expect(h, "GET", path, NULL, 200, "\"attempts");
    expect(h, "GET", "/api/deliveries?event=evt_d&state=due", NULL, 200, "evt_d");
    expect(h, "GET", "/api/deliveries/99999", NULL, 404, "no such delivery");
    snprintf(path, sizeof path, "/api/deliveries/%lld/cancel", n);
    expect(h, "POST", path, "{}", 200, "\"ok\":true");
    expect(h, "POST", path, NULL, 409, "ended already");
    expect(h, "GET", "/api/deliveries?state=cancelled", NULL, 200, "evt_d");
    snprintf(path, sizeof path, "/api/deliveries/%lld/retry", n);
    expect(h, "POST", path, NULL, 200, "\"ok\":true");
    expect(h, "POST", "/api/deliveries/99999/retry", NULL, 404, "no such delivery");
}

static void test_destinations(void **state) {
    struct house *h = *state;
    expect(h, "GET", "/api/destinations", NULL, 200, "\"charges\"");
    expect(h, "GET", "/api/destinations/charges", NULL, 200, "\"charges\"");
    expect(h, "GET", "/api/destinations/nobody", NULL, 404, "there are: all, charges");
    expect(h, "POST", "/api/destinations/all/hold", "{\"reason\":\"for \\\"a\\\" while\"}", 200,
           "\"ok\":true");
    expect(h, "GET", "/api/destinations/all", NULL, 200, "for \\\"a\\\" while");
    expect(h, "POST", "/api/destinations/all/hold", NULL, 409, "held already");
    expect(h, "POST", "/api/destinations/all/release", NULL, 200, "\"ok\":true");
    expect(h, "POST", "/api/destinations/all/release", NULL, 409, "not held");
    expect(h, "POST", "/api/destinations/nobody/hold", NULL, 404, "no such destination");
}

static void test_suspense(void **state) {
    struct house *h = *state;
    uint64_t position = house_append(h, RECORD_EVENT, B("not a receipt"));
    char path[128];
    expect(h, "GET", "/api/suspense?state=waiting", NULL, 200, "\"waiting\"");
    snprintf(path, sizeof path, "/api/suspense/%llu", (unsigned long long)position);
    expect(h, "GET", path, NULL, 200, "reason");
    expect(h, "GET", "/api/suspense/77777", NULL, 404, "nothing is suspended");
    snprintf(path, sizeof path, "/api/suspense/%llu/book", (unsigned long long)position);
    expect(h, "POST", path, NULL, 409, "error");
    snprintf(path, sizeof path, "/api/suspense/%llu/drop", (unsigned long long)position);
    expect(h, "POST", path, NULL, 200, "\"ok\":true");
    expect(h, "POST", path, NULL, 409, "already");
    expect(h, "POST", "/api/suspense/77777/drop", NULL, 404, "nothing is suspended");
}

static void test_keys(void **state) {
    struct house *h = *state;
    OWN(reply_drop)
    struct reply r;
    call(h, "POST", "/api/keys", "{\"mode\":\"operator\"}", &r);
    assert_status(&r, 200);
    char key[DESK_KEY_MAX];
    bytes text = json_string(reply_at(&r, "key"));
    snprintf(key, sizeof key, "%.*s", BYTES_ARG(text));
    OWN(reply_drop)
    struct reply list;
    call_with(h, "GET", "/api/keys", key, NULL, &list);
    assert_status(&list, 200);
    assert_int_equal(json_size(reply_at(&list, "data")), 7);
    expect(h, "POST", "/api/keys/key_none/revoke", NULL, 404, "no key");
}

static void test_backup_and_verify(void **state) {
    struct house *h = *state;
    house_stripe_event(h, "evt_backup", "a.b", NULL, true);
    char body[256];
    snprintf(body, sizeof body, "{\"file\":\"%s/copy.db\"}", h->world.folder);
    expect(h, "POST", "/api/ledger/backup", body, 200, "copy.db");
    expect(h, "POST", "/api/ledger/backup", body, 409, "exists");
    expect(h, "POST", "/api/ledger/backup", "{\"file\":\"/nowhere/at/all/x.db\"}", 409,
           "no backup");
    expect(h, "POST", "/api/ledger/verify", NULL, 200, "{\"ok\":true,\"ledger\":{\"ok\":true");
    OWN(text_drop)
    struct text why = {0};
    OWN(text_drop)
    struct text rows = {0};
    struct reader *copy = NULL;
    snprintf(body, sizeof body, "%s/copy.db", h->world.folder);
    assert_ok(reader_open(body, &copy, &why));
    assert_ok(reader_events(copy, &(struct list_filter){0}, &rows));
    assert_true(bytes_search(text_bytes(&rows), B("evt_backup")) < rows.n);
    reader_close(copy);
}

static void test_no_room(void **state) {
    struct house *h = *state;
    size_t taken[4096], n = 0, size = 8 << 20;
    while (size >= 1) {
        if (n < 4096 && journal_credit_take(h->journal, CREDIT_INNER, size, &taken[n]))
            n++;
        else
            size /= 2;
    }
    OWN(reply_drop)
    struct reply r;
    call(h, "POST", "/api/destinations/all/hold", NULL, &r);
    assert_status(&r, 503);
    assert_says(&r, "no room");
    assert_true(bytes_search(r.head, B("Retry-After: ")) < r.head.n);
    while (n > 0)
        journal_credit_give(h->journal, taken[--n]);
    expect(h, "POST", "/api/destinations/all/hold", NULL, 200, "ok");
}

static result append_fails(struct journal_store *s, struct record *records, size_t n,
                           int64_t wall_ms) {
    FAIL(IO, "the disk is gone");
}

static void test_journal_failed(void **state) {
    struct house *h = *state;
    h->records->append = append_fails;
    expect(h, "POST", "/api/destinations/all/hold", NULL, 503, "could not be made durable");
    expect(h, "POST", "/api/destinations/all/hold", NULL, 503, "the journal failed");
    expect(h, "GET", "/api/status", NULL, 200, "\"failed\":true");
}

static void test_keep_alive(void **state) {
    struct house *h = *state;
    char bearer[128];
    snprintf(bearer, sizeof bearer, "Bearer %s", h->viewer_key);
    int fd = client_connect(h);
    for (int i = 0; i < 3; i++) {
        OWN(reply_drop)
        struct reply r = {0};
        client_send(fd, "GET", "/api/status", bearer, NO_BYTES);
        client_receive(fd, &r);
        assert_status(&r, 200);
    }
    close(fd);
}

static void test_listen_attempts(void **state) {
    struct house *h = *state;
    OWN(reply_drop)
    struct reply r = {0};
    uint64_t test = house_stripe_event(h, "evt_t", "charge.failed", NULL, false);
    uint64_t live = house_stripe_event(h, "evt_l", "charge.failed", NULL, true);
    char body[512];
    snprintf(body, sizeof body,
             "{\"from\":\"laptop\",\"attempts\":[{\"event\":%llu,\"url\":\"http://l/\",\"status\""
             ":500,\"started_at\":1700000000000,\"micros\":12,\"answer\":\"no \\u0000 way\"},"
             "{\"event\":\"evt_t\",\"error\":\"nobody there\"}]}",
             (unsigned long long)test);
    call_with(h, "POST", "/api/listen/attempts", h->reading_key, body, &r);
    assert_status(&r, 200);
    assert_int_equal(reply_number(&r, "booked"), 2);
    reply_drop(&r);
    call(h, "GET", "/api/events/evt_t", "", &r);
    assert_status(&r, 200);
    assert_int_equal(reply_number(&r, "listened.0.status"), 500);
    assert_says(&r, "\"device\":\"laptop\"");
    assert_says(&r, "\"answer\":\"no \\u0000 way\"");
    assert_true(json_type(reply_at(&r, "listened.1.status")) == JSON_NULL);
    char id[DESK_KEY_ID_MAX];
    desk_key_id(bytes_of(h->reading_key), id);
    assert_says(&r, id);
    reply_drop(&r);

    // A key sees events of its livemode alone, by number and by id; an operator's all.
    for (int i = 0; i < 3; i++) {
        snprintf(body, sizeof body,
                 i == 1 ? "{\"attempts\":[{\"event\":\"evt_l\"}]}"
                        : "{\"attempts\":[{\"event\":%llu}]}",
                 (unsigned long long)live);
        call_with(h, "POST", "/api/listen/attempts", i == 2 ? h->viewer_key : h->test_key, body,
                  &r);
        assert_status(&r, i == 2 ? 200 : 404);
        reply_drop(&r);
    }
    static const char *const bad[] = {
        "{\"attempts\":[]}", "{\"attempts\":[{}]}", "{\"attempts\":[{\"event\":1,\"more\":1}]}",
        "{\"attempts\":[{\"event\":1,\"status\":\"200\"}]}", "{\"from\":1,\"attempts\":[1]}"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        call(h, "POST", "/api/listen/attempts", bad[i], &r);
        assert_status(&r, 400);
        reply_drop(&r);
    }
    call(h, "POST", "/api/listen/attempts", "{\"attempts\":[{\"event\":99999}]}", &r);
    assert_says(&r, "there is no such event");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        HOUSE_TEST(test_health),
        HOUSE_TEST(test_paths),
        HOUSE_TEST(test_sign),
        HOUSE_TEST(test_match_diff),
        HOUSE_TEST(test_parameters),
        HOUSE_TEST(test_bodies),
        HOUSE_TEST(test_large_body),
        HOUSE_TEST(test_status),
        HOUSE_TEST(test_metrics),
        HOUSE_TEST(test_events),
        HOUSE_TEST(test_body),
        HOUSE_TEST(test_one_id_two_events),
        HOUSE_TEST(test_explain),
        HOUSE_TEST(test_sites),
        HOUSE_TEST(test_sites_by_hand),
        HOUSE_TEST(test_replay),
        HOUSE_TEST(test_replay_plan),
        HOUSE_TEST(test_idempotency_key),
        HOUSE_TEST(test_idempotency_keys_that_are_none),
        HOUSE_TEST(test_deliveries),
        HOUSE_TEST(test_destinations),
        HOUSE_TEST(test_suspense),
        HOUSE_TEST(test_keys),
        HOUSE_TEST(test_listen_attempts),
        HOUSE_TEST(test_no_room),
        HOUSE_TEST(test_backup_and_verify),
        HOUSE_TEST(test_keep_alive),
        HOUSE_TEST(test_journal_failed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
