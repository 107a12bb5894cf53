// SPDX-License-Identifier: MIT
// The twin's beginning, its document and its file:
//
//   {"hookkeep_twin":1, "now_ms", "random", "seq", "waiting": [{"source", "api_version", "seq",
//   "due_ms", "faults", "failures", "event": {"id", "type", "account", "object", "thin", "body"}}],
//   "world": as twin_save has it}
//
// Speed and chaos are not in it: they are the configuration's until an operator says otherwise.
#include <stdlib.h>

#include "base/ensure.h"
#include "base/memory.h"
#include "base/metrics.h"
#include "desk/twin_inner.h"
#include "port/files.h"
#include "port/log.h"

#define FORMAT 1
#define SAVING_SHARE 20 // of the time, saving takes one part

// --- the document

static void add_text(struct text *out, const char *key, bytes v) {
    text_addf(out, "\"%s\":", key);
    text_add_json(out, v);
    text_addc(out, ',');
}

static void write_post(const struct twin_endpoint *e, const struct twin_post *p, struct text *out) {
    const struct twin_event *event = p->shared->event;
    text_addc(out, '{');
    add_text(out, "source", text_bytes(&e->source));
    add_text(out, "api_version", text_bytes(&e->api_version));
    text_addf(out, "\"seq\":%llu,\"due_ms\":%lld,\"faults\":%u,\"failures\":%u,\"event\":{",
              (unsigned long long)p->seq, (long long)p->due_ms, p->faults, p->failures);
    add_text(out, "id", text_bytes(&event->id));
    add_text(out, "type", text_bytes(&event->type));
    add_text(out, "account", text_bytes(&event->account));
    add_text(out, "object", text_bytes(&event->object));
    text_addf(out, "\"thin\":%s,\"body\":", event->thin ? "true" : "false");
    text_add(out, text_bytes(&event->body));
    text_adds(out, "}}");
}

static void write_waiting(const struct twin_desk *t, struct text *out) {
    bool first = true;
    LIST_EACH(it, &t->endpoints) {
        const struct twin_endpoint *e = CONTAINER(it, struct twin_endpoint, link);
        for (size_t i = 0; i <= e->line.n; i++) {
            const struct twin_post *p = i < e->line.n ? e->line.items[i] : e->under_way;
            if (p == NULL)
                continue;
            text_adds(out, first ? "\n" : ",\n");
            first = false;
            write_post(e, p, out);
        }
        LIST_EACH(at, &e->held) {
            text_adds(out, first ? "\n" : ",\n");
            first = false;
            write_post(e, CONTAINER(at, struct twin_post, link), out);
        }
    }
}

void twin_document(const struct twin_desk *t, struct text *out) {
    text_addf(out, "{\"hookkeep_twin\":%d,\"now_ms\":%lld,\"random\":\"%llu\",\"seq\":%llu,",
              FORMAT, (long long)twin_now(t), (unsigned long long)t->random,
              (unsigned long long)t->seq);
    text_adds(out, "\"waiting\":[");
    write_waiting(t, out);
    text_adds(out, "],\n\"world\":");
    twin_save(t->world, out);
    text_adds(out, "}\n");
}

static bool number(json v, const char *key, uint64_t *out) {
    json n = json_get(v, key);
    bytes said = json_type(n) == JSON_STRING ? json_string(n) : json_number(n);
    return said.n > 0 && bytes_to_u64(said, out) == OK;
}

struct reading {
    struct twin_desk *t;
    struct list posts; // struct waiting
    size_t n;
};

struct waiting {
    struct list link;
    struct twin_post *post;
    json row;
};

static void reading_drop(struct reading *r) {
    for (struct list *it; (it = list_take(&r->posts)) != NULL;) {
        struct waiting *w = CONTAINER(it, struct waiting, link);
        if (w->post != NULL) {
            twin_event_free(w->post->shared->event);
            free(w->post->shared);
            free(w->post);
        }
        free(w);
    }
}

static result read_post(struct reading *r, json row) {
    json e = json_get(row, "event"), body = json_get(e, "body");
    uint64_t seq = 0, due_ms = 0, faults = 0, failures = 0;
    NEED(number(row, "seq", &seq) && number(row, "due_ms", &due_ms) &&
             number(row, "faults", &faults) && number(row, "failures", &failures) &&
             due_ms <= (uint64_t)TWIN_TIME_MAX && faults < 1u << TWIN_FAULTS && failures < 100,
         INVALID, "numbers of an event that waits are missing or too large");
    NEED(json_string(json_get(row, "source")).n > 0 && json_string(json_get(e, "id")).n > 0 &&
             json_string(json_get(e, "type")).n > 0 && json_type(body) == JSON_OBJECT,
         INVALID, "an event that waits lacks its source, id, type or body");
    struct twin_event *event = NEW(struct twin_event);
    list_init(&event->link);
    text_add(&event->id, json_string(json_get(e, "id")));
    text_add(&event->type, json_string(json_get(e, "type")));
    text_add(&event->account, json_string(json_get(e, "account")));
    text_add(&event->object, json_string(json_get(e, "object")));
    event->thin = json_true(json_get(e, "thin"));
    json_write(body, &event->body);
    struct twin_shared *shared = NEW(struct twin_shared);
    *shared = (struct twin_shared){event, 1};
    struct twin_post *p = NEW(struct twin_post);
    *p = (struct twin_post){.shared = shared,
                            .seq = seq,
                            .due_ms = (int64_t)due_ms,
                            .faults = (unsigned)faults,
                            .failures = (unsigned)failures};
    list_init(&p->link);
    struct waiting *w = NEW(struct waiting);
    *w = (struct waiting){.post = p, .row = row};
    list_push(&r->posts, &w->link);
    r->n++;
    return OK;
}

static result read_whole(struct reading *r, json whole, uint64_t *now_ms, uint64_t *random,
                         uint64_t *seq) {
    json row;
    uint64_t format = 0;
    NEED(json_type(whole) == JSON_OBJECT && number(whole, "hookkeep_twin", &format), INVALID,
         "it is not what `hookkeep twin snapshot` writes");
    NEED(format == FORMAT, INVALID, "it was written by another version of this program");
    NEED(number(whole, "now_ms", now_ms) && *now_ms <= (uint64_t)TWIN_TIME_MAX &&
             number(whole, "random", random) && number(whole, "seq", seq),
         INVALID, "now_ms, random or seq are missing, or no numbers");
    NEED(json_type(json_get(whole, "world")) == JSON_OBJECT, INVALID, "it holds no world");
    for (size_t at = 0; json_element(json_get(whole, "waiting"), &at, &row);)
        TRY(read_post(r, row));
    return OK;
}

static void take_posts(struct twin_desk *t, struct reading *r) {
    for (struct list *it; (it = list_take(&r->posts)) != NULL;) {
        struct waiting *w = CONTAINER(it, struct waiting, link);
        struct twin_endpoint *e = twin_endpoint_of(t, json_string(json_get(w->row, "source")),
                                                   json_string(json_get(w->row, "api_version")));
        t->waiting++;
        twin_line_push(e, w->post);
        free(w);
    }
}

result twin_restore(struct twin_desk *t, bytes document, struct text *why) {
    OWN(json_close)
    struct json_doc *doc = NULL;
    OWN(reading_drop)
    struct reading r = {.t = t};
    OWN(text_drop)
    struct text world = {.max = TWIN_FILE_MAX};
    uint64_t now_ms = 0, random = 0, seq = 0;
    list_init(&r.posts);
    result read = json_parse(document, &doc);
    if (read != OK)
        text_adds(why, "it is no JSON");
    else if ((read = read_whole(&r, json_root(doc), &now_ms, &random, &seq)) != OK)
        text_adds(why, read->text);
    else {
        json_write(json_get(json_root(doc), "world"), &world);
        read = twin_load(t->world, text_bytes(&world), why);
    }
    TRY(read);
    int64_t mono_us = clock_mono_us(t->desk->o.clock), ours = twin_now(t);
    twin_lines_drop(t);
    twin_clock_start(&t->clock, ours > (int64_t)now_ms ? ours : (int64_t)now_ms, t->clock.speed,
                     mono_us);
    t->random = random;
    t->seq = seq > t->seq ? seq : t->seq;
    take_posts(t, &r);
    return OK;
}

// --- the file

result twin_file_read(struct twin_desk *t, struct text *why) {
    OWN(text_drop)
    struct text content = {.max = TWIN_FILE_MAX + 1}, fault = {0};
    result read = file_load(t->file, TWIN_FILE_MAX, &content);
    if (failed_as(read, FAIL_ABSENT))
        return OK;
    if (read == OK)
        read = twin_restore(t, text_bytes(&content), &fault);
    if (read != OK)
        text_addf(why,
                  "the twin's world in %s cannot be read: %s; put a snapshot in its place, or take "
                  "the file away to begin with an empty world",
                  t->file, fault.n > 0 ? text_str(&fault) : read->text);
    return read;
}

static result write_file(struct twin_desk *t) {
    OWN(text_drop)
    struct text document = {.max = TWIN_FILE_MAX};
    twin_document(t, &document);
    NEED(!document.failed, FULL, "the world is larger than its file may be");
    if (files_real.exists(&files_real, t->fresh_file))
        TRY(files_real.remove(&files_real, t->fresh_file));
    TRY(file_save(t->fresh_file, text_bytes(&document), 0600));
    return files_real.rename(&files_real, t->fresh_file, t->file);
}

void twin_file_write(void *ctx) {
    struct twin_desk *t = ctx;
    int64_t began_us = clock_mono_us(t->desk->o.clock);
    if (!t->changed)
        return;
    t->changed = false;
    result written = write_file(t);
    t->saving_ms = (clock_mono_us(t->desk->o.clock) - began_us) / 1000;
    if (written != OK) {
        metric_add(METRIC_TWIN_UNSAVED, 1);
        if (!t->saving_fails)
            log_event(LOG_TWIN_UNSAVED, log_s("path", t->file), log_r(written));
        twin_changed(t);
    } else if (t->saving_fails) {
        log_event(LOG_TWIN_SAVED, log_s("path", t->file));
    }
    t->saving_fails = written != OK;
}

void twin_changed(struct twin_desk *t) {
    if (t->changed)
        return;
    t->changed = true;
    int64_t wait_ms = t->saving_ms * SAVING_SHARE;
    timer_set(t->saver, wait_ms > TWIN_SAVE_MS ? wait_ms : TWIN_SAVE_MS);
}

// --- beginning and end

static void on_time(void *ctx) { twin_send(ctx, NULL); }

static bytes own_copy(bytes b) { return bytes_of(bytes_strdup(b)); }
static void free_copy(bytes b) { free((void *)(uintptr_t)b.p); }

static void copy_options(struct twin_desk *t, const struct desk_twin *o) {
    OWN(text_drop)
    struct text why = {0}, fresh = {0};
    t->api_version = own_copy(o->api_version);
    t->configured = NEW_ARRAY(struct desk_twin_endpoint, o->endpoint_count + 1);
    for (; t->configured_count < o->endpoint_count; t->configured_count++) {
        const struct desk_twin_endpoint *e = &o->endpoints[t->configured_count];
        t->configured[t->configured_count] =
            (struct desk_twin_endpoint){own_copy(e->source), own_copy(e->api_version)};
    }
    ensure(twin_chaos_read(o->chaos, &t->chaos, &why) == OK); // the configuration was checked
    t->waiting_max = o->waiting_max;
    t->objects_max = o->objects_max;
    t->body_max = o->body_max;
    text_addf(&fresh, "%s.new", o->file);
    t->file = bytes_strdup(bytes_of(o->file));
    t->fresh_file = text_give(&fresh);
}

result twin_desk_open(struct desk *d, struct twin_desk **out, struct text *why) {
    const struct desk_twin *o = d->o.twin;
    struct twin_desk *t = NEW(struct twin_desk);
    uint64_t seed = o->seed != 0 ? o->seed : clock_seed(d->o.clock);
    int64_t now_ms = clock_wall_ms(d->o.clock);
    // Our own certificate is trusted by itself, whatever it is called.
    const struct fetch_options options = {
        .connections_kept = 4,
        .ca_file = d->o.tls.certificate,
        .any_name = d->o.tls.certificate != NULL,
    };
    *out = t; // the desk closes it
    t->desk = d;
    t->random = seed;
    list_init(&t->endpoints);
    copy_options(t, o);
    t->world = twin_open(seed, now_ms);
    twin_set_max(t->world, t->objects_max);
    twin_clock_start(&t->clock, now_ms, o->speed, clock_mono_us(d->o.clock));
    t->timer = timer_open(d->loop, on_time, t);
    t->saver = timer_open(d->loop, twin_file_write, t);
    TRY(fetcher_open(d->loop, &options, &t->fetcher));
    TRY(twin_find_way(t, why));
    TRY(twin_file_read(t, why));
    timer_set(t->timer, 0);
    log_event(LOG_TWIN_ON, log_s("file", t->file), log_i("waiting", (int64_t)t->waiting),
              log_i("objects", (int64_t)twin_counts(t->world).objects));
    return OK;
}

void twin_desk_hush(struct twin_desk *t) {
    if (t == NULL || t->hushed)
        return;
    t->hushed = true;
    timer_clear(t->timer);
    // Also connections that are kept: their other end is ours too, and waits for them.
    fetcher_close(t->fetcher);
    t->fetcher = NULL;
    LIST_EACH(it, &t->endpoints) {
        struct twin_endpoint *e = CONTAINER(it, struct twin_endpoint, link);
        if (e->under_way != NULL)
            twin_line_push(e, e->under_way);
        e->under_way = NULL;
    }
}

void twin_desk_close(struct twin_desk *t) {
    if (t == NULL)
        return;
    if (t->changed)
        twin_file_write(t);
    twin_desk_hush(t);
    twin_lines_drop(t);
    for (struct list *it; (it = list_take(&t->endpoints)) != NULL;) {
        struct twin_endpoint *e = CONTAINER(it, struct twin_endpoint, link);
        struct text *texts[] = {&e->source, &e->api_version, &e->url, &e->body, &e->signature};
        for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
            text_drop(texts[i]);
        heap_drop(&e->line);
        free(e);
    }
    timer_close(t->timer);
    timer_close(t->saver);
    twin_close(&t->world);
    for (size_t i = 0; i < t->configured_count; i++) {
        free_copy(t->configured[i].source);
        free_copy(t->configured[i].api_version);
    }
    free(t->configured);
    free_copy(t->api_version);
    text_drop(&t->base);
    text_drop(&t->unix_path);
    free(t->file);
    free(t->fresh_file);
    free(t);
}
