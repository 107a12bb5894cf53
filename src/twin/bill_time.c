// SPDX-License-Identifier: MIT
// Periods of the calendar, by the proleptic Gregorian one, in UTC.
#include "twin/bill.h"

#define PERIODS_MAX 100000 // from an anchor

// A period is three years at most, as at Stripe.
static int64_t count_max(bytes interval) {
    return bytes_equal(interval, B("day"))    ? 1096
           : bytes_equal(interval, B("week")) ? 156
           : bytes_equal(interval, B("year")) ? 3
                                              : 36;
}

struct date {
    int64_t year;
    int month, day; // from 1
};

static bool is_leap(int64_t y) { return (y % 4 == 0 && y % 100 != 0) || y % 400 == 0; }

static int days_of(int64_t year, int month) {
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return days[month - 1] + (month == 2 && is_leap(year));
}

// Days before the first of January of a year, from 1970 on.
static int64_t days_before(int64_t year) {
    int64_t y = year - 1;
    return 365 * (year - 1970) + (y / 4 - y / 100 + y / 400) - (1969 / 4 - 1969 / 100 + 1969 / 400);
}

static struct date date_of(int64_t days) {
    struct date d = {.year = 1970 + days / 366, .month = 1, .day = 1};
    while (days_before(d.year + 1) <= days)
        d.year++;
    days -= days_before(d.year);
    while (days >= days_of(d.year, d.month))
        days -= days_of(d.year, d.month++);
    d.day += (int)days;
    return d;
}

static int64_t day_number(struct date d) {
    int64_t days = days_before(d.year);
    for (int m = 1; m < d.month; m++)
        days += days_of(d.year, m);
    return days + d.day - 1;
}

static int64_t add_months(int64_t time_s, int64_t months) {
    if (time_s < 0) // of no date that is asked for
        return time_s + months * 30 * DAY_S;
    struct date d = date_of(time_s / DAY_S);
    int64_t month = d.year * 12 + d.month - 1 + months;
    if (month < 1970 * 12)
        return 0;
    d.year = month / 12;
    d.month = (int)(month % 12) + 1;
    if (d.day > days_of(d.year, d.month))
        d.day = days_of(d.year, d.month);
    return day_number(d) * DAY_S + time_s % DAY_S;
}

int64_t bill_period(int64_t anchor_s, int64_t n, bytes interval, int64_t count) {
    count = count < 1 ? 1 : count > count_max(interval) ? count_max(interval) : count;
    n = n > PERIODS_MAX ? PERIODS_MAX : n;
    if (bytes_equal(interval, B("day")))
        return anchor_s + n * count * DAY_S;
    if (bytes_equal(interval, B("week")))
        return anchor_s + n * count * 7 * DAY_S;
    return add_months(anchor_s, n * count * (bytes_equal(interval, B("year")) ? 12 : 1));
}

int64_t bill_period_after(int64_t anchor_s, int64_t time_s, bytes interval, int64_t count) {
    int64_t n = 0;
    while (bill_period(anchor_s, n, interval, count) > time_s && n > -1200)
        n--;
    while (n < PERIODS_MAX && bill_period(anchor_s, n, interval, count) <= time_s)
        n++;
    return bill_period(anchor_s, n, interval, count);
}

int64_t bill_times(int64_t a, int64_t b) {
    int64_t product;
    bool over = __builtin_mul_overflow(a, b, &product);
    if (over || product > TWIN_NUMBER_MAX || product < -TWIN_NUMBER_MAX)
        return (a < 0) == (b < 0) ? TWIN_NUMBER_MAX : -TWIN_NUMBER_MAX;
    return product;
}

int64_t bill_part(int64_t a, int64_t part, int64_t whole) {
    if (a < 0)
        return -bill_part(-a, part, whole);
    return a / whole * part + (a % whole * part + whole / 2) / whole;
}
