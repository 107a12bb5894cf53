// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "stripe/event.h"
#include "stripe/objects.h"
#include "stripe/sample.h"
#include "stripe/types.h"

static const char *const common[] = {
    "id",       "account",       "livemode",  "owner",      "created",  "deleted",  "data",
    "event_id", "event_created", "undecided", "incomplete", "embedded", "versions", "position"};
#define COUNT(a_) (sizeof(a_) / sizeof((a_)[0]))

static const struct object_table *named(const char *name) {
    const struct object_table *t = object_table_named(bytes_of(name));
    if (t == NULL)
        fail_msg("there is no table %s", name);
    return t;
}

static struct text scratch;
static struct column_value values[OBJECT_COLUMNS_MAX];

static void project(const struct object_table *t, json object) {
    text_reset(&scratch);
    memset(values, 0xff, sizeof values);
    object_columns(t, object, &scratch, values);
    assert_false(scratch.failed);
}

static const struct column_value *column(const struct object_table *t, const char *name) {
    for (size_t i = 0; i < t->column_count; i++)
        if (strcmp(t->columns[i].name, name) == 0)
            return &values[i];
    fail_msg("%s has no column %s", t->name, name);
    return NULL;
}

// The column of this object, as SQL would show it.
static void check(const char *table, const char *object, const char *name, const char *shown) {
    OWN(json_close)
    struct json_doc *doc = NULL;
    OWN(text_drop)
    struct text is = {0};
    const struct object_table *t = named(table);
    assert_true(json_parse(bytes_of(object), &doc) == OK);
    project(t, json_root(doc));
    const struct column_value *v = column(t, name);
    if (v->kind == VALUE_NULL)
        text_adds(&is, "NULL");
    else if (v->kind == VALUE_INTEGER)
        text_add_i64(&is, v->integer);
    else
        text_addf(&is, "'%.*s'", BYTES_ARG(v->text));
    if (strcmp(text_str(&is), shown) != 0)
        fail_msg("%s of %s is %s, not %s", name, object, text_str(&is), shown);
}

static size_t step(const char *path) { return strcspn(path, "."); }

// The first steps of two paths.
static int compare_steps(const char *a, const char *b) {
    return bytes_compare(bytes_from(a, step(a)), bytes_from(b, step(b)));
}

static bool is_name(const char *name) {
    return name[0] >= 'a' && name[0] <= 'z' &&
           strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_") == strlen(name);
}

static void check_columns(const struct object_table *t) {
    assert_in_range(t->column_count, 1, OBJECT_COLUMNS_MAX);
    for (size_t i = 0; i < t->column_count; i++) {
        const struct object_column *c = &t->columns[i];
        bool collides = t->parent != NULL && strcmp(c->name, t->parent_column) == 0;
        for (size_t k = 0; k < COUNT(common); k++)
            collides |= strcmp(c->name, common[k]) == 0;
        for (size_t k = 0; k < i; k++)
            collides |= strcmp(c->name, t->columns[k].name) == 0;
        if (collides || !is_name(c->name))
            fail_msg("%s.%s is the name of another column, or none", t->name, c->name);
        if (i > 0 && compare_steps(t->columns[i - 1].path, c->path) > 0)
            fail_msg("%s.%s stands behind %s", t->name, c->name, t->columns[i - 1].name);
        assert_true(strlen(c->doc) > 0 && strchr(c->path, '|') == NULL);
    }
}

static void test_tables(void **state) {
    assert_true(object_table_count >= 60);
    for (size_t i = 0; i < object_table_count; i++) {
        const struct object_table *t = &object_tables[i];
        const struct object_table *before = i > 0 ? t - 1 : NULL;
        int order = before != NULL ? strcmp(before->object, t->object) : -1;
        if (order > 0 || (order == 0 && (t->parent == NULL || before->parent == NULL ||
                                         strcmp(before->name, t->name) >= 0)))
            fail_msg("%s stands behind %s", t->name, before->name);
        assert_true(is_name(t->name) && strlen(t->doc) > 0);
        assert_ptr_equal(named(t->name), t);
        assert_int_equal(t->parent == NULL, t->id != NULL);
        assert_true(t->parent == NULL || t->parent->parent == NULL);
        if (t->parent == NULL)
            assert_ptr_equal(object_table_of(bytes_of(t->object)), t);
        check_columns(t);
    }
    assert_null(object_table_named(B("customer")));
    assert_null(object_table_named(NO_BYTES));
}

static void test_all_others(void **state) {
    const struct object_table *others = named("objects");
    assert_ptr_equal(object_table_of(B("order")), others);
    assert_ptr_equal(object_table_of(NO_BYTES), others);
    assert_ptr_equal(object_table_of(B("customer\0")), others);
    assert_ptr_equal(object_table_of(B("subscription_item")), others); // has a table as a list's
    assert_ptr_equal(object_table_of(B("item")), others);
    assert_ptr_equal(object_table_of(B("customer")), named("customers"));
    check("objects", "{\"id\":\"or_1\",\"object\":\"order\",\"status\":\"new\"}", "object",
          "'order'");
}

static void test_lists(void **state) {
    size_t at = 0, lists = 0;
    const struct object_table *items = object_table_list(named("subscriptions"), &at);
    assert_ptr_equal(items, named("subscription_items"));
    assert_string_equal(items->list, "items.data");
    assert_string_equal(items->parent_column, "subscription");
    assert_null(object_table_list(named("subscriptions"), &at));
    at = 0;
    assert_null(object_table_list(named("customers"), &at));
    for (size_t i = 0; i < object_table_count; i++)
        lists += object_tables[i].parent != NULL;
    for (size_t i = 0; i < object_table_count; i++)
        for (at = 0; object_table_list(&object_tables[i], &at) != NULL;)
            lists--;
    assert_int_equal(lists, 0);
}

static bool one_of(const char *name, const char *const *list, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (strcmp(name, list[i]) == 0)
            return true;
    return false;
}

// All types that events carry have a table but these, as the head of objects.def says.
static void test_each_type_has_a_table(void **state) {
    static const char *const without[] = {"balance", "balance_settings", "billing.alert_triggered",
                                          "tax.settings"};
    for (size_t i = 0; i < event_type_count; i++) {
        bytes rest = bytes_of(event_types[i].object);
        while (rest.n > 0) {
            OWN(text_drop)
            struct text object = {0};
            text_add(&object, bytes_cut(&rest, '|'));
            const struct object_table *t = object_table_of(text_bytes(&object));
            if ((t->object[0] == '\0') != one_of(text_str(&object), without, COUNT(without)))
                fail_msg("%s is in the table %s", text_str(&object), t->name);
        }
    }
}

// Does a column show this member, or something of it?
static bool has_column(const struct object_table *t, bytes member) {
    for (size_t i = 0; i < t->column_count; i++) {
        const char *path = t->columns[i].path, *other = t->columns[i].elsewhere;
        if (bytes_equal(bytes_from(path, step(path)), member))
            return true;
        bytes rest = bytes_of(other);
        while (rest.n > 0) {
            bytes way = bytes_cut(&rest, '|');
            if (bytes_equal(bytes_cut(&way, '.'), member))
                return true;
        }
    }
    for (size_t k = 0; k < COUNT(common); k++)
        if (bytes_equal(member, bytes_of(common[k])))
            return true;
    return bytes_equal(member, B("object")) ||
           (t->parent != NULL && bytes_equal(member, bytes_of(t->parent_column)));
}

// Every scalar of a sample is in a column. What is not opens doors, or is a list whose members have
// a table.
static void check_covered(const struct object_table *t, json object) {
    static const char *const left_out[] = {"apps_installs.auth_code",
                                           "billing_portal_sessions.url",
                                           "charges.refunds",
                                           "checkout_sessions.client_secret",
                                           "identity_verification_sessions.client_secret",
                                           "identity_verification_sessions.url",
                                           "issuing_cards.cvc",
                                           "issuing_cards.number",
                                           "payment_intents.client_secret",
                                           "setup_intents.client_secret",
                                           "sources.client_secret",
                                           "three_d_secure_authentications.challenge_url",
                                           "three_d_secure_authentications.fingerprinting_url"};
    size_t at = 0;
    bytes key;
    json value;
    while (json_member(object, &at, &key, &value)) {
        OWN(text_drop)
        struct text name = {0};
        enum json_type type = json_type(value);
        text_addf(&name, "%s.%.*s", t->name, BYTES_ARG(key));
        if (type != JSON_ARRAY && type != JSON_OBJECT && !has_column(t, key) &&
            !one_of(text_str(&name), left_out, COUNT(left_out)))
            fail_msg("there is no column for %s", text_str(&name));
    }
}

// What stands in a column is what stands in the object at one of its paths.
static void check_values(const struct object_table *t, json object) {
    for (size_t i = 0; i < t->column_count; i++) {
        const struct object_column *c = &t->columns[i];
        json v = json_path(object, bytes_of(c->path));
        bytes rest = bytes_of(c->elsewhere);
        while (rest.n > 0 && json_type(v) <= JSON_NULL)
            v = json_path(object, bytes_cut(&rest, '|'));
        json id = json_get(v, "id");
        if (c->type == COLUMN_ID && json_type(id) == JSON_STRING)
            v = id;
        OWN(text_drop)
        struct text is = {0}, shown = {0};
        if (json_type(v) == JSON_STRING)
            text_add(&is, json_string(v));
        else if (json_type(v) == JSON_BOOL)
            text_adds(&is, json_true(v) ? "1" : "0");
        else if (json_type(v) > JSON_NULL)
            json_write(v, &is);
        if (values[i].kind == VALUE_INTEGER)
            text_add_i64(&shown, values[i].integer);
        else if (values[i].kind == VALUE_TEXT)
            text_add(&shown, values[i].text);
        assert_int_equal(values[i].kind == VALUE_NULL, json_type(v) <= JSON_NULL);
        assert_string_equal(text_str(&is), text_str(&shown));
    }
}

static void test_samples(void **state) {
    for (size_t i = 0; i < sample_count; i++) {
        OWN(text_drop)
        struct text body = {0}, why = {0};
        OWN(event_drop)
        struct event e = {0};
        const struct sample_options o = {.now_s = 1795723000, .seed = 7, .livemode = true};
        assert_true(sample_make(&samples[i], &o, &body, &why) == OK);
        assert_true(event_parse(text_bytes(&body), &e, &why) == OK);
        json object = json_path(json_root(e.doc), B("data.object"));
        const struct object_table *t = object_table_of(e.object_type);
        project(t, object);
        check_values(t, object);
        if (t->object[0] != '\0') {
            check_covered(t, object);
            if (e.object_id.n > 0 || strcmp(t->id, "id") != 0)
                assert_true(object_id(t, object).n > 0);
        }
        size_t at = 0;
        for (const struct object_table *l; (l = object_table_list(t, &at)) != NULL;) {
            json list = json_path(object, bytes_of(l->list)), member;
            for (size_t m = 0; json_element(list, &m, &member);) {
                assert_true(json_equals_text(json_get(member, "object"), bytes_of(l->object)));
                project(l, member);
                check_values(l, member);
                check_covered(l, member);
            }
        }
    }
}

static void test_types(void **state) {
    check("customers", "{\"balance\":-1200}", "balance", "-1200");
    check("customers", "{\"balance\":9223372036854775807}", "balance", "9223372036854775807");
    check("customers", "{\"balance\":9223372036854775808}", "balance", "'9223372036854775808'");
    check("customers", "{\"balance\":1.5e3}", "balance", "'1.5e3'");
    check("customers", "{\"balance\":\"12\"}", "balance", "'12'");
    check("customers", "{\"balance\":[1, 2]}", "balance", "'[1,2]'");
    check("customers", "{\"delinquent\":true}", "delinquent", "1");
    check("customers", "{\"delinquent\":false}", "delinquent", "0");
    check("customers", "{\"delinquent\":null}", "delinquent", "NULL");
    check("customers", "{}", "delinquent", "NULL");
    check("customers", "[]", "delinquent", "NULL");
    check("customers", "{\"email\":\"\"}", "email", "''");
    check("customers", "{\"email\":\"\\u00e9\\\"\"}", "email", "'\xc3\xa9\"'");
    check("customers", "{\"metadata\":{\"a\" : \"\\u00e9\"}}", "metadata",
          "'{\"a\":\"\xc3\xa9\"}'");
    check("customers", "{\"metadata\":{}}", "metadata", "'{}'");
    check("coupons", "{\"percent_off\":12.50}", "percent_off", "'12.50'");
    check("coupons", "{\"percent_off\":12}", "percent_off", "'12'");
    check("prices", "{\"unit_amount_decimal\":\"0.05\"}", "unit_amount_decimal", "'0.05'");
    check("prices", "{\"type\":\"some day\"}", "type", "'some day'");
}

static void test_ids(void **state) {
    check("invoices", "{\"customer\":\"cus_1\"}", "customer", "'cus_1'");
    check("invoices", "{\"customer\":{\"object\":\"customer\",\"id\":\"cus_1\"}}", "customer",
          "'cus_1'");
    check("invoices", "{\"customer\":{\"id\":7}}", "customer", "'{\"id\":7}'");
    check("customers", "{\"metadata\":{\"id\":\"x\"}}", "metadata", "'{\"id\":\"x\"}'");
}

static void test_versions_of_the_api(void **state) {
    check("invoices", "{\"subscription\":\"sub_1\"}", "subscription", "'sub_1'");
    check("invoices",
          "{\"parent\":{\"subscription_details\":{\"subscription\":{\"id\":\"sub_2\"}}}}",
          "subscription", "'sub_2'");
    check("invoices", "{\"parent\":null,\"subscription\":null}", "subscription", "NULL");
    check("subscriptions", "{\"items\":{\"data\":[{\"current_period_end\":5}]}}",
          "current_period_end", "5");
    check("subscriptions", "{\"items\":{\"data\":[{}]},\"current_period_end\":6}",
          "current_period_end", "6");
    check("discounts", "{\"coupon\":{\"id\":\"SPRING\"}}", "coupon", "'SPRING'");
    check("discounts", "{\"source\":{\"coupon\":\"FALL\"}}", "coupon", "'FALL'");
    check("invoice_line_items", "{\"price\":{\"id\":\"price_1\",\"product\":\"prod_1\"}}",
          "product", "'prod_1'");
    check("invoice_line_items",
          "{\"parent\":{\"subscription_item_details\":{\"subscription\":\"sub_3\"}}}",
          "subscription", "'sub_3'");
}

static void test_any_order(void **state) {
    static const char *const rows[] = {
        "{\"name\":\"N\",\"email\":\"E\",\"address\":{\"city\":\"C\"}}",
        "{\"address\":{\"city\":\"C\"},\"email\":\"E\",\"name\":\"N\"}",
        "{\"zzz\":1,\"name\":\"N\",\"a.b\":1,\"address\":{\"city\":\"C\"},\"\":0,\"email\":\"E\"}",
        "{\"email\":\"E\",\"zzz\":1,\"address.city\":1,\"address\":{\"city\":\"C\"},"
        "\"name\":\"N\"}",
        "{\"email\":\"E\",\"name\":\"N\",\"name\":\"2\",\"address\":{\"city\":\"C\"},\"email\":2}",
        "{\"emai\":0,\"email\":\"E\",\"email_\":0,\"nam\":0,\"name\":\"N\",\"address_city\":0,"
        "\"address\":{\"city\":\"C\"}}"};
    for (size_t i = 0; i < COUNT(rows); i++) {
        check("customers", rows[i], "name", "'N'");
        check("customers", rows[i], "email", "'E'");
        check("customers", rows[i], "address_city", "'C'");
        check("customers", rows[i], "address", "'{\"city\":\"C\"}'");
        check("customers", rows[i], "address_line1", "NULL");
    }
}

// Names that are no step of a path, where columns of one step are and at the end.
static void test_odd_names(void **state) {
    check("subscriptions", "{\"zz\":1,\"trial_start.x\":1,\"trial_settings.a\":1,\"trial_end\":5}",
          "trial_end", "5");
    check("customers", "{\"email\\u0000\":1,\"email\":\"E\"}", "email", "'E'");
    check("customers", "{\"email\":\"E\",\"email\\u0000\":1,\"\":2}", "email", "'E'");
    check("customers", "{\"address.\":1,\"address.z\":1,\"address\":{\"city\":\"C\"}}",
          "address_city", "'C'");
    check("customers", "{\"address.z\":1,\"address-\":1,\"address\":{\"city\":\"C\"}}", "address",
          "'{\"city\":\"C\"}'");
}

static void check_id(const char *table, const char *object, const char *id) {
    OWN(json_close)
    struct json_doc *doc = NULL;
    assert_true(json_parse(bytes_of(object), &doc) == OK);
    assert_true(bytes_equal(object_id(named(table), json_root(doc)), bytes_of(id)));
}

static void test_object_ids(void **state) {
    OWN(text_drop)
    struct text longest = {0}, longer = {0};
    text_addf(&longest, "{\"id\":\"%0255d\"}", 0);
    text_addf(&longer, "{\"id\":\"%0256d\"}", 0);
    check_id("customers", "{\"id\":\"cus_1\"}", "cus_1");
    check_id("customers", "{\"id\":\"\"}", "");
    check_id("customers", "{\"id\":1}", "");
    check_id("customers", "{}", "");
    check_id("customers", "\"id\"", "");
    check_id("cash_balances", "{\"id\":\"no\",\"customer\":\"cus_2\"}", "cus_2");
    check_id("customers", text_str(&longer), "");
    OWN(json_close)
    struct json_doc *doc = NULL;
    assert_true(json_parse(text_bytes(&longest), &doc) == OK);
    assert_int_equal(object_id(named("customers"), json_root(doc)).n, 255);
}

static void test_scratch_is_capped(void **state) {
    OWN(json_close)
    struct json_doc *doc = NULL;
    OWN(text_drop)
    struct text small = {.max = 8};
    assert_true(json_parse(B("{\"address\":{},\"metadata\":{\"a\":\"0123456789\"}}"), &doc) == OK);
    object_columns(named("customers"), json_root(doc), &small, values);
    assert_true(small.failed);
}

static int drop_scratch(void **state) {
    text_drop(&scratch);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tables),     cmocka_unit_test(test_all_others),
        cmocka_unit_test(test_lists),      cmocka_unit_test(test_each_type_has_a_table),
        cmocka_unit_test(test_samples),    cmocka_unit_test(test_types),
        cmocka_unit_test(test_ids),        cmocka_unit_test(test_versions_of_the_api),
        cmocka_unit_test(test_any_order),  cmocka_unit_test(test_odd_names),
        cmocka_unit_test(test_object_ids), cmocka_unit_test(test_scratch_is_capped),
    };
    return cmocka_run_group_tests(tests, NULL, drop_scratch);
}
