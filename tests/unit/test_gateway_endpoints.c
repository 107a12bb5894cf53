// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "gateway_endpoints.h"
#include "rules/endpoint.h"

#define SECRET B("whsec_abcdefghijklmnopqrstuvwxyz012345")

static const uint8_t key[SEAL_KEY_SIZE] = {1}, other_key[SEAL_KEY_SIZE] = {2};

static struct row {
    struct endpoint_row row;
    struct text json;
} made[8];
static size_t count;

static int set_up(void **state) {
    count = 0;
    return 0;
}

static int tear_down(void **state) {
    while (count > 0)
        text_drop(&made[--count].json);
    return 0;
}

static void add(const char *id, bool enabled, const uint8_t *by, const char *purpose) {
    struct row *r = &made[count++];
    OWN(text_drop)
    struct text sealed = {0};
    uint8_t nonce[SEAL_NONCE_SIZE] = {(uint8_t)count};
    bytes types[] = {B("*")};
    seal_close(by, nonce, bytes_of(purpose), SECRET, &sealed);
    struct endpoint e = {
        .id = bytes_of(id),
        .livemode = true,
        .enabled = enabled,
        .url = B("https://shop.example/{account}"),
        .types = types,
        .type_count = 1,
        .scope = SCOPE_ACCOUNT,
        .payload = PAYLOAD_SNAPSHOT,
        .metadata = B("{}"),
        .sealed = text_bytes(&sealed),
    };
    endpoint_write(&e, &r->json);
    r->row = (struct endpoint_row){.destination = (uint32_t)count,
                                   .id = bytes_of(id),
                                   .livemode = true,
                                   .json = text_bytes(&r->json)};
}

static struct retarget *targets(size_t *sealed) {
    struct endpoint_row rows[8];
    for (size_t i = 0; i < count; i++)
        rows[i] = made[i].row;
    return endpoint_targets(key, rows, count, sealed);
}

static void assert_targets(size_t n, const char *const *names, size_t sealed_expected) {
    size_t sealed = 99;
    struct retarget *r = targets(&sealed);
    assert_int_equal(r->mail.kind, DISPATCH_RETARGET);
    assert_int_equal(r->targets.set, TARGETS_ENDPOINTS);
    assert_int_equal(r->targets.count, n);
    for (size_t i = 0; i < n; i++)
        assert_true(bytes_equal(r->targets.list[i].name, bytes_of(names[i])));
    assert_int_equal(sealed, sealed_expected);
    retarget_free(r);
}

static void an_endpoint_becomes_a_guarded_target(void **state) {
    size_t sealed;
    add("we_1", true, key, "we_1");
    struct retarget *r = targets(&sealed);
    const struct target *t = r->targets.list;
    assert_int_equal(r->targets.count, 1);
    assert_int_equal(sealed, 0);
    assert_true(t->guarded);
    assert_int_equal(t->kind, KIND_HTTP);
    assert_true(bytes_equal(t->name, B("we_1")));
    assert_true(bytes_equal(t->url, B("https://shop.example/{account}")));
    assert_true(bytes_equal(t->secret, SECRET));
    assert_int_equal(t->livemode, MODE_LIVE);
    assert_true(t->timeout_ms > 0 && t->pace.max > 0);
    assert_int_equal(t->older_count, 0);
    retarget_free(r);
}

static void only_those_that_are_enabled_are_targets(void **state) {
    assert_targets(0, NULL, 0);
    add("we_1", true, key, "we_1");
    add("we_2", false, key, "we_2");
    add("ed_3", true, key, "ed_3");
    assert_targets(2, (const char *const[]){"we_1", "ed_3"}, 0);
}

// By another key, for another endpoint; enabled or not.
static void what_does_not_open_is_left_out_and_counted(void **state) {
    add("we_1", true, other_key, "we_1");
    add("we_2", true, key, "we_1");
    add("we_3", false, other_key, "we_3");
    add("we_4", true, key, "we_4");
    assert_targets(1, (const char *const[]){"we_4"}, 3);
    made[3].row.json = B("{\"id\":\"we_4\"}");
    assert_targets(0, NULL, 4);
    made[3].row.json = B("no JSON");
    assert_targets(0, NULL, 4);
}

// The largest of each, so that the memory that was reckoned is enough.
static void large_ones_fit(void **state) {
    static char url[ENDPOINT_URL_MAX + 1];
    struct endpoint_row rows[200];
    OWN(text_drop)
    struct text row = {0}, sealed = {0};
    uint8_t nonce[SEAL_NONCE_SIZE] = {0};
    size_t failed;
    bytes types[] = {B("*")};
    memset(url, 'x', sizeof url - 1);
    memcpy(url, "https://", 8);
    seal_close(key, nonce, B("we_1"), SECRET, &sealed);
    struct endpoint e = {.id = B("we_1"),
                         .enabled = true,
                         .url = bytes_of(url),
                         .types = types,
                         .type_count = 1,
                         .payload = PAYLOAD_SNAPSHOT,
                         .metadata = B("{}"),
                         .sealed = text_bytes(&sealed)};
    endpoint_write(&e, &row);
    for (size_t i = 0; i < 200; i++)
        rows[i] = (struct endpoint_row){.id = B("we_1"), .json = text_bytes(&row)};
    struct retarget *r = endpoint_targets(key, rows, 200, &failed);
    assert_int_equal(r->targets.count, 200);
    assert_int_equal(r->targets.list[199].url.n, ENDPOINT_URL_MAX);
    assert_int_equal(failed, 0);
    retarget_free(r);
}

#define TEST(name_) cmocka_unit_test_setup_teardown(name_, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(an_endpoint_becomes_a_guarded_target),
        TEST(only_those_that_are_enabled_are_targets),
        TEST(what_does_not_open_is_left_out_and_counted),
        TEST(large_ones_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
