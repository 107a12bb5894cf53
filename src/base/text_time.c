// SPDX-License-Identifier: MIT
// Apart from text.c, since it needs no memory.
#include <string.h>

#include "base/text.h"

#define SECOND INT64_C(1000)
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)

// Days since 1970-01-01 in the proleptic Gregorian calendar. Years are counted from March, so that
// the leap day is the last, and in eras of 400 years; from 400 years before the year 0, so that
// nothing is negative.
static int64_t days_of(int64_t year, int64_t month, int64_t day) {
    int64_t y = 400 + (month <= 2 ? year - 1 : year);
    int64_t era = y / 400, year_of_era = y % 400;
    int64_t day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    return (era - 1) * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 +
           day_of_year - 719468;
}

// Exactly n digits at the start of *b, cut off.
static bool take_digits(bytes *b, size_t n, int64_t *out) {
    if (b->n < n || bytes_to_i64(bytes_slice(*b, 0, n), out) != OK || b->p[0] == '-')
        return false;
    *b = bytes_slice(*b, n, b->n);
    return true;
}

static bool take_one_of(bytes *b, const char *set, char *out) {
    if (b->n == 0 || b->p[0] == '\0' || strchr(set, b->p[0]) == NULL)
        return false;
    *out = (char)b->p[0];
    *b = bytes_slice(*b, 1, b->n);
    return true;
}

static bool take_date(bytes *b, int64_t *days) {
    static const int8_t lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int64_t year, month, day;
    char c;
    if (!take_digits(b, 4, &year) || !take_one_of(b, "-", &c) || !take_digits(b, 2, &month) ||
        !take_one_of(b, "-", &c) || !take_digits(b, 2, &day) || month < 1 || month > 12)
        return false;
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    if (day < 1 || day > lengths[month - 1] + (month == 2 && leap))
        return false;
    *days = days_of(year, month, day);
    return true;
}

// hh:mm as milliseconds.
static bool take_hour_minute(bytes *b, int64_t *ms) {
    int64_t hour, minute;
    char c;
    if (!take_digits(b, 2, &hour) || !take_one_of(b, ":", &c) || !take_digits(b, 2, &minute) ||
        hour > 23 || minute > 59)
        return false;
    *ms = hour * HOUR + minute * MINUTE;
    return true;
}

static bool take_clock(bytes *b, int64_t *ms) {
    int64_t second, digit;
    char c;
    if (!take_hour_minute(b, ms) || !take_one_of(b, ":", &c) || !take_digits(b, 2, &second) ||
        second > 59)
        return false;
    *ms += second * SECOND;
    if (!take_one_of(b, ".", &c))
        return true;
    if (!take_digits(b, 1, &digit))
        return false;
    *ms += digit * 100;
    for (int64_t scale = 10; take_digits(b, 1, &digit); scale /= 10)
        *ms += digit * scale;
    return true;
}

result text_parse_time(bytes b, int64_t *out_unix_ms) {
    int64_t days, clock = 0, offset = 0;
    char sign;
    NEED(take_date(&b, &days), INVALID, "a time does not begin with a date like 2026-11-23");
    if (b.n > 0) {
        NEED(take_one_of(&b, "Tt", &sign) && take_clock(&b, &clock), INVALID,
             "the time behind the date is not of the form T18:57:26");
        NEED(take_one_of(&b, "Zz+-", &sign), INVALID, "a time lacks its zone: Z or +02:00");
        NEED(sign == 'Z' || sign == 'z' || take_hour_minute(&b, &offset), INVALID,
             "the offset of a time is not of the form +02:00");
        NEED(b.n == 0, INVALID, "something stands behind the time");
        offset = sign == '-' ? -offset : offset;
    }
    *out_unix_ms = days * DAY + clock - offset;
    return OK;
}
