// SPDX-License-Identifier: MIT
#include "config_fixture.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/rolls.h"

#define NOW INT64_C(1700000000)
#define HOUR INT64_C(3600)
#define NEW_1 "whsec_RolledOnce0123456789"
#define NEW_2 "whsec_RolledTwice123456789"

static void drop_rolls(struct rolls **r) { rolls_free(*r); }

static struct config *config_with(const char *secret) {
    OWN(text_drop)
    struct text yaml = {0}, errors = {0}, warnings = {0};
    struct config *c = NULL;
    text_addf(&yaml,
              "sources: [{path: /a, secrets: [{label: a, key: '${A}'}]}]\n"
              "destinations:\n- {name: other, url: 'http://h', secret: '${A}'}\n"
              "- {name: books, kind: command, run: cat}\n"
              "- {name: shop, url: 'http://h', secret: '%s'}\n",
              secret);
    if (config_read(text_bytes(&yaml), "t", &fixture_outside, &c, &errors, &warnings) != OK)
        fail_msg("%s", text_str(&errors));
    return c;
}

static struct rolls *none(void) {
    struct rolls *r = NULL;
    assert_null(rolls_load("/no/such/file/of/rolls", &r));
    return r;
}

// Rolls, replaces *r, and applies it.
static void roll(struct rolls **r, struct config *c, const char *fresh, int64_t now,
                 int64_t overlap) {
    OWN(text_drop)
    struct text notes = {0};
    struct rolls *after = NULL;
    assert_null(rolls_roll(*r, c, B("shop"), bytes_of(fresh), now, overlap, &after));
    rolls_free(*r);
    *r = after;
    assert_null(rolls_apply(*r, c, &notes));
}

static bool same_text(bytes b, const char *text) { return bytes_equal(b, bytes_of(text)); }

// "NEW until 5 OLD …": what signs, in its order.
static void assert_ring(const struct config *c, const char *newest, size_t older,
                        const char *const *keys, const int64_t *until) {
    const struct config_destination *d = &c->destinations[2];
    assert_true(same_text(d->newest, newest));
    assert_int_equal(d->older_count, older);
    for (size_t i = 0; i < older; i++) {
        assert_true(same_text(d->older[i].key, keys[i]));
        assert_int_equal(d->older[i].not_after_s, until[i]);
    }
    assert_int_equal(c->destinations[0].newest.n, 0);
}

static void a_roll_signs_with_both_until_its_overlap_ends(void **state) {
    OWN(fixture_drop)
    struct config *c = config_with(CANARY_B);
    OWN(drop_rolls)
    struct rolls *r = none();
    char newest[13], before[13];
    roll(&r, c, NEW_1, NOW, 24 * HOUR);
    assert_ring(c, NEW_1, 1, (const char *[]){CANARY_B}, (int64_t[]){NOW + 24 * HOUR});
    config_fingerprint(B(NEW_1), newest);
    config_fingerprint(B(CANARY_B), before);
    const struct plan_destination *p = plan_destination_find(c->plan, B("shop"));
    assert_true(same_text(p->fingerprint, newest));
    assert_true(p->rolled);
    assert_int_equal(p->older_count, 1);
    assert_true(same_text(p->older[0].fingerprint, before));
    assert_int_equal(p->older[0].not_after_s, NOW + 24 * HOUR);
    assert_false(plan_destination_find(c->plan, B("other"))->rolled);
    // No secret in what the journal gets.
    assert_int_equal(bytes_search(c->plan->json, B("whsec_")), c->plan->json.n);
}

static void the_file_says_the_same_after_a_restart(void **state) {
    char folder[] = "/tmp/hookkeep-rolls-XXXXXX";
    OWN(text_drop)
    struct text path = {0}, notes = {0}, once = {0}, twice = {0};
    assert_non_null(mkdtemp(folder));
    text_addf(&path, "%s/a.db.secrets", folder);
    OWN(fixture_drop)
    struct config *c = config_with(CANARY_B);
    OWN(drop_rolls)
    struct rolls *r = none();
    for (int again = 0; again < 2; again++) {
        roll(&r, c, again ? NEW_2 : NEW_1, NOW + again, HOUR);
        assert_null(rolls_save(r, text_str(&path)));
        struct stat s;
        assert_int_equal(stat(text_str(&path), &s), 0);
        assert_int_equal(s.st_mode & 0777, 0600);
        OWN(drop_rolls)
        struct rolls *read = NULL;
        assert_null(rolls_load(text_str(&path), &read));
        text_reset(&once);
        text_reset(&twice);
        rolls_write(r, &once);
        rolls_write(read, &twice);
        assert_string_equal(text_str(&once), text_str(&twice));
    }
    OWN(fixture_drop)
    struct config *fresh = config_with(CANARY_B);
    OWN(drop_rolls)
    struct rolls *read = NULL;
    assert_null(rolls_load(text_str(&path), &read));
    assert_null(rolls_apply(read, fresh, &notes));
    assert_ring(fresh, NEW_2, 2, (const char *[]){NEW_1, CANARY_B},
                (int64_t[]){NOW + 1 + HOUR, NOW + HOUR});
    assert_true(bytes_equal(fresh->plan->json, c->plan->json));
    assert_non_null(strstr(text_str(&notes), "shop: its secret was rolled, and the configuration"));
    unlink(text_str(&path));
    rmdir(folder);
}

static void the_configuration_decides_what_the_file_means(void **state) {
    OWN(drop_rolls)
    struct rolls *r = none();
    OWN(fixture_drop)
    struct config *c = config_with(CANARY_B);
    roll(&r, c, NEW_1, NOW, HOUR);
    static const struct {
        const char *secret;
        bool ring, rolled;
        const char *says;
    } rows[] = {
        {CANARY_B, true, true, "names an older one"},
        {NEW_1, true, false, NULL},                       // it was written there
        {CANARY_C, false, false, "none that was rolled"}, // a secret of the operator's own
        {CANARY_B, true, true, "names an older one"},     // that was a mistake
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        OWN(fixture_drop)
        struct config *now = config_with(rows[i].secret);
        OWN(text_drop)
        struct text notes = {0};
        assert_null(rolls_apply(r, now, &notes));
        const struct plan_destination *p = plan_destination_find(now->plan, B("shop"));
        assert_int_equal(p->rolled, rows[i].rolled);
        if (rows[i].ring)
            assert_ring(now, NEW_1, 1, (const char *[]){CANARY_B}, (int64_t[]){NOW + HOUR});
        else
            assert_ring(now, "", 0, NULL, NULL);
        if (rows[i].says == NULL)
            assert_int_equal(notes.n, 0);
        else
            assert_non_null(strstr(text_str(&notes), rows[i].says));
        assert_null(strstr(text_str(&notes), "whsec_"));
    }
}

static void a_shorter_overlap_ends_all_that_is_older(void **state) {
    OWN(drop_rolls)
    struct rolls *r = none();
    OWN(fixture_drop)
    struct config *c = config_with(CANARY_B);
    OWN(text_drop)
    struct text file = {0};
    roll(&r, c, NEW_1, NOW, 24 * HOUR);
    roll(&r, c, NEW_2, NOW + 1, 0); // it leaked
    // The configuration's own key is at hand, and its time is over.
    assert_ring(c, NEW_2, 1, (const char *[]){CANARY_B}, (int64_t[]){NOW + 1});
    rolls_write(r, &file);
    // What does not sign any more is not kept, but it is still known whose successor signs.
    assert_null(strstr(text_str(&file), NEW_1));
    assert_null(strstr(text_str(&file), CANARY_B));
    assert_int_equal(plan_destination_find(c->plan, B("shop"))->older_count, 2);
    OWN(text_drop)
    struct text notes = {0};
    OWN(fixture_drop)
    struct config *again = config_with(CANARY_B);
    assert_null(rolls_apply(r, again, &notes));
    assert_ring(again, NEW_2, 1, (const char *[]){CANARY_B}, (int64_t[]){NOW + 1});
}

static void a_secret_of_ones_own_begins_anew(void **state) {
    OWN(drop_rolls)
    struct rolls *r = none();
    OWN(fixture_drop)
    struct config *c = config_with(CANARY_B);
    roll(&r, c, NEW_1, NOW, HOUR);
    OWN(fixture_drop)
    struct config *own = config_with(CANARY_C);
    roll(&r, own, NEW_2, NOW + 1, HOUR);
    assert_ring(own, NEW_2, 1, (const char *[]){CANARY_C}, (int64_t[]){NOW + 1 + HOUR});
}

static void limits_hold(void **state) {
    OWN(drop_rolls)
    struct rolls *r = none();
    OWN(fixture_drop)
    struct config *c = config_with(CANARY_B);
    struct rolls *after = NULL;
    for (int i = 0; i < ROLL_SIGNERS_MAX - 1; i++) {
        char fresh[] = "whsec_RolledOften-0123456789";
        fresh[17] = (char)('a' + i);
        roll(&r, c, fresh, NOW + i, HOUR);
    }
    assert_true(failed_as(rolls_roll(r, c, B("shop"), B(NEW_1), NOW + 9, HOUR, &after), FAIL_FULL));
    assert_null(after);
    roll(&r, c, NEW_1, NOW + 2 * HOUR, HOUR);                // their time is over
    assert_int_equal(c->destinations[2].older_count, 1 + 1); // the newest of before, and ours
    for (int i = 0; i < 20; i++) {
        char fresh[] = "whsec_RolledOften-0123456789";
        fresh[17] = (char)('A' + i);
        roll(&r, c, fresh, NOW + (i + 4) * HOUR, 1);
    }
    const struct plan_destination *p = plan_destination_find(c->plan, B("shop"));
    assert_int_equal(p->older_count, ROLL_SECRETS_MAX - 1);
    char configured[13]; // is never forgotten, or it would sign alone again
    config_fingerprint(B(CANARY_B), configured);
    assert_true(same_text(p->older[ROLL_SECRETS_MAX - 2].fingerprint, configured));
    static const char *const nobody[] = {"", "shops", "books"};
    for (size_t i = 0; i < 3; i++)
        assert_true(failed_as(rolls_roll(r, c, bytes_of(nobody[i]), B(NEW_2), NOW, HOUR, &after),
                              FAIL_ABSENT));
}

static void what_is_no_such_file_is_refused(void **state) {
    static const char *const bad[] = {
        "",
        "{}",
        "[]",
        "{\"version\":2,\"destinations\":[]}",
        "{\"version\":1,\"destinations\":{}}",
        "{\"version\":1,\"destinations\":[{}]}",
        "{\"version\":1,\"destinations\":[{\"name\":\"a\",\"secrets\":[]}]}",
        "{\"version\":1,\"destinations\":[{\"name\":\"a\",\"secrets\":[{\"fingerprint\":"
        "\"0123456789ab\",\"not_after_s\":0}]}]}",
        "{\"version\":1,\"destinations\":[{\"name\":\"a\",\"secrets\":[{\"fingerprint\":"
        "\"0123456789ab\",\"not_after_s\":5,\"key\":\"whsec_CanaryCanary\"}]}]}",
        "{\"version\":1,\"destinations\":[{\"name\":\"a\",\"secrets\":[{\"fingerprint\":"
        "\"0123\",\"not_after_s\":0,\"key\":\"whsec_CanaryCanary\"}]}]}",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct rolls *r = NULL;
        result parsed = rolls_parse(bytes_of(bad[i]), &r);
        if (!failed_as(parsed, FAIL_INVALID))
            fail_msg("taken: %s", bad[i]);
        assert_null(r);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_roll_signs_with_both_until_its_overlap_ends),
        cmocka_unit_test(the_file_says_the_same_after_a_restart),
        cmocka_unit_test(the_configuration_decides_what_the_file_means),
        cmocka_unit_test(a_shorter_overlap_ends_all_that_is_older),
        cmocka_unit_test(a_secret_of_ones_own_begins_anew),
        cmocka_unit_test(limits_hold),
        cmocka_unit_test(what_is_no_such_file_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
