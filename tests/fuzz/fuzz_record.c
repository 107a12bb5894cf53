// SPDX-License-Identifier: MIT
// Payloads of journal records: what can be decoded is encoded to the same bytes again, cut where an
// outcome's texts are too long. The first byte says what the rest is.
#include "fuzz.h"
#include "rules/record.h"

const struct fuzz_plant fuzz_plants[] = {
    {"label", PLANT_FUZZED, "a receipt loses its secret's label"},
    {"status", PLANT_FUZZED, "an outcome's status over 500 is kept as 500"},
    {"cut", PLANT_SEEDED, "a long error is not cut"},
    {"plan", PLANT_SEEDED, "a plan forgets a destination"},
    {0},
};

static void fuzz_receipt(bytes in) {
    struct receipt_record r;
    if (receipt_decode(in, &r) != OK)
        return;
    if (fuzz_planted("label"))
        r.secret_label = NO_BYTES;
    OWN(text_drop)
    struct text again = {0};
    receipt_encode(&r, &again);
    ensure(bytes_equal(text_bytes(&again), in));
    ensure(again.n <= RECEIPT_RECORD_EXTRA + r.source.n + r.owner.n + r.secret_label.n + r.body.n);
}

// Texts of any length and content, cut to what a record holds.
static void check_cut(struct outcome_record r, bytes any) {
    struct outcome_record cut;
    OWN(text_drop)
    struct text out = {0};
    r.error = r.answer = any;
    outcome_encode(&r, &out);
    ensure(out.n <= OUTCOME_RECORD_MAX && outcome_decode(text_bytes(&out), &cut) == OK);
    if (fuzz_planted("cut"))
        cut.error = bytes_slice(any, 0, cut.error.n + 1);
    ensure(cut.error.n <= OUTCOME_ERROR_MAX && bytes_starts(any, cut.error));
    ensure(cut.answer.n <= OUTCOME_ANSWER_MAX && bytes_starts(any, cut.answer));
    ensure(!bytes_utf8(any) || (bytes_utf8(cut.error) && bytes_utf8(cut.answer)));
}

static void fuzz_outcome(bytes in) {
    struct outcome_record r;
    check_cut((struct outcome_record){.delivery = 1, .attempt = 1}, in);
    if (outcome_decode(in, &r) != OK)
        return;
    if (fuzz_planted("status") && r.status > 500)
        r.status = 500;
    OWN(text_drop)
    struct text again = {0};
    outcome_encode(&r, &again);
    ensure(bytes_equal(text_bytes(&again), in));
}

static void fuzz_plan(bytes in) {
    struct plan *plan = NULL;
    if (plan_read(in, 7, &plan) != OK)
        return;
    OWN(text_drop)
    struct text written = {0};
    if (fuzz_planted("plan") && plan->destination_count > 1)
        plan->destination_count--;
    plan_write(plan, &written);
    ensure(bytes_equal(text_bytes(&written), plan->json));
    struct plan *again = NULL;
    ensure(plan_read(plan->json, 7, &again) == OK);
    ensure(bytes_equal(again->json, plan->json));
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
