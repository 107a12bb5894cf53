// SPDX-License-Identifier: MIT
// What events say of objects, for every row of rules/site_links.def; claims; and how sets and
// packed lists behave.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/text.h"
#include "rules/site.h"
#include "rules/site_kind.h"

#define assert_ok(call_) assert_null(call_)

static struct plan *plan_of(const char *sites) {
    OWN(text_drop)
    struct text t = {0};
    struct plan *p = NULL;
    text_addf(&t, "{\"sources\":[],\"destinations\":[],\"sites\":%s}", sites);
    assert_ok(plan_read(text_bytes(&t), 1, &p));
    return p;
}

// What an event says: "above > below" for each link, "key: claims" for each object that met some.
static void read_body(const char *sites, bytes body, struct text *out) {
    OWN(arena_drop)
    struct arena a;
    OWN(event_drop)
    struct event e = {0};
    struct site_facts f;
    struct plan *p = plan_of(sites);
    struct site_claims *c = site_claims_open(p);
    arena_init(&a, 1 << 20);
    assert_ok(event_parse(body, &e, NULL));
    assert_ok(site_read(c, &e, &a, &f));
    for (size_t i = 0; i < f.link_count; i++) {
        bytes above = f.objects[f.links[i].above].key, below = f.objects[f.links[i].below].key;
        text_addf(out, "%.*s > %.*s\n", (int)above.n, above.p, (int)below.n, below.p);
    }
    for (size_t i = 0; i < f.object_count; i++) {
        size_t n = 0;
        for (size_t k = 0; k < f.met_count; k++)
            n += f.met[k].object == i;
        if (n > 0)
            text_addf(out, "%.*s meets %zu\n", (int)f.objects[i].key.n, f.objects[i].key.p, n);
    }
    if (f.cut)
        text_adds(out, "cut\n");
    site_claims_close(c);
    plan_free(p);
}

static void assert_read(const char *sites, const char *body, const char *expected) {
    OWN(text_drop)
    struct text got = {0};
    read_body(sites, bytes_of(body), &got);
    assert_string_equal(text_str(&got), expected);
}

#define EVENT(account_, object_)                                                                   \
    "{\"id\":\"evt_1\",\"object\":\"event\",\"created\":1,\"livemode\":true," account_             \
    "\"type\":\"a.b\",\"data\":{\"object\":" object_ "}}"

// {"a":{"b":[{"c":VALUE}]}} of a.b[].c
static void nest(struct text *t, bytes path, const char *value) {
    bytes part = bytes_cut(&path, '.');
    bool list = bytes_ends(part, B("[]"));
    text_addf(t, "\"%.*s\":%s", (int)(list ? part.n - 2 : part.n), part.p, list ? "[" : "");
    if (path.n > 0) {
        text_addc(t, '{');
        nest(t, path, value);
        text_addc(t, '}');
    } else {
        text_adds(t, value);
    }
    if (list)
        text_addc(t, ']');
}

static void key_for(const struct site_link *l, struct text *out) {
    OWN(arena_drop)
    struct arena a;
    arena_init(&a, 4096);
    text_add(out, site_key(l->kind, B("named"), NO_BYTES, &a));
}

static void check_link(const struct site_link *l, const char *value) {
    OWN(text_drop)
    struct text body = {0}, got = {0}, expected = {0}, named = {0}, holder = {0};
    struct site_link as_holder = {.kind = l->holder};
    text_addf(&body,
              "{\"id\":\"evt_1\",\"object\":\"event\",\"created\":1,\"livemode\":true,"
              "\"type\":\"a.b\",\"data\":{\"object\":{\"id\":\"holder\",\"object\":"
              "\"%.*s\",",
              (int)l->holder.n, l->holder.p);
    nest(&body, l->path, value);
    text_adds(&body, "}}}");
    read_body("[]", text_bytes(&body), &got);
    key_for(l, &named);
    key_for(&as_holder, &holder);
    bytes key = text_bytes(&holder);
    text_addf(&expected, "%s > %s\n", l->above ? text_str(&named) : "HOLDER",
              l->above ? "HOLDER" : text_str(&named));
    OWN(text_drop)
    struct text whole = {0};
    for (bytes rest = text_bytes(&expected); rest.n > 0;) {
        size_t at = bytes_search(rest, B("HOLDER"));
        text_add(&whole, bytes_slice(rest, 0, at));
        if (at == rest.n)
            break;
        text_add(&whole, bytes_slice(key, 0, key.n - 5)); // "named" gives way to the holder's id
        text_adds(&whole, "holder");
        rest = bytes_slice(rest, at + 6, rest.n);
    }
    if (!bytes_equal(text_bytes(&got), text_bytes(&whole)))
        fail_msg("%.*s %.*s: got %s, expected %s", (int)l->holder.n, l->holder.p, (int)l->path.n,
                 l->path.p, text_str(&got), text_str(&whole));
}

static void every_link_is_read(void **state) {
    assert_true(site_link_count > 100);
    for (size_t i = 0; i < site_link_count; i++) {
        check_link(&site_links[i], "\"named\"");
        check_link(&site_links[i], "{\"id\":\"named\"}");
    }
}

static void links_are_sorted(void **state) {
    for (size_t i = 1; i < site_link_count; i++)
        assert_true(bytes_compare(site_links[i - 1].holder, site_links[i].holder) <= 0);
    for (size_t i = 0; i < site_link_count; i++) {
        size_t n;
        site_links_of(site_links[i].holder, &n);
        assert_true(n > 0 && n <= SITE_LINKS_EACH_MAX);
    }
}

static void what_names_nothing(void **state) {
    static const char *const values[] = {"null", "\"\"", "{}",          "{\"id\":\"\"}",
                                         "7",    "true", "[\"named\"]", "{\"id\":7}"};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        OWN(text_drop)
        struct text body = {0}, got = {0};
        text_addf(&body, EVENT("", "{\"id\":\"ch_1\",\"object\":\"charge\",\"customer\":%s}"),
                  values[i]);
        read_body("[]", text_bytes(&body), &got);
        assert_string_equal(text_str(&got), "");
    }
}

static void ids_that_users_choose(void **state) {
    assert_read("[]", EVENT("", "{\"id\":\"gold\",\"object\":\"plan\",\"product\":\"gold\"}"),
                "product:gold > price:gold\n");
    assert_read("[]",
                EVENT("\"account\":\"acct_1\",",
                      "{\"id\":\"gold\",\"object\":\"price\",\"product\":\"gold\"}"),
                "acct_1/product:gold > acct_1/price:gold\n"
                "acct_1 > acct_1/product:gold\n");
    assert_read("[]",
                EVENT("\"account\":\"acct_1\",", "{\"id\":\"acct_1\",\"object\":\"account\"}"), "");
    assert_true(bytes_equal(site_key_id(B("acct_1/price:a:b")), B("a:b")));
    assert_true(bytes_equal(site_key_id(B("cus_1")), B("cus_1")));
}

#define METADATA                                                                                   \
    "[{\"name\":\"shop\",\"late\":\"route\",\"claims\":[{\"where\":[{\"path\":"                    \
    "\"data.object.metadata.site\",\"values\":[\"shop\",\"7\",\"true\",\"null\"]}]},"              \
    "{\"where\":[{\"path\":\"type\",\"values\":[\"a.b\"]},{\"path\":\"data.object.metadata.x\","   \
    "\"values\":[\"y\",\"z\"]}]}]}]"

static void claims_by_what_is_said(void **state) {
    static const char *const values[] = {"\"shop\"", "7", "true", "null"};
    for (size_t i = 0; i < 4; i++) {
        OWN(text_drop)
        struct text body = {0}, got = {0};
        text_addf(&body, EVENT("", "{\"id\":\"cus_1\",\"metadata\":{\"site\":%s}}"), values[i]);
        read_body(METADATA, text_bytes(&body), &got);
        assert_string_equal(text_str(&got), "cus_1 meets 1\n");
    }
    assert_read(METADATA, EVENT("", "{\"id\":\"cus_1\",\"metadata\":{\"site\":\"shops\"}}"), "");
    assert_read(METADATA, EVENT("", "{\"id\":\"cus_1\",\"metadata\":{\"site\":[\"shop\"]}}"), "");
    assert_read(METADATA, EVENT("", "{\"id\":\"cus_1\",\"metadata\":{\"site\":7,\"x\":\"z\"}}"),
                "cus_1 meets 2\n");
}

static void an_object_inside_is_asked_too(void **state) {
    assert_read(METADATA,
                EVENT("", "{\"id\":\"ch_1\",\"object\":\"charge\",\"customer\":{\"id\":\"cus_1\","
                          "\"object\":\"customer\",\"metadata\":{\"site\":\"shop\",\"x\":\"y\"}},"
                          "\"refunds\":{\"data\":[{\"id\":\"re_1\",\"object\":\"refund\","
                          "\"metadata\":{\"site\":\"shop\"}}]}}"),
                "cus_1 > ch_1\n"
                "ch_1 > re_1\n"
                "cus_1 meets 1\n"
                "re_1 meets 1\n");
}

static void a_thin_event_names_its_object(void **state) {
    assert_read("[{\"name\":\"shop\",\"late\":\"route\",\"claims\":[{\"where\":[{\"path\":\"type\","
                "\"values\":[\"v1.billing.meter.no_meter_found\"]}]}]}]",
                "{\"id\":\"evt_1\",\"object\":\"v2.core.event\",\"created\":"
                "\"2026-11-23T10:00:00Z\",\"livemode\":true,\"context\":\"acct_1\",\"type\":"
                "\"v1.billing.meter.no_meter_found\",\"related_object\":{\"id\":\"mtr_1\","
                "\"type\":\"billing.meter\"}}",
                "acct_1 > mtr_1\n"
                "mtr_1 meets 1\n");
}

static void more_objects_than_are_read(void **state) {
    OWN(text_drop)
    struct text body = {0}, got = {0};
    text_adds(&body, "{\"id\":\"evt_1\",\"object\":\"event\",\"created\":1,\"livemode\":true,"
                     "\"type\":\"a.b\",\"data\":{\"object\":{\"id\":\"ch_1\",\"object\":\"charge\","
                     "\"refunds\":{\"data\":[");
    for (int i = 0; i < SITE_OBJECTS_MAX; i++)
        text_addf(&body, "%s\"re_%d\"", i > 0 ? "," : "", i);
    text_adds(&body, "]}}}}");
    read_body("[]", text_bytes(&body), &got);
    assert_true(bytes_ends(text_bytes(&got), B("ch_1 > re_254\ncut\n")));
}

static void sets_and_lists(void **state) {
    assert_int_equal(site_join(0, 0), 0);
    assert_int_equal(site_join(0, 3), 3);
    assert_int_equal(site_join(3, 0), 3);
    assert_int_equal(site_join(3, 3), 3);
    assert_int_equal(site_join(3, 4), SITE_MANY);
    assert_int_equal(site_join(SITE_MANY, 3), SITE_MANY);
    assert_int_equal(site_join(0, SITE_MANY), SITE_MANY);
    static const uint64_t numbers[] = {0, 1, 127, 128, 300, UINT64_MAX};
    OWN(text_drop)
    struct text packed = {0};
    uint64_t number;
    for (size_t i = 0; i < 6; i++)
        site_numbers_add(&packed, numbers[i]);
    bytes rest = text_bytes(&packed);
    for (size_t i = 0; i < 6; i++) {
        assert_true(site_numbers_next(&rest, &number));
        assert_true(number == numbers[i]);
        assert_true(site_numbers_have(text_bytes(&packed), numbers[i]));
    }
    assert_false(site_numbers_next(&rest, &number));
    assert_false(site_numbers_have(text_bytes(&packed), 129));
    rest = B("\x80");
    assert_false(site_numbers_next(&rest, &number)); // cut short
}

static void claims_in_words(void **state) {
    static const char sites[] =
        "[{\"name\":\"a\",\"late\":\"route\",\"claims\":["
        "{\"prices\":[\"p1\",\"p2\",\"p3\",\"p4\",\"p5\",\"p6\"]},"
        "{\"where\":[{\"path\":\"x.y\",\"values\":[\"1\"]},"
        "{\"path\":\"z\",\"values\":[\"2\",\"3\"]}]}]},"
        "{\"name\":\"b\",\"late\":\"route\",\"claims\":[{\"prices\":[\"p7\",\"p1\"]}]}]";
    struct plan *p = plan_of(sites);
    struct site_claims *c = site_claims_open(p);
    OWN(text_drop)
    struct text words = {0};
    site_claim_words(&p->sites[0].claims[0], &words);
    assert_string_equal(text_str(&words), "prices p1, p2, p3, p4, p5 and 1 more");
    text_reset(&words);
    site_claim_words(&p->sites[0].claims[1], &words);
    assert_string_equal(text_str(&words), "x.y is 1 and z is one of 2, 3");
    text_reset(&words);
    const struct site_object o = {.key = B("acct_1/price:p1"), .type = B("price")};
    site_claimed_words(c, &o, 1, &words);
    assert_string_equal(text_str(&words), "prices p1");
    text_reset(&words);
    const struct site_object other = {.key = B("price:p7"), .type = B("price")};
    site_claimed_words(c, &other, 0, &words);
    assert_string_equal(text_str(&words), "");
    site_claims_close(c);
    plan_free(p);
    bytes kind;
    size_t n = 0;
    for (size_t at = 0; site_key_kind(&at, &kind); n++)
        assert_true(kind.n > 0 && !bytes_equal(kind, B("plan"))); // plans are known as prices
    assert_int_equal(n, 7);
}

#define S(name_, claims_) "{\"name\":\"" name_ "\",\"late\":\"route\",\"claims\":[" claims_ "]}"
#define W(path_, values_) "{\"where\":[{\"path\":\"" path_ "\",\"values\":[" values_ "]}]}"
#define W2(values_)                                                                                \
    "{\"where\":[{\"path\":\"p\",\"values\":[\"1\"]},{\"path\":\"q\",\"values\":[" values_ "]}]}"
#define IDS "{\"prices\":[\"p1\",\"p2\"]}"

static void claims_that_nothing_stored_was_asked_for(void **state) {
    static const struct {
        const char *before, *after;
        size_t unasked;
    } rows[] = {
        {"[]", "[]", 0},
        {"[]", "[" S("a", IDS "," W("p", "\"1\",\"2\"")) "," S("b", W2("\"1\"")) "]", 3},
        {"[" S("a", IDS) "]", "[]", 0},
        {"[" S("a", IDS) "]", "[" S("a", "{\"prices\":[\"p3\"]}") "," S("b", IDS) "]", 0},
        {"[" S("a", W("p", "\"1\"")) "]", "[" S("a", IDS "," W("p", "\"1\"")) "]", 0},
        {"[" S("a", W("p", "\"2\",\"1\"")) "]", "[" S("a", W("p", "\"1\"")) "]", 0},
        {"[" S("a", W("p", "\"1\"")) "]", "[" S("a", W("p", "\"1\",\"2\",\"3\"")) "]", 2},
        {"[" S("a", W("p", "\"1\"")) "]", "[" S("a", W("q", "\"1\"")) "]", 1},
        {"[" S("a", W("p", "\"1\"")) "]", "[" S("b", W("p", "\"1\"")) "]", 1},
        {"[" S("a", W2("\"1\"")) "]", "[" S("a", W2("\"1\"")) "]", 0},
        {"[" S("a", W2("\"1\"")) "]", "[" S("a", W2("\"1\",\"2\"")) "]", 1},
        {"[" S("a", W("p", "\"1\"")) "," S("b", W("q", "\"1\"")) "]",
         "[" S("b", W("q", "\"1\"")) "," S("a", W("p", "\"1\"")) "]", 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct plan *before = plan_of(rows[i].before), *after = plan_of(rows[i].after);
        size_t got = site_claims_unasked(before, after);
        if (got != rows[i].unasked)
            fail_msg("row %zu: %zu claims, not %zu", i, got, rows[i].unasked);
        plan_free(before);
        plan_free(after);
    }
}

static void meet(struct text *packed, uint64_t mark, int64_t created) {
    OWN(text_drop)
    struct text more = {0};
    site_met_add(text_bytes(packed), &(struct site_met){mark, created}, &more);
    if (more.n == 0)
        return;
    text_reset(packed);
    text_add(packed, text_bytes(&more));
}

static void claims_met_leave_no_trace_of_their_order(void **state) {
    OWN(text_drop)
    struct text one = {0}, other = {0};
    meet(&one, 5, 10);
    meet(&one, 9, 10);
    meet(&one, 5, 30);
    meet(&one, 7, 20);
    meet(&one, 5, 20);
    meet(&other, 5, 20);
    meet(&other, 7, 20);
    meet(&other, 5, 30);
    meet(&other, 5, 10);
    meet(&other, 9, 10);
    assert_int_equal(one.n, 48);
    assert_true(bytes_equal(text_bytes(&one), text_bytes(&other)));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_link_is_read),
        cmocka_unit_test(links_are_sorted),
        cmocka_unit_test(what_names_nothing),
        cmocka_unit_test(ids_that_users_choose),
        cmocka_unit_test(claims_by_what_is_said),
        cmocka_unit_test(an_object_inside_is_asked_too),
        cmocka_unit_test(a_thin_event_names_its_object),
        cmocka_unit_test(more_objects_than_are_read),
        cmocka_unit_test(sets_and_lists),
        cmocka_unit_test(claims_in_words),
        cmocka_unit_test(claims_that_nothing_stored_was_asked_for),
        cmocka_unit_test(claims_met_leave_no_trace_of_their_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
