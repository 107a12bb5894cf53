// SPDX-License-Identifier: MIT
#include "dispatch/answer.h"

// Of a library's sentence, so many bytes.
#define REASON_MAX 300

static int month_of(bytes name) {
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    for (int i = 0; i < 12; i++)
        if (bytes_equal(name, bytes_from(months + 3 * i, 3)))
            return i + 1;
    return 0;
}

// Sun, 06 Nov 1994 08:49:37 GMT
static bool parse_date(bytes b, int64_t *out_ms) {
    if (b.n != 29 || !bytes_equal(bytes_slice(b, 3, 5), B(", ")) ||
        !bytes_equal(bytes_slice(b, 25, 29), B(" GMT")))
        return false;
    int month = month_of(bytes_slice(b, 8, 11));
    if (month == 0 || b.p[7] != ' ' || b.p[11] != ' ' || b.p[16] != ' ')
        return false;
    OWN(text_drop)
    struct text t = {0};
    text_addf(&t, "%.*s-%02d-%.*sT%.*sZ", BYTES_ARG(bytes_slice(b, 12, 16)), month,
              BYTES_ARG(bytes_slice(b, 5, 7)), BYTES_ARG(bytes_slice(b, 17, 25)));
    return text_parse_time(text_bytes(&t), out_ms) == OK;
}

int64_t answer_retry_after(bytes header, int64_t now_ms) {
    int64_t at_ms, wait;
    uint64_t seconds;
    if (bytes_to_u64(header, &seconds) == OK)
        return seconds < RETRY_AFTER_MAX_MS / 1000 ? (int64_t)seconds * 1000 : RETRY_AFTER_MAX_MS;
    if (!parse_date(header, &at_ms) || __builtin_sub_overflow(at_ms, now_ms, &wait) || wait < 0)
        return 0;
    return wait < RETRY_AFTER_MAX_MS ? wait : RETRY_AFTER_MAX_MS;
}

static void say_status(int status, enum outcome outcome, struct text *t) {
    if (outcome == OUTCOME_DONE)
        return;
    text_addf(t, "answered %d", status);
    if (outcome == OUTCOME_NOT_YET)
        text_adds(t, ": not yet");
    else if (status >= 300 && status <= 399)
        text_adds(t, ": redirects are not followed");
}

static void say_failure(const struct fetch_answer *a, int64_t timeout_ms, struct text *t) {
    if (a->failed->code == FAIL_TIMEOUT) {
        text_adds(t, "no answer within ");
        text_add_duration(t, timeout_ms);
        return;
    }
    bool refused = a->failed->code == FAIL_REFUSED, guarded = a->failed->code == FAIL_INVALID;
    text_adds(t, refused ? "certificate refused: " : guarded ? "not sent: " : "no answer: ");
    bool said = a->error != NULL && a->error[0] != '\0';
    text_add_printable(t, bytes_of(said ? a->error : a->failed->text), REASON_MAX);
    if (guarded)
        text_adds(t, "; desk.allow_private lists the networks that endpoints may lead to all the "
                     "same");
}

void answer_judge(const struct fetch_answer *a, int64_t timeout_ms, int64_t now_ms,
                  struct outcome_record *out, struct text *sentence) {
    out->micros = a->micros;
    if (a->failed != OK) {
        out->outcome = OUTCOME_FAILED;
        say_failure(a, timeout_ms, sentence);
    } else {
        out->outcome = outcome_of_status(a->status);
        out->status = a->status;
        out->retry_after_ms =
            out->outcome == OUTCOME_DONE ? 0 : answer_retry_after(a->retry_after, now_ms);
        out->answer = a->body;
        say_status(a->status, out->outcome, sentence);
    }
    out->error = text_bytes(sentence);
}
