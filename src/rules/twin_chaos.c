// SPDX-License-Identifier: MIT
#include "rules/twin_chaos.h"

#include "base/random.h"

#define SHOWN_MAX 15 // no secret is as short, should one stand in the wrong place

static const char *const names[TWIN_FAULTS] = {
#define TWIN_FAULT(id, name, meaning) name,
#include "rules/twin_faults.def"
#undef TWIN_FAULT
};

const char *twin_fault_name(enum twin_fault f) { return names[f]; }

static bool read_one(bytes said, struct twin_chaos *out, struct text *why) {
    bytes name = bytes_trim(bytes_cut(&said, '=')), value = bytes_trim(said);
    enum twin_fault f = 0;
    uint64_t percent = 100;
    while (f < TWIN_FAULTS && !bytes_equal(name, bytes_of(names[f])))
        f++;
    if (f == TWIN_FAULTS) {
        text_adds(why, "found ");
        text_add_printable(why, name, SHOWN_MAX);
        text_adds(why, "; expected none, or with commas between: ");
        for (f = 0; f < TWIN_FAULTS; f++)
            text_addf(why, "%s%s", f > 0 ? ", " : "", names[f]);
        text_adds(why, ", each with =PERCENT or alone");
        return false;
    }
    bool spell = f == TWIN_FAULT_DELAY && value.n > 0 && bytes_to_u64(value, &percent) != OK;
    bool good = spell ? text_parse_duration(value, &out->delay_ms) == OK
                      : value.n == 0 || (bytes_to_u64(value, &percent) == OK && percent <= 100);
    if (!good) {
        text_addf(why, "found %s=", names[f]);
        text_add_printable(why, value, SHOWN_MAX);
        text_adds(why, f == TWIN_FAULT_DELAY
                           ? "; expected a percentage from 0 to 100, or how long, as delay=5s"
                           : "; expected a percentage from 0 to 100");
        return false;
    }
    out->percent[f] = (uint8_t)(spell && out->percent[f] > 0 ? out->percent[f] : percent);
    return true;
}

result twin_chaos_read(bytes said, struct twin_chaos *out, struct text *why) {
    struct twin_chaos read = {.delay_ms = TWIN_DELAY_MS};
    if (said.n > TWIN_CHAOS_MAX)
        text_addf(why, "found %zu bytes; at most %d are expected", said.n, TWIN_CHAOS_MAX);
    NEED(said.n <= TWIN_CHAOS_MAX, INVALID, "it is longer than all of them are");
    said = bytes_trim(said);
    if (bytes_equal(said, B("none")))
        said = NO_BYTES;
    while (said.n > 0) {
        bytes one = bytes_trim(bytes_cut(&said, ','));
        NEED(one.n == 0 || read_one(one, &read, why), INVALID, "this is no list of faults");
    }
    *out = read;
    return OK;
}

void twin_chaos_write(const struct twin_chaos *c, struct text *out) {
    size_t before = out->n;
    for (enum twin_fault f = 0; f < TWIN_FAULTS; f++) {
        if (c->percent[f] == 0)
            continue;
        text_adds(out, out->n > before ? ", " : "");
        text_addf(out, "%s=%u", names[f], c->percent[f]);
        if (f == TWIN_FAULT_DELAY) {
            text_adds(out, ", delay=");
            text_add_duration(out, c->delay_ms);
        }
    }
    text_adds(out, out->n > before ? "" : "none");
}

unsigned twin_chaos_draw(const struct twin_chaos *c, uint64_t *random) {
    unsigned faults = 0;
    // A number for each whatever its share, so that another share changes what it is about alone.
    for (enum twin_fault f = 0; f < TWIN_FAULTS; f++)
        faults |= random_below(random, 100) < c->percent[f] ? 1u << f : 0;
    return faults;
}

enum twin_fault twin_chaos_next(unsigned *faults) {
    static const enum twin_fault order[] = {TWIN_FAULT_WRONG_SIGNATURE, TWIN_FAULT_OLD_TIMESTAMP,
                                            TWIN_FAULT_HUGE_BODY, TWIN_FAULT_DROP};
    for (size_t i = 0; i < sizeof order / sizeof *order; i++)
        if (twin_has(*faults, order[i])) {
            *faults &= ~(1u << order[i]);
            return order[i];
        }
    return TWIN_FAULTS;
}

int twin_chaos_status(enum twin_fault f) { return f == TWIN_FAULT_HUGE_BODY ? 413 : 400; }
