// SPDX-License-Identifier: MIT
#include "base/metrics.h"
#include "desk/answers.h"

void status_health(struct ask *a) {
    text_adds(&a->out, "{\"ok\":true}");
    ask_send(a);
}

static bool ready(const struct ask *a, const char **why) {
    const struct desk_options *o = &a->desk->o;
    *why = "";
    if (a->desk->draining) {
        *why = "the gateway is stopping";
        return false;
    }
    return o->ready == NULL || o->ready(o->ready_ctx, why);
}

void status_ready(struct ask *a) {
    const char *why;
    if (ready(a, &why)) {
        text_adds(&a->out, "{\"ready\":true}");
    } else {
        a->status = 503;
        text_adds(&a->out, "{\"ready\":false,\"error\":");
        text_add_json(&a->out, bytes_of(why));
        text_addc(&a->out, '}');
    }
    ask_send(a);
}

static void metrics_work(struct ask *a, struct reader *r) {
    const struct desk_options *o = &a->desk->o;
    uint64_t used, size;
    journal_room(o->journal, &used, &size);
    metric_set(METRIC_JOURNAL_USED, (int64_t)used);
    metric_set(METRIC_JOURNAL_SIZE, (int64_t)size);
    a->type = "text/plain; version=0.0.4; charset=utf-8";
    metrics_write(&a->out);
    if (o->secret_metrics != NULL)
        o->secret_metrics(o->secrets_ctx, &a->out);
    OWN(text_drop)
    struct text books = {0};
    // What the process counts itself is told even when the ledger cannot be read.
    result read =
        reader_metrics(r, clock_wall_ms(o->clock), o->account_metrics, o->endpoint_metrics, &books);
    if (read == OK)
        text_add(&a->out, text_bytes(&books));
    else
        text_addf(&a->out, "# the ledger could not be read: %s\n", read->text);
}

// Of the configuration's destinations; those made by the API may be thousands.
static const struct {
    const char *name, *help, *member;
} paces[] = {
    {"hookkeep_destination_level", "Attempts that may be under way to a destination now.", "level"},
    {"hookkeep_destination_under_way", "Attempts under way to a destination.", "under_way"},
    {"hookkeep_destination_learnt_rate",
     "Attempts a second that a destination was seen to take; 0: no limit was met.", "rate_learnt"},
    {"hookkeep_destination_breaker_open", "1 while a destination gets probes alone.", "breaker"},
};

static void add_gauge(json pace, const char *member, struct text *out) {
    json v = json_get(pace, member);
    if (json_type(v) == JSON_STRING)
        text_adds(out, bytes_equal(json_string(v), B("closed")) ? "0" : "1");
    else if (json_type(v) == JSON_NULL)
        text_adds(out, "0");
    else
        json_write(v, out);
}

static void add_paces(struct ask *a) {
    OWN(json_close)
    struct json_doc *doc = NULL;
    bytes name;
    json pace;
    if (json_parse(text_bytes(&a->look.out), &doc) != OK)
        return;
    for (size_t i = 0; i < sizeof paces / sizeof *paces; i++) {
        text_addf(&a->out, "# HELP %s %s\n# TYPE %s gauge\n", paces[i].name, paces[i].help,
                  paces[i].name);
        for (size_t at = 0; json_member(json_root(doc), &at, &name, &pace);) {
            // A name of the configuration needs no escapes.
            text_addf(&a->out, "%s{destination=\"%.*s\"} ", paces[i].name, BYTES_ARG(name));
            add_gauge(pace, paces[i].member, &a->out);
            text_addc(&a->out, '\n');
        }
    }
}

static void paced(struct ask *a) {
    add_paces(a);
    ask_send(a);
}

static void look(struct ask *a) { ask_look(a, NO_BYTES, true, paced); }

void status_metrics(struct ask *a) { ask_query(a, metrics_work, look); }

static void add_bool(struct text *out, bool v) { text_adds(out, v ? "true" : "false"); }

static void add_process(struct ask *a) {
    const struct desk_options *o = &a->desk->o;
    struct text *out = &a->out;
    const char *why;
    bool is_ready = ready(a, &why);
    text_addf(out,
              "{\"version\":\"%s\",\"now\":%lld,\"uptime_ms\":%lld,\"ready\":", HOOKKEEP_VERSION,
              (long long)clock_wall_ms(o->clock),
              (long long)((clock_mono_us(o->clock) - a->desk->started_us) / 1000));
    add_bool(out, is_ready);
    text_adds(out, ",\"reason\":");
    text_add_json(out, bytes_of(why));
    text_addf(out, ",\"generation\":%llu,\"key\":{\"id\":",
              (unsigned long long)atomic_load(&a->desk->generation));
    text_add_json(out, bytes_of(a->caller.id));
    text_addf(out, ",\"mode\":\"%s\"}", key_mode_name(a->caller.mode));
}

static void add_stores(struct ask *a) {
    const struct desk_options *o = &a->desk->o;
    uint64_t used, size;
    journal_room(o->journal, &used, &size);
    text_addf(&a->out, ",\"journal\":{\"durable\":%llu,\"used\":%llu,\"size\":%llu,\"failed\":",
              (unsigned long long)journal_durable(o->journal), (unsigned long long)used,
              (unsigned long long)size);
    add_bool(&a->out, journal_failed(o->journal));
    text_addf(&a->out, "},\"ledger\":{\"booked\":%llu,\"generation\":%llu}",
              (unsigned long long)ledger_booked(o->ledger),
              (unsigned long long)ledger_generation(o->ledger));
}

static void status_work(struct ask *a, struct reader *r) {
    uint64_t generation = ledger_generation(a->desk->o.ledger);
    OWN(text_drop)
    struct text plan = {0};
    OWN(json_close)
    struct json_doc *doc = NULL;
    result read = generation == 0 ? OK : reader_plan(r, generation, &plan);
    if (read == OK && generation != 0)
        read = json_parse(text_bytes(&plan), &doc);
    if (read != OK) {
        ask_fail_read(a, read, "the plan in force is not in the ledger");
        return;
    }
    add_process(a);
    add_stores(a);
    text_adds(&a->out, ",\"sources\":");
    if (doc == NULL)
        text_adds(&a->out, "[]");
    else
        json_write(json_get(json_root(doc), "sources"), &a->out);
    text_adds(&a->out, ",\"listening\":");
    text_add(&a->out, text_bytes(&a->payload));
    text_addc(&a->out, '}');
}

void status_show(struct ask *a) {
    listeners_write(a->desk, &a->payload); // while nothing changes them
    ask_query(a, status_work, ask_send);
}
