// SPDX-License-Identifier: MIT
// Rolled secrets of destinations (config/rolls.h): read with the configuration, and made at the
// desk's wish.
#include <string.h>

#include "base/memory.h"
#include "gateway_internal.h"
#include "rules/endpoint.h"

#define SECRET_PREFIX "whsec_"
#define SECRET_RANDOM 32

static void add_path(const struct gateway *g, struct text *out) {
    text_add(out, g->config->ledger_path);
    text_adds(out, ".secrets");
}

static void drop(struct rolls **r) { rolls_free(*r); }

result gateway_load_rolls(struct gateway *g, struct config *c, struct rolls **out) {
    OWN(text_drop)
    struct text path = {0}, notes = {0};
    OWN(drop)
    struct rolls *r = NULL;
    *out = NULL;
    add_path(g, &path);
    TRY(rolls_load(text_str(&path), &r));
    TRY(rolls_apply(r, c, &notes));
    gateway_log_lines(LOG_CONFIG_WARNING, &notes);
    *out = r;
    r = NULL;
    return OK;
}

static bool is_older(const struct plan_destination *d, bytes fingerprint) {
    for (size_t i = 0; i < d->older_count; i++)
        if (bytes_equal(d->older[i].fingerprint, fingerprint))
            return true;
    return false;
}

void gateway_tell_rolls_gone(const struct plan *before, const struct plan *now) {
    for (size_t i = 0; before != NULL && i < before->destination_count; i++) {
        const struct plan_destination *was = &before->destinations[i];
        const struct plan_destination *is = plan_destination_find(now, was->name);
        if (is != NULL && was->rolled && is_older(was, is->fingerprint))
            log_event(LOG_ROLLED_GONE, log_b("destination", was->name),
                      log_b("fingerprint", was->fingerprint));
    }
}

// Plan, then file: what a crash between them leaves is a plan that the next start adopts anew, and
// no site was told of the secret. What fails leaves all as it was.
static result put_in_force(struct gateway *g, struct rolls *after) {
    OWN(text_drop)
    struct text path = {0}, notes = {0};
    add_path(g, &path);
    TRY(rolls_apply(after, g->config, &notes));
    result done = gateway_adopt(g, g->config);
    if (done == OK)
        done = rolls_save(after, text_str(&path));
    if (done == OK)
        return OK;
    log_event(LOG_ROLL_FAILED, log_r(done));
    TRY(rolls_apply(g->rolls, g->config, &notes));
    TRY(gateway_adopt(g, g->config));
    return done;
}

static void say(struct desk_roll *q, int status, const char *text, bytes more) {
    OWN(text_drop)
    struct text sentence = {0};
    text_adds(&sentence, text);
    text_add(&sentence, more);
    q->status = status;
    text_reset(&q->answer);
    text_adds(&q->answer, "{\"error\":");
    text_add_json(&q->answer, text_bytes(&sentence));
    text_addc(&q->answer, '}');
}

static void refuse(const struct gateway *g, struct desk_roll *q, result why) {
    const struct config *c = g->config;
    OWN(text_drop)
    struct text names = {0};
    for (size_t i = 0; i < c->destination_count; i++)
        if (c->plan->destinations[i].kind == KIND_HTTP)
            text_addf(&names, "%s%.*s", names.n > 0 ? ", " : "",
                      BYTES_ARG(c->destinations[i].name));
    if (failed_as(why, FAIL_ABSENT) && endpoint_id(q->destination))
        say(q, 404,
            "an endpoint that was made through the API cannot be rolled: make another one there, "
            "whose answer tells its secret, then delete this one",
            NO_BYTES);
    else if (failed_as(why, FAIL_ABSENT))
        say(q, 404, "there is no destination of kind http with this name; there are: ",
            names.n > 0 ? text_bytes(&names) : B("none"));
    else if (failed_as(why, FAIL_FULL))
        say(q, 409,
            "four of its secrets sign already; wait until an overlap ends (`hookkeep secrets`), or "
            "end them all with a shorter overlap",
            NO_BYTES);
    else
        say(q, 500, "the roll failed, and nothing was changed: ", bytes_of(why->text));
}

static void answer(struct gateway *g, struct desk_roll *q, bytes fresh, int64_t until_s) {
    char fingerprint[13];
    OWN(text_drop)
    struct text path = {0};
    config_fingerprint(fresh, fingerprint);
    add_path(g, &path);
    q->status = 200;
    text_adds(&q->answer, "{\"ok\":true,\"destination\":");
    text_add_json(&q->answer, q->destination);
    text_addf(&q->answer, ",\"fingerprint\":\"%s\",\"secret\":", fingerprint);
    text_add_json(&q->answer, fresh);
    text_addf(&q->answer, ",\"overlap_until\":%lld,\"file\":", (long long)until_s * 1000);
    text_add_json(&q->answer, text_bytes(&path));
    text_addc(&q->answer, '}');
    log_event(LOG_SECRET_ROLLED, log_b("destination", q->destination),
              log_s("fingerprint", fingerprint), log_i("overlap_s", q->overlap_s),
              log_b("key", q->by));
}

static void roll(struct gateway *g, struct desk_roll *q) {
    char fresh[sizeof SECRET_PREFIX + SECRET_RANDOM] = SECRET_PREFIX;
    bytes secret = bytes_from(fresh, sizeof fresh - 1);
    int64_t now_s = clock_wall_ms(&clock_real) / 1000;
    struct rolls *after = NULL;
    clock_token(&clock_real, fresh + sizeof SECRET_PREFIX - 1, SECRET_RANDOM);
    result done =
        rolls_roll(g->rolls, g->config, q->destination, secret, now_s, q->overlap_s, &after);
    if (done != OK) {
        refuse(g, q, done);
    } else if ((done = put_in_force(g, after)) != OK) {
        rolls_free(after);
        say(q, 503, "the roll failed, and nothing was changed: ", bytes_of(done->text));
    } else {
        rolls_free(g->rolls);
        g->rolls = after;
        done = gateway_in_force(g, g->config);
        if (done != OK)
            log_event(LOG_ROLL_FAILED, log_r(done));
        answer(g, q, secret, now_s + q->overlap_s);
    }
    memory_wipe(fresh, sizeof fresh);
}

void gateway_desk_mail(void *ctx, struct mail *m) {
    struct gateway *g = ctx;
    struct desk_roll *q = CONTAINER(m, struct desk_roll, mail);
    if (g->ending)
        say(q, 503, "the gateway is stopping; ask again when it runs", NO_BYTES);
    else
        roll(g, q);
    mailbox_post(q->reply, &q->mail);
}

void gateway_drain_desk_mail(struct gateway *g) {
    struct mail *m = g->main_mailbox == NULL ? NULL : mailbox_drain(g->main_mailbox);
    while (m != NULL) {
        struct mail *next = m->next;
        gateway_desk_mail(g, m);
        m = next;
    }
}
