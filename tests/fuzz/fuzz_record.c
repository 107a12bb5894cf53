// SPDX-License-Identifier: MIT
// Payloads of journal records: what can be decoded is encoded to the same bytes again, cut where an
// outcome's texts are too long.
#include "fuzz.h"
#include "rules/record.h"

static void fuzz_receipt(bytes in) {
    struct receipt_record r;
    if (receipt_decode(in, &r) != OK)
        return;
    OWN(text_drop)
    struct text again = {0};
    receipt_encode(&r, &again);
    ensure(bytes_equal(text_bytes(&again), in));
}

static void fuzz_outcome(bytes in) {
    struct outcome_record r;
    if (outcome_decode(in, &r) != OK)
        return;
    OWN(text_drop)
    struct text again = {0};
    outcome_encode(&r, &again);
    ensure(again.n <= OUTCOME_RECORD_MAX);
    if (r.error.n <= OUTCOME_ERROR_MAX && r.answer.n <= OUTCOME_ANSWER_MAX)
        ensure(bytes_equal(text_bytes(&again), in));
}

static void fuzz_plan(bytes in) {
    struct plan *plan = NULL;
    if (plan_read(in, 7, &plan) != OK)
        return;
    struct plan *again = NULL;
    ensure(plan_read(plan->json, 7, &again) == OK);
    ensure(plan->source_count == again->source_count);
    plan_free(again);
    plan_free(plan);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n) {
    bytes in = bytes_from(p, n);
    switch (fuzz_number(&in, 1) % 3) {
    case 0: fuzz_receipt(in); break;
    case 1: fuzz_outcome(in); break;
    default: fuzz_plan(in);
    }
    return 0;
}
