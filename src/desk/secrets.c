// SPDX-License-Identifier: MIT
#include <stdlib.h>

#include "desk/answers.h"

#define ALL 1000 // sightings of secrets: no more are noted
#define DAY_S INT64_C(86400)
#define SOON_S (7 * DAY_S)
#define RECENT_MS (DAY_S * 1000) // what matched within a day has traffic

// What the books saw of a secret, live and test together.
struct seen {
    int64_t count, last_at;
};

static int64_t number(json row, const char *key) {
    int64_t n = 0;
    return json_i64(json_get(row, key), &n) == OK ? n : 0;
}

static struct seen look_up(json sightings, bytes source, bytes label) {
    struct seen seen = {0};
    json row;
    for (size_t at = 0; json_element(sightings, &at, &row);) {
        if (!bytes_equal(json_string(json_get(row, "source")), source) ||
            !bytes_equal(json_string(json_get(row, "secret_label")), label))
            continue;
        int64_t last = number(row, "last_at");
        seen.count += number(row, "receipts");
        seen.last_at = last > seen.last_at ? last : seen.last_at;
    }
    return seen;
}

static void add_time(struct text *out, const char *key, int64_t ms) {
    text_addf(out, ",\"%s\":", key);
    if (ms == 0)
        text_adds(out, "null");
    else
        text_add_i64(out, ms);
}

static void add_text(struct text *out, const char *key, bytes value) {
    text_addf(out, ",\"%s\":", key);
    text_add_json(out, value);
}

static void begin_row(struct text *out, const char *kind, bytes of) {
    text_addf(out, "%s{\"kind\":\"%s\"", bytes_ends(text_bytes(out), B("[")) ? "" : ",", kind);
    add_text(out, "of", of);
}

static const char *state_of(int64_t not_before_s, int64_t not_after_s, int64_t now_s) {
    if (now_s < not_before_s)
        return "not yet";
    if (not_after_s == 0)
        return "in force";
    return now_s >= not_after_s            ? "retired"
           : not_after_s - now_s <= SOON_S ? "ends soon"
                                           : "in force";
}

static const char *warning_of(const struct plan_secret *s, const struct seen *seen,
                              const struct desk_retired *retired, int64_t now_ms) {
    int64_t left_s = s->not_after_s - now_ms / 1000;
    if (s->not_after_s > 0 && left_s > 0 && left_s <= SOON_S && seen->last_at > 0 &&
        now_ms - seen->last_at < RECENT_MS)
        return "it ends within a week and still signs";
    return retired->times > 0 ? "it was used while it was not in force" : NULL;
}

static void add_source(struct ask *a, const struct plan_source *source, json sightings,
                       int64_t now_ms) {
    const struct desk_options *o = &a->desk->o;
    struct text *out = &a->out;
    for (size_t i = 0; i < source->secret_count; i++) {
        const struct plan_secret *s = &source->secrets[i];
        struct seen seen = look_up(sightings, source->path, s->label);
        struct desk_retired retired = {0};
        if (o->secret_retired != NULL)
            o->secret_retired(o->secrets_ctx, source->path, s->label, &retired);
        const char *warning = warning_of(s, &seen, &retired, now_ms);
        begin_row(out, "source", source->path);
        add_text(out, "label", s->label);
        add_text(out, "scope", bytes_of(scope_name(s->scope)));
        add_text(out, "livemode", bytes_of(mode_name(s->livemode)));
        add_text(out, "fingerprint", s->fingerprint);
        add_text(out, "state", bytes_of(state_of(s->not_before_s, s->not_after_s, now_ms / 1000)));
        add_time(out, "not_before", s->not_before_s * 1000);
        add_time(out, "not_after", s->not_after_s * 1000);
        add_time(out, "last_at", seen.last_at);
        text_addf(out, ",\"receipts\":%lld,\"refused\":%llu", (long long)seen.count,
                  (unsigned long long)retired.times);
        add_time(out, "refused_at", retired.last_at);
        text_adds(out, ",\"warning\":");
        if (warning == NULL)
            text_adds(out, "null}");
        else
            text_addf(out, "\"%s\"}", warning);
    }
}

static void add_destination(struct text *out, const struct plan_destination *d, int64_t now_s) {
    if (d->kind != KIND_HTTP)
        return;
    begin_row(out, "destination", d->name);
    add_text(out, "label", d->rolled ? B("rolled") : B("configured"));
    add_text(out, "fingerprint", d->fingerprint);
    text_adds(out, ",\"state\":\"in force\",\"not_after\":null}");
    for (size_t i = 0; i < d->older_count; i++) {
        const struct plan_older *older = &d->older[i];
        begin_row(out, "destination", d->name);
        text_adds(out, ",\"label\":\"older\"");
        add_text(out, "fingerprint", older->fingerprint);
        add_text(out, "state", bytes_of(state_of(0, older->not_after_s, now_s)));
        add_time(out, "not_after", older->not_after_s * 1000);
        text_addc(out, '}');
    }
}

static void drop_plan(struct plan **p) { plan_free(*p); }

static result list(struct ask *a, struct reader *r) {
    uint64_t generation = ledger_generation(a->desk->o.ledger);
    int64_t now_ms = clock_wall_ms(a->desk->o.clock);
    const struct list_filter all = {.limit = ALL};
    OWN(text_drop)
    struct text plan_json = {0}, seen_json = {0};
    OWN(drop_plan)
    struct plan *plan = NULL;
    OWN(json_close)
    struct json_doc *seen = NULL;
    TRY(reader_plan(r, generation, &plan_json));
    TRY(plan_read(text_bytes(&plan_json), generation, &plan));
    TRY(reader_sightings(r, SIGHTING_SECRET, &all, &seen_json));
    TRY(json_parse(text_bytes(&seen_json), &seen));
    json sightings = json_get(json_root(seen), "data");
    text_adds(&a->out, "{\"data\":[");
    for (size_t i = 0; i < plan->source_count; i++)
        add_source(a, &plan->sources[i], sightings, now_ms);
    for (size_t i = 0; i < plan->destination_count; i++)
        add_destination(&a->out, &plan->destinations[i], now_ms / 1000);
    text_adds(&a->out, "],\"has_more\":false}");
    return OK;
}

static void list_work(struct ask *a, struct reader *r) {
    result read = list(a, r);
    if (read != OK)
        ask_fail_read(a, read, "the plan in force is not in the ledger yet");
}

void secrets_list(struct ask *a) { ask_query(a, list_work, ask_send); }
