// SPDX-License-Identifier: MIT
// What the files of the doctor share: doctor.c (asking the checks, and what is about deliveries),
// doctor_seen.c (checks about what comes in).
#ifndef RULES_DOCTOR_INTERNAL_H
#define RULES_DOCTOR_INTERNAL_H

#include "rules/doctor.h"

#define DOCTOR_DAY_MS (INT64_C(24) * 60 * 60 * 1000)
#define DOCTOR_RECENT_MS (7 * DOCTOR_DAY_MS)
#define DOCTOR_LISTED 20 // names in one finding

// A check's findings as they are written: begin, what was found, mend, what mends it, end.
struct doctor_report {
    struct text *out;
    enum doctor_check check;
    size_t count;
    struct text about, found, mend;
};
// One finding from its three texts, which are empty again.
void doctor_find(struct doctor_report *r);
// "a, b and 3 more": begins with the n-th name of its list.
void doctor_list(struct text *out, size_t n, bytes name);
void doctor_list_end(struct text *out, size_t n);

#define CHECK(id, name, severity, meaning)                                                         \
    void check_##name(const struct doctor_facts *f, struct doctor_report *r);
#include "rules/doctor_checks.def"
#undef CHECK

#endif
