// SPDX-License-Identifier: MIT
#include "queue/lines.h"

void line_write(const struct queue_job *job, struct text *out) {
    text_addf(out,
              "{\"delivery\":%llu,\"attempt\":%u,\"event\":", (unsigned long long)job->delivery,
              job->attempt);
    text_add_json(out, job->event);
    text_adds(out, ",\"type\":");
    text_add_json(out, job->type);
    text_adds(out, ",\"account\":");
    if (job->account.n > 0)
        text_add_json(out, job->account);
    else
        text_adds(out, "null");
    text_addf(out, ",\"livemode\":%s,\"created\":", job->livemode ? "true" : "false");
    text_add_i64(out, job->created);
    text_adds(out, ",\"payload\":");
    text_add_json(out, job->payload);
    text_addc(out, '}');
}
