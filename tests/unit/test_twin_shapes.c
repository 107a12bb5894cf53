// SPDX-License-Identifier: MIT
// New objects, as samples and rows have them: what they name is there.
#include "twin_house.h"

#include "twin/call.h"

// Does it read as an id: letters, '_', and at least 14 letters and digits, of which some are
// digits?
static bool is_id(bytes b) {
    size_t under = bytes_find(b, '_'), digits = 0;
    if (under < 2 || under > 12 || b.n < under + 15)
        return false;
    for (size_t i = 0; i < b.n; i++) {
        uint8_t c = b.p[i];
        bool lower = c >= 'a' && c <= 'z', upper = c >= 'A' && c <= 'Z',
             digit = c >= '0' && c <= '9';
        if (i < under ? !lower : i > under && !lower && !upper && !digit)
            return false;
        digits += digit;
    }
    return digits > 0;
}

struct walk {
    struct twin_call *call;
    const char *object;
    bool dead;
};

static void walk(struct walk *w, json v, bytes key, bool own) {
    bytes name;
    json one;
    bool whole = json_type(json_get(v, "object")) == JSON_STRING; // its id is its own
    for (size_t at = 0; json_member(v, &at, &name, &one);)
        walk(w, one, name, whole && bytes_equal(name, B("id")));
    for (size_t at = 0; json_type(v) == JSON_ARRAY && json_element(v, &at, &one);)
        walk(w, one, key, false);
    if (own || !is_id(json_string(v)) || twin_get(w->call, json_string(v)) != NULL)
        return;
    print_error("%s: %.*s is %.*s, which is not there\n", w->object, BYTES_ARG(key),
                BYTES_ARG(json_string(v)));
    w->dead = true;
}

static void new_objects_name_nothing_dead(void **state) {
    struct twin *world = twin_open(7, HOUSE_NOW);
    struct twin_request r = {.method = B("POST"), .path = B("/v1/x")};
    bool dead = false;
    for (size_t i = 0; i < twin_resource_count; i++) {
        struct twin_call c;
        twin_begin(&c, world, &r);
        // A chosen id: some have none of their own.
        struct twin_object *o =
            twin_make_as(&c, &twin_resources[i], bytes_of(twin_resources[i].object));
        struct walk w = {.call = &c, .object = twin_resources[i].object};
        walk(&w, twin_root(o), B(""), false);
        dead = dead || w.dead;
        // And of the samples' people, no name is left.
        OWN(text_drop)
        struct text whole = {0};
        json_write(twin_root(o), &whole);
        if (bytes_search(text_bytes(&whole), B("Marlowe")) < whole.n ||
            bytes_search(text_bytes(&whole), B("1042")) < whole.n) {
            print_error("%s: something of the sample's story is left\n", w.object);
            dead = true;
        }
        twin_end(&c);
    }
    assert_false(dead);
    twin_close(&world);
}

static void an_id_is_known_as_one(void **state) {
    assert_true(is_id(B("pmc_1AbCdEfGhIjKlMnOpQrStUv")));
    assert_true(is_id(B("cus_NffrFeUfNV2Hib")));
    assert_false(is_id(B("requires_payment_method")));
    assert_false(is_id(B("acquirer_reference_number")));
    assert_false(is_id(B("usd")));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(new_objects_name_nothing_dead),
        cmocka_unit_test(an_id_is_known_as_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
