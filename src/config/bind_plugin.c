// SPDX-License-Identifier: MIT
#include "base/json.h"
#include "config/bind.h"
#include "port/process.h"
#include "rules/match.h"

#define TYPES_MAX 4096 // of all handlers together

// Its workers are our own binary (plugin/host.h).
static result bind_worker(struct binding *b, bytes path, struct handler *out) {
    const bytes words[] = {B(PROCESS_SELF), B("plugin"), B("run"), path};
    out->stream = true;
    out->run_count = sizeof words / sizeof *words;
    TRY(bind_take(b, out->run_count, sizeof *out->run, &out->run));
    for (size_t i = 0; i < out->run_count; i++)
        TRY(bind_copy(b, words[i], &out->run[i]));
    return OK;
}

static void check_types(struct binding *b, const struct node *path, const struct plan_handler *h) {
    for (size_t i = 0; i < h->type_count; i++) {
        OWN(text_drop)
        struct text whose = {0};
        text_adds(&whose, "its handler ");
        text_add_printable(&whose, h->name, SIZE_MAX);
        text_adds(&whose, " processes `");
        text_add_printable(&whose, h->types[i], SIZE_MAX);
        text_adds(&whose, "`: ");
        bind_type_known(b->r, path, text_str(&whose), h->types[i]);
    }
}

static result read_types(struct binding *b, json list, struct plan_handler *h) {
    json one;
    h->type_count = json_size(list);
    NEED(h->type_count > 0 && h->type_count <= TYPES_MAX, INVALID, "a handler has no types");
    TRY(bind_take(b, h->type_count, sizeof *h->types, &h->types));
    for (size_t i = 0, at = 0; json_element(list, &at, &one); i++) {
        NEED(match_is_pattern(json_string(one)), INVALID, "a handler's type is no pattern");
        TRY(bind_copy(b, json_string(one), &h->types[i]));
    }
    return OK;
}

static result read_handlers(struct binding *b, json list, struct plan_destination *plan) {
    json one;
    plan->handler_count = json_size(list);
    NEED(plan->handler_count > 0, INVALID, "a plugin has no handlers");
    TRY(bind_take(b, plan->handler_count, sizeof *plan->handlers, &plan->handlers));
    for (size_t i = 0, at = 0; json_element(list, &at, &one); i++) {
        struct plan_handler *h = &plan->handlers[i];
        NEED(json_string(json_get(one, "name")).n > 0, INVALID, "a handler has no name");
        TRY(bind_copy(b, json_string(json_get(one, "name")), &h->name));
        TRY(bind_copy(b, json_string(json_get(one, "description")), &h->description));
        TRY(read_types(b, json_get(one, "types"), h));
    }
    return OK;
}

// What it says of itself goes into the plan. What cannot be looked at is no error: it may be
// mended while the gateway takes events for it.
static result look(struct binding *b, const struct node *path, const struct handler *h,
                   struct plan_destination *plan) {
    const struct config_outside *o = b->r->outside;
    OWN(text_drop)
    struct text table = {0}, why = {0};
    OWN(json_close)
    struct json_doc *doc = NULL;
    if (o->plugin == NULL)
        return OK;
    result looked = o->plugin(o->ctx, h, path->text, &table, &why);
    if (looked == OK)
        looked = json_parse(text_bytes(&table), &doc);
    if (looked == OK)
        looked = read_handlers(b, json_get(json_root(doc), "handlers"), plan);
    if (failed_as(looked, FAIL_MEMORY))
        return looked;
    for (size_t i = 0; looked == OK && i < plan->handler_count; i++)
        check_types(b, path, &plan->handlers[i]);
    if (looked == OK)
        return OK;
    plan->handler_count = 0;
    warn(b->r, path, "this plugin cannot be used now, and what is delivered to it fails: %s",
         why.n > 0 ? text_str(&why) : looked->text);
    return OK;
}

// Without rules of its own a plugin gets what its handlers process, so that an event that nobody
// processes is ignored, as it is where nobody asks for it.
static result match_types(struct binding *b, struct plan_destination *plan) {
    size_t n = 0;
    for (size_t i = 0; i < plan->handler_count; i++)
        for (size_t k = 0; k < plan->handlers[i].type_count; k++, n++)
            if (bytes_equal(plan->handlers[i].types[k], B("*")))
                return OK;
    if (n == 0 || n > TYPES_MAX)
        return OK;
    TRY(bind_take(b, 1, sizeof *plan->rules, &plan->rules));
    TRY(bind_take(b, n, sizeof *plan->rules->types, &plan->rules->types));
    for (size_t i = 0; i < plan->handler_count; i++)
        for (size_t k = 0; k < plan->handlers[i].type_count; k++)
            plan->rules->types[plan->rules->type_count++] = plan->handlers[i].types[k];
    plan->rule_count = 1;
    plan->matches_all = false;
    return OK;
}

result bind_plugin(struct binding *b, struct node *map, struct handler *out,
                   struct plan_destination *plan) {
    const struct node *path = tree_get(map, KEY_DESTINATION_PATH);
    if (path == NULL)
        complain(b->r, map,
                 "path is missing; a destination of kind plugin needs a shared object, as "
                 "/usr/lib/hookkeep/members.so");
    if (path == NULL || path->bad)
        return OK;
    TRY(bind_worker(b, path->text, out));
    TRY(bind_copy(b, path->raw, &plan->path));
    plan->pace.min = plan->pace.max = out->workers; // each has one event at a time
    TRY(look(b, path, out, plan));
    return plan->matches_all ? match_types(b, plan) : OK;
}
