// SPDX-License-Identifier: MIT
#include "desk/answers.h"
#include "desk/params.h"

static void diff_work(struct ask *a, struct reader *r) {
    OWN(text_drop)
    struct text plan_json = {0};
    OWN(text_drop)
    struct text why = {0};
    struct plan *plan = NULL;
    json_write(field(a, "plan"), &plan_json);
    result done = plan_read(text_bytes(&plan_json), 0, &plan);
    if (done != OK) {
        ask_fail(a, 400,
                 "`plan` is missing or no plan (%s); hookkeep match diff makes it from a "
                 "configuration",
                 done->text);
        return;
    }
    struct whatif_question asked = {
        .plan = plan, .since_ms = a->filter.since_ms, .until_ms = a->filter.until_ms};
    done = reader_whatif(r, &asked, &a->out, &why);
    plan_free(plan);
    if (failed_as(done, FAIL_FULL))
        ask_fail(a, 409, "%s", text_str(&why));
    else if (done != OK)
        ask_fail_read(a, done, "the books lack something; see hookkeep ledger verify");
}

void match_diff(struct ask *a) {
    if (!params_filter(a, NULL, &a->filter))
        ask_send(a);
    else
        ask_query_slow(a, diff_work, ask_send);
}
