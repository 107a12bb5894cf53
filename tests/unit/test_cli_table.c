// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "cli/table.h"

static const struct column columns[] = {
    {"seq", "seq", CELL_TEXT, 0},      {"at", "at_ms", CELL_TIME, 0},
    {"text", "a.text", CELL_TEXT, 10}, {"mode", "live", CELL_MODE, 0},
    {"yes", "yes", CELL_YES, 0},       {"took", "took", CELL_TOOK, 0},
    {"empty", "empty", CELL_TEXT, 5},
};

#define COUNT (sizeof(columns) / sizeof(columns[0]))

static void add(struct table *t, const char *row) {
    struct json_doc *doc = NULL;
    assert_null(json_parse(bytes_of(row), &doc));
    table_add(t, json_root(doc));
    json_close(&doc);
}

static void assert_table(const char *const *rows, size_t n, const char *expected) {
    struct table t;
    struct text out = {0};
    table_init(&t, columns, COUNT);
    for (size_t i = 0; i < n; i++)
        add(&t, rows[i]);
    table_write(&t, &out);
    assert_string_equal(text_str(&out), expected);
    text_drop(&out);
    table_drop(&t);
}

static void columns_are_aligned(void **state) {
    static const char *const rows[] = {
        "{\"seq\":1,\"at_ms\":1700000000123,\"a\":{\"text\":\"z\\u00e9\"},\"live\":true,\"yes\":1,"
        "\"took\":1234}",
        "{\"seq\":12345678901234567890,\"at_ms\":0,\"a\":{\"text\":\"\"},\"live\":0,\"yes\":false,"
        "\"took\":12345678,\"empty\":null}",
    };
    assert_table(rows, 2,
                 "seq                   at                   text  mode  yes  took\n"
                 "1                     2023-11-14 22:13:20  z\xc3\xa9    live  yes  1.2ms\n"
                 "12345678901234567890  -                    -     test  -    12.3s\n");
    assert_table(NULL, 0, "");
}

static void what_is_too_wide_is_cut(void **state) {
    struct text row = {0};
    text_adds(&row, "{\"seq\":1,\"a\":{\"text\":\"");
    for (int i = 0; i < 100; i++)
        text_adds(&row, "\xc3\xa9");
    text_adds(&row, "\"}}");
    struct table t;
    struct text out = {0};
    table_init(&t, columns, COUNT);
    add(&t, text_str(&row));
    table_write(&t, &out);
    bytes rest = text_bytes(&out);
    (void)bytes_cut(&rest, '\n');
    bytes line = bytes_cut(&rest, '\n');
    assert_true(bytes_utf8(line));
    size_t width = 0;
    for (size_t i = 0; i < line.n; i++)
        width += (line.p[i] & 0xc0) != 0x80;
    assert_int_equal(width + 3, TABLE_WIDTH); // the last cell is "-" under "took"
    assert_true(bytes_search(line, B("\xc3\xa9\xe2\x80\xa6  -")) < line.n);
    text_drop(&out);
    text_drop(&row);
    table_drop(&t);
}

static void nothing_reaches_the_terminal_raw(void **state) {
    static const char *const rows[] = {
        "{\"seq\":\"\\u001b[2J\",\"at_ms\":\"\\n\",\"a\":{\"text\":{\"k\":\"\\u202e\"}},"
        "\"live\":\"\\u0007\",\"yes\":[1],\"took\":-5}"};
    struct table t;
    struct text out = {0};
    table_init(&t, columns, COUNT);
    add(&t, rows[0]);
    table_write(&t, &out);
    for (size_t i = 0; i < out.n; i++)
        assert_true((uint8_t)out.p[i] >= ' ' || out.p[i] == '\n');
    assert_int_equal(bytes_search(text_bytes(&out), B("\xe2\x80\xae")), out.n);
    text_drop(&out);
    table_drop(&t);
}

static void fields_stand_under_each_other(void **state) {
    static const struct column fields[] = {{"id", "id", CELL_TEXT, 0},
                                           {"created", "created", CELL_UNIX, 0},
                                           {"error", "e", CELL_TEXT, 0}};
    struct json_doc *doc = NULL;
    struct text out = {0};
    assert_null(json_parse(B("{\"id\":\"evt_1\",\"created\":1700000000,\"e\":\"\"}"), &doc));
    table_fields(fields, 3, json_root(doc), &out);
    assert_string_equal(text_str(&out), "id       evt_1\ncreated  2023-11-14 22:13:20\n");
    text_drop(&out);
    json_close(&doc);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_are_aligned),
        cmocka_unit_test(what_is_too_wide_is_cut),
        cmocka_unit_test(nothing_reaches_the_terminal_raw),
        cmocka_unit_test(fields_stand_under_each_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
