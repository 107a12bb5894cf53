// SPDX-License-Identifier: MIT
// Who may ask what: every row of desk/routes.def with every kind of key.
#include "desk_house.h"

#include "desk/auth.h"
#include "desk/routes.h"

static const struct {
    const char *method, *path;
    enum access access;
} rows[] = {
#define ROUTE(id, method, path, access, doc) {method, path, ACCESS_##access},
#include "desk/routes.def"
#undef ROUTE
};

static const char *path_of(size_t i) {
    static char path[128];
    const char *open = strchr(rows[i].path, '{'), *shut = strchr(rows[i].path, '}');
    if (open == NULL)
        return rows[i].path;
    snprintf(path, sizeof path, "%.*s9999%s", (int)(open - rows[i].path), rows[i].path, shut + 1);
    return path;
}

static void expect_401(const struct house *h, size_t i, const char *authorization) {
    OWN(reply_drop)
    struct reply r;
    call_as(h, rows[i].method, path_of(i), authorization, NULL, &r);
    if (rows[i].access == ACCESS_NOBODY) {
        bool socket = strcmp(rows[i].path, "/v1/stripecli/listen") == 0; // and this is none
        assert_status(&r, socket ? 400 : 200);
        return;
    }
    if (r.status != 401)
        fail_msg("%s %s: %d", rows[i].method, rows[i].path, r.status);
    assert_true(bytes_search(r.head, B("WWW-Authenticate: Bearer")) < r.head.n);
    assert_says(&r, "\"error\"");
    assert_false(reply_says(&r, "hk_"));
    assert_false(reply_says(&r, "canary"));
}

static void test_no_valid_key(void **state) {
    struct house *h = *state;
    char revoked[128];
    snprintf(revoked, sizeof revoked, "Bearer %s", h->revoked_key);
    const char *const bad[] = {
        NULL,
        "Bearer",
        "Bearer x",
        "Bearer hk_operator_0000000000000000000000000000000A",
        "Basic !!!!",
        "Basic eDp5",
        "Bearer sk_test_hk00000000000000000000000000000000",
        "Bearer sk_live_51canary0000000000000000",
        "Digest x",
        revoked,
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        for (size_t k = 0; k < sizeof bad / sizeof bad[0]; k++)
            expect_401(h, i, bad[k]);
}

// What each kind of key may do, of every row; 403 for the rest.
static void expect_access(const struct house *h, const char *key, enum access least,
                          enum access most) {
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (strcmp(rows[i].path, "/api/events/tail") == 0)
            continue; // does not end; test_desk_tail.c
        OWN(reply_drop)
        struct reply r;
        call_with(h, rows[i].method, path_of(i), key, NULL, &r);
        bool may = rows[i].access == ACCESS_NOBODY || rows[i].access == ACCESS_KEY ||
                   (rows[i].access >= least && rows[i].access <= most);
        if ((r.status != 403) != may || r.status == 401 || r.status >= 500)
            fail_msg("%s %s: %d", rows[i].method, rows[i].path, r.status);
    }
}

static void test_viewer(void **state) {
    struct house *h = *state;
    expect_access(h, h->viewer_key, ACCESS_VIEWER, ACCESS_VIEWER);
}

static void test_operator(void **state) {
    struct house *h = *state;
    expect_access(h, h->operator_key, ACCESS_VIEWER, ACCESS_OPERATOR);
}

static void test_stripe(void **state) {
    struct house *h = *state;
    expect_access(h, h->test_key, ACCESS_STRIPE_VIEWER, ACCESS_STRIPE_CHANGER);
    expect_access(h, h->live_key, ACCESS_STRIPE_VIEWER, ACCESS_STRIPE_CHANGER);
    expect_access(h, h->reading_key, ACCESS_STRIPE_VIEWER, ACCESS_STRIPE_VIEWER);
}

static void test_basic(void **state) {
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    struct house *h = *state;
    char plain[128], header[256] = "basic ";
    size_t n = (size_t)snprintf(plain, sizeof plain, "%s:", h->viewer_key), out = strlen(header);
    for (size_t i = 0; i < n; i += 3) {
        uint32_t v = (uint32_t)(uint8_t)plain[i] << 16 |
                     (i + 1 < n ? (uint32_t)(uint8_t)plain[i + 1] << 8 : 0) |
                     (i + 2 < n ? (uint32_t)(uint8_t)plain[i + 2] : 0);
        header[out++] = alphabet[v >> 18 & 63];
        header[out++] = alphabet[v >> 12 & 63];
        header[out++] = i + 1 < n ? alphabet[v >> 6 & 63] : '=';
        header[out++] = i + 2 < n ? alphabet[v & 63] : '=';
    }
    header[out] = '\0';
    OWN(reply_drop)
    struct reply r;
    call_as(h, "GET", "/api/status", header, NULL, &r);
    assert_status(&r, 200);
    assert_true(json_equals_text(reply_at(&r, "key.mode"), B("viewer")));
}

// A key that is in the cache is out of it at once when it is revoked.
static void test_revoked_at_once(void **state) {
    struct house *h = *state;
    OWN(reply_drop)
    struct reply made;
    call(h, "POST", "/api/keys", "{\"mode\":\"viewer\",\"name\":\"short\"}", &made);
    assert_status(&made, 200);
    char key[DESK_KEY_MAX], path[64];
    bytes text = json_string(reply_at(&made, "key")), id = json_string(reply_at(&made, "id"));
    snprintf(key, sizeof key, "%.*s", BYTES_ARG(text));
    snprintf(path, sizeof path, "/api/keys/%.*s/revoke", BYTES_ARG(id));
    for (int i = 0; i < 2; i++) {
        OWN(reply_drop)
        struct reply r;
        call_with(h, "GET", "/api/status", key, NULL, &r);
        assert_status(&r, 200);
    }
    OWN(reply_drop)
    struct reply gone;
    call(h, "POST", path, NULL, &gone);
    assert_status(&gone, 200);
    OWN(reply_drop)
    struct reply after;
    call_with(h, "GET", "/api/status", key, NULL, &after);
    assert_status(&after, 401);
    OWN(reply_drop)
    struct reply twice;
    call(h, "POST", path, "{}", &twice);
    assert_status(&twice, 409);
    OWN(reply_drop)
    struct reply list;
    call(h, "GET", "/api/keys", NULL, &list);
    assert_status(&list, 200);
    assert_says(&list, "\"short\"");
    assert_false(reply_says(&list, "hash"));
    assert_false(reply_says(&list, "hk_"));
}

// Known from the start that made it until it is revoked or booked; after that the books say.
static void test_first_key(void **state) {
    static const char key[] = "hk_operator_0000000000000000000000000000000B";
    struct auth_cache cache = {0};
    struct caller who = {0};
    char id[DESK_KEY_ID_MAX];
    bytes b = bytes_of(key);
    digest_sha256(&b, 1, who.hash);
    desk_key_id(b, id);
    assert_false(auth_known(&cache, &who, 5));
    auth_expect(&cache, KEY_MODE_OPERATOR, who.hash, 5);
    assert_true(auth_known(&cache, &who, 4 + AUTH_FIRST_US));
    assert_int_equal(who.mode, KEY_MODE_OPERATOR);
    assert_string_equal(who.id, id);
    assert_false(auth_known(&cache, &who, 5 + AUTH_FIRST_US));
    auth_expect(&cache, KEY_MODE_OPERATOR, who.hash, 5);
    auth_forget(&cache);
    assert_false(auth_known(&cache, &who, 6));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        HOUSE_TEST(test_no_valid_key),    HOUSE_TEST(test_viewer), HOUSE_TEST(test_operator),
        HOUSE_TEST(test_stripe),          HOUSE_TEST(test_basic),  HOUSE_TEST(test_revoked_at_once),
        cmocka_unit_test(test_first_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
