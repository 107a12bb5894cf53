// SPDX-License-Identifier: MIT
#include "base/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

#define DEFAULT_MAX ((size_t)64 << 20)
#define DISTANCE_MAX 64

#define SECOND INT64_C(1000)
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)

void text_drop(struct text *t) {
    free(t->p);
    *t = (struct text){.max = t->max};
}

void text_reset(struct text *t) {
    t->n = 0;
    t->failed = false;
    if (t->p != NULL)
        t->p[0] = '\0';
}

// Makes room for n more bytes and a NUL; false, for good, when they do not fit.
static bool make_room(struct text *t, size_t n) {
    size_t max = t->max > 0 ? t->max : DEFAULT_MAX;
    if (t->failed || t->n > max || n > max - t->n) {
        t->failed = true;
        return false;
    }
    if (t->n + n < t->cap)
        return true;
    size_t cap = t->cap < 64 ? 64 : t->cap * 2;
    cap = cap > max + 1 ? max + 1 : cap;
    cap = cap < t->n + n + 1 ? t->n + n + 1 : cap;
    t->p = memory_grow(t->p, cap, 1);
    t->cap = cap;
    return true;
}

void text_add(struct text *t, bytes b) {
    if (!make_room(t, b.n))
        return;
    if (b.n > 0)
        memcpy(t->p + t->n, b.p, b.n);
    t->n += b.n;
    t->p[t->n] = '\0';
}

void text_adds(struct text *t, const char *s) { text_add(t, bytes_of(s)); }

void text_addc(struct text *t, char c) {
    if (!make_room(t, 1))
        return;
    t->p[t->n++] = c;
    t->p[t->n] = '\0';
}

void text_addf(struct text *t, const char *format, ...) {
    va_list args;
    va_start(args, format);
    text_addv(t, format, args);
    va_end(args);
}

void text_addv(struct text *t, const char *format, va_list args) {
    va_list again;
    va_copy(again, args);
    size_t room = t->failed ? 0 : t->cap - t->n;
    int n = vsnprintf(room > 0 ? t->p + t->n : NULL, room, format, args);
    if (n < 0)
        t->failed = true;
    else if (make_room(t, (size_t)n)) {
        if ((size_t)n >= room)
            vsnprintf(t->p + t->n, (size_t)n + 1, format, again);
        t->n += (size_t)n;
    }
    // What did not fit was written in part; it is not part of the content.
    if (t->p != NULL)
        t->p[t->n] = '\0';
    va_end(again);
}

void text_add_u64(struct text *t, uint64_t v) {
    char digits[20];
    text_add(t, bytes_from(digits, bytes_print_u64(v, digits)));
}

// The magnitude, which for INT64_MIN no int64_t holds.
static uint64_t size_of(int64_t v) { return v < 0 ? 0 - (uint64_t)v : (uint64_t)v; }

void text_add_i64(struct text *t, int64_t v) {
    if (v < 0)
        text_addc(t, '-');
    text_add_u64(t, size_of(v));
}

void text_add_hex(struct text *t, bytes b) {
    if (b.n > SIZE_MAX / 2 || !make_room(t, 2 * b.n)) {
        t->failed = true;
        return;
    }
    bytes_to_hex(b.p, b.n, t->p + t->n);
    t->n += 2 * b.n;
    t->p[t->n] = '\0';
}

static void add_json_escape(struct text *t, uint8_t c) {
    static const char shorts[] = "\"\"\\\\\bb\ff\nn\rr\tt";
    for (size_t i = 0; i + 1 < sizeof(shorts); i += 2) {
        if ((uint8_t)shorts[i] == c) {
            text_add(t, bytes_from((const char[]){'\\', shorts[i + 1]}, 2));
            return;
        }
    }
    text_addf(t, "\\u%04x", c);
}

// Do these eight bytes stand in a JSON string as they are: ASCII, no control character, quote or
// backslash? (Where a byte is subtracted from that is too small the top bit of one of them is set.)
static bool are_plain(const uint8_t *p) {
    const uint64_t ones = UINT64_C(0x0101010101010101), tops = ones * 0x80;
    uint64_t w;
    memcpy(&w, p, sizeof w);
    uint64_t quotes = (w ^ (ones * '"')) - ones, slashes = (w ^ (ones * '\\')) - ones;
    return (((w - ones * 0x20) | quotes | slashes | w) & tops) == 0;
}

// How much from there on is ASCII that stands for itself: most strings are, from end to end.
static size_t plain_run(bytes b, size_t at) {
    size_t from = at;
    while (b.n - at >= 8 && are_plain(b.p + at))
        at += 8;
    while (at < b.n && b.p[at] >= 0x20 && b.p[at] < 0x80 && b.p[at] != '"' && b.p[at] != '\\')
        at++;
    return at - from;
}

static void add_quoted(struct text *t, bytes b) {
    if (b.n > SIZE_MAX - 2 || !make_room(t, b.n + 2)) {
        t->failed = true;
        return;
    }
    char *p = t->p + t->n;
    p[0] = '"';
    if (b.n > 0)
        memcpy(p + 1, b.p, b.n);
    p[b.n + 1] = '"';
    p[b.n + 2] = '\0';
    t->n += b.n + 2;
}

void text_add_json(struct text *t, bytes b) {
    size_t run = 0, at = plain_run(b, 0);
    if (at == b.n) {
        add_quoted(t, b);
        return;
    }
    text_addc(t, '"');
    while (at < b.n && !t->failed) {
        size_t n = bytes_utf8_at(b, at);
        if (n > 1) {
            at += n;
        } else {
            text_add(t, bytes_slice(b, run, at));
            if (n == 0)
                text_adds(t, "\xef\xbf\xbd");
            else
                add_json_escape(t, b.p[at]);
            run = ++at;
        }
        at += plain_run(b, at);
    }
    text_add(t, bytes_slice(b, run, b.n));
    text_addc(t, '"');
}

// U+0000 to U+001F, U+007F to U+009F, and what turns the direction of a line (U+202A to U+202E,
// U+2066 to U+2069).
static bool is_control(const uint8_t *p, size_t n) {
    if (n == 1)
        return p[0] < 0x20 || p[0] == 0x7f;
    if (n == 2)
        return p[0] == 0xc2 && p[1] < 0xa0;
    if (n == 3 && p[0] == 0xe2)
        return (p[1] == 0x80 && p[2] >= 0xaa && p[2] <= 0xae) ||
               (p[1] == 0x81 && p[2] >= 0xa6 && p[2] <= 0xa9);
    return false;
}

void text_add_printable(struct text *t, bytes b, size_t max_n) {
    size_t left = max_n;
    for (size_t at = 0; at < b.n && !t->failed;) {
        size_t n = bytes_utf8_at(b, at);
        bool plain = n > 0 && !is_control(b.p + at, n);
        if (n == 0)
            n = 1;
        if ((plain ? n : 4 * n) > left) {
            text_adds(t, "\xe2\x80\xa6");
            return;
        }
        left -= plain ? n : 4 * n;
        if (plain)
            text_add(t, bytes_from(b.p + at, n));
        for (size_t i = 0; !plain && i < n; i++)
            text_addf(t, "\\x%02x", b.p[at + i]);
        at += n;
    }
}

static int64_t floor_div(int64_t a, int64_t b) { return a / b - (a % b < 0); }

static int hex_digit(uint8_t c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

void text_add_decoded(struct text *t, bytes b, bool form) {
    for (size_t i = 0; i < b.n; i++) {
        uint8_t c = b.p[i];
        int high = c == '%' && i + 2 < b.n ? hex_digit(b.p[i + 1]) : -1;
        int low = high >= 0 ? hex_digit(b.p[i + 2]) : -1;
        if (low >= 0) {
            text_addc(t, (char)(high << 4 | low));
            i += 2;
        } else {
            text_addc(t, form && c == '+' ? ' ' : (char)c);
        }
    }
}

void text_add_time(struct text *t, int64_t unix_ms) {
    int64_t days = floor_div(unix_ms, DAY), ms = (unix_ms % DAY + DAY) % DAY;
    int64_t era = floor_div(days + 719468, 146097), day_of_era = days + 719468 - era * 146097;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t march_month = (5 * day_of_year + 2) / 153;
    int64_t day = day_of_year - (153 * march_month + 2) / 5 + 1;
    int64_t month = march_month < 10 ? march_month + 3 : march_month - 9;
    int64_t year = year_of_era + era * 400 + (month <= 2);
    text_addf(t,
              "%04" PRId64 "-%02" PRId64 "-%02" PRId64 "T%02" PRId64 ":%02" PRId64 ":%02" PRId64
              ".%03" PRId64 "Z",
              year, month, day, ms / HOUR, ms % HOUR / MINUTE, ms % MINUTE / SECOND, ms % SECOND);
}

struct unit {
    const char *name;
    uint64_t of;
};

// From the largest to the smallest.
static const struct unit duration_units[] = {
    {"d", DAY}, {"h", HOUR}, {"m", MINUTE}, {"s", SECOND}, {"ms", 1}, {NULL, 0},
};

static const struct unit size_units[] = {
    {"GiB", UINT64_C(1) << 30},
    {"MiB", UINT64_C(1) << 20},
    {"KiB", UINT64_C(1) << 10},
    {"B", 1},
    {NULL, 0},
};

void text_add_duration(struct text *t, int64_t ms) {
    uint64_t left = size_of(ms);
    if (ms == 0) {
        text_adds(t, "0s");
        return;
    }
    const struct unit *u = duration_units;
    while (left % u->of != 0)
        u++;
    if (ms < 0)
        text_addc(t, '-');
    text_add_u64(t, left / u->of);
    text_adds(t, u->name);
}

bytes text_bytes(const struct text *t) { return bytes_from(t->p, t->n); }

const char *text_str(const struct text *t) { return t->p == NULL ? "" : t->p; }

char *text_give(struct text *t) {
    char *p = t->p != NULL ? t->p : bytes_strdup(NO_BYTES);
    t->p = NULL;
    t->n = t->cap = 0;
    return p;
}

static result parse_units(bytes b, const struct unit *units, uint64_t *out) {
    size_t digits = 0;
    while (digits < b.n && b.p[digits] >= '0' && b.p[digits] <= '9')
        digits++;
    uint64_t v;
    TRY(bytes_to_u64(bytes_slice(b, 0, digits), &v));
    bytes name = bytes_slice(b, digits, b.n);
    NEED(name.n > 0, INVALID, "a unit is missing behind the number");
    const struct unit *u = units;
    while (u->name != NULL && !bytes_equal(name, bytes_of(u->name)))
        u++;
    NEED(u->name != NULL, INVALID, "the unit behind the number is unknown");
    NEED(!__builtin_mul_overflow(v, u->of, out), INVALID, "a number is too large");
    return OK;
}

result text_parse_duration(bytes b, int64_t *out_ms) {
    uint64_t ms;
    TRY(parse_units(b, duration_units, &ms));
    NEED(ms <= INT64_MAX, INVALID, "a duration is too long");
    *out_ms = (int64_t)ms;
    return OK;
}

result text_parse_size(bytes b, uint64_t *out) {
    uint64_t size;
    TRY(parse_units(b, size_units, &size));
    *out = size;
    return OK;
}

static size_t least(size_t a, size_t b) { return a < b ? a : b; }

size_t text_distance(bytes a, bytes b) {
    size_t rows[3][DISTANCE_MAX + 1];
    size_t *before = rows[0], *last = rows[1], *row = rows[2];
    a = bytes_slice(a, 0, DISTANCE_MAX);
    b = bytes_slice(b, 0, DISTANCE_MAX);
    for (size_t j = 0; j <= b.n; j++)
        row[j] = j;
    for (size_t i = 1; i <= a.n; i++) {
        size_t *oldest = before;
        before = last;
        last = row;
        row = oldest;
        row[0] = i;
        for (size_t j = 1; j <= b.n; j++) {
            size_t replaced = last[j - 1] + (a.p[i - 1] != b.p[j - 1]);
            row[j] = least(replaced, least(last[j], row[j - 1]) + 1);
            if (i > 1 && j > 1 && a.p[i - 1] == b.p[j - 2] && a.p[i - 2] == b.p[j - 1])
                row[j] = least(row[j], before[j - 2] + 1);
        }
    }
    return row[b.n];
}
