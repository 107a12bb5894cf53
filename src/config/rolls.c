// SPDX-License-Identifier: MIT
#include "config/rolls.h"

#include <stdlib.h>

#include "base/json.h"
#include "base/memory.h"
#include "port/files.h"

#define ROLLS_FILE_MAX (4u << 20)
#define FINGERPRINT_SIZE 12

struct rolled {
    bytes fingerprint;
    int64_t not_after_s; // 0: the newest
    bytes key;           // empty: not needed any more
};

struct roll {
    bytes name;
    struct rolled secrets[ROLL_SECRETS_MAX]; // newest first
    size_t count;
};

struct rolls {
    struct roll *list;
    size_t count;
    struct arena memory;
};

static void wipe(bytes b) {
    if (b.n > 0)
        memory_wipe((void *)(uintptr_t)b.p, b.n);
}

void rolls_free(struct rolls *r) {
    if (r == NULL)
        return;
    for (size_t i = 0; i < r->count; i++)
        for (size_t k = 0; k < r->list[i].count; k++)
            wipe(r->list[i].secrets[k].key);
    arena_drop(&r->memory);
    free(r);
}

static void drop(struct rolls **r) { rolls_free(*r); }

static result rolls_new(size_t room, struct rolls **out) {
    struct rolls *r = NEW(struct rolls);
    arena_init(&r->memory, ROLLS_FILE_MAX * 2);
    r->list = arena_take(&r->memory, (room + 1) * sizeof *r->list);
    *out = r;
    NEED(r->list != NULL, MEMORY, "there are too many rolled secrets");
    return OK;
}

static result copy(struct rolls *r, bytes from, bytes *to) {
    *to = from.n == 0 ? NO_BYTES : arena_copy(&r->memory, from);
    NEED(from.n == 0 || to->p != NULL, MEMORY, "there are too many rolled secrets");
    return OK;
}

static result add_secret(struct rolls *r, struct roll *roll, const struct rolled *from) {
    if (roll->count == ROLL_SECRETS_MAX)
        return OK;
    struct rolled *to = &roll->secrets[roll->count++];
    *to = (struct rolled){.not_after_s = from->not_after_s};
    TRY(copy(r, from->fingerprint, &to->fingerprint));
    return copy(r, from->key, &to->key);
}

#define FORM "the file of rolled secrets is damaged: it is not what the gateway wrote there"

static result read_secret(json v, struct rolled *out) {
    *out = (struct rolled){.fingerprint = json_string(json_get(v, "fingerprint")),
                           .key = json_string(json_get(v, "key"))};
    NEED(out->fingerprint.n == FINGERPRINT_SIZE, INVALID, FORM);
    NEED(json_i64(json_get(v, "not_after_s"), &out->not_after_s) == OK, INVALID, FORM);
    return OK;
}

static result read_roll(struct rolls *r, json v, struct roll *roll) {
    json list = json_get(v, "secrets"), one;
    TRY(copy(r, json_string(json_get(v, "name")), &roll->name));
    NEED(roll->name.n > 0 && json_size(list) > 0 && json_size(list) <= ROLL_SECRETS_MAX, INVALID,
         FORM);
    for (size_t at = 0; json_element(list, &at, &one);) {
        struct rolled s;
        TRY(read_secret(one, &s));
        bool newest = roll->count == 0;
        NEED((s.not_after_s == 0) == newest && (s.key.n > 0 || !newest), INVALID, FORM);
        TRY(add_secret(r, roll, &s));
    }
    return OK;
}

result rolls_parse(bytes content, struct rolls **out) {
    OWN(json_close)
    struct json_doc *doc = NULL;
    OWN(drop)
    struct rolls *r = NULL;
    *out = NULL;
    NEED(json_parse(content, &doc) == OK, INVALID, FORM);
    json root = json_root(doc), list = json_get(root, "destinations"), one;
    NEED(json_equals_text(json_get(root, "version"), B("1")) && json_type(list) == JSON_ARRAY,
         INVALID, FORM);
    TRY(rolls_new(json_size(list), &r));
    for (size_t at = 0; json_element(list, &at, &one);)
        TRY(read_roll(r, one, &r->list[r->count++]));
    *out = r;
    r = NULL;
    return OK;
}

static void wipe_text(struct text *t) {
    if (t->p != NULL)
        memory_wipe(t->p, t->cap);
    text_drop(t);
}

result rolls_load(const char *path, struct rolls **out) {
    OWN(wipe_text)
    struct text content = {.max = ROLLS_FILE_MAX};
    result loaded = file_load(path, ROLLS_FILE_MAX, &content);
    if (failed_as(loaded, FAIL_ABSENT))
        return rolls_new(0, out);
    TRY(loaded);
    return rolls_parse(text_bytes(&content), out);
}

void rolls_write(const struct rolls *r, struct text *out) {
    text_adds(out, "{\"version\":1,\"destinations\":[");
    for (size_t i = 0; i < r->count; i++) {
        const struct roll *roll = &r->list[i];
        text_adds(out, i == 0 ? "\n{\"name\":" : ",\n{\"name\":");
        text_add_json(out, roll->name);
        for (size_t k = 0; k < roll->count; k++) {
            const struct rolled *s = &roll->secrets[k];
            text_adds(out, k == 0 ? ",\"secrets\":[{\"fingerprint\":" : ",{\"fingerprint\":");
            text_add_json(out, s->fingerprint);
            text_addf(out, ",\"not_after_s\":%lld", (long long)s->not_after_s);
            if (s->key.n > 0) {
                text_adds(out, ",\"key\":");
                text_add_json(out, s->key);
            }
            text_addc(out, '}');
        }
        text_adds(out, "]}");
    }
    text_adds(out, "]}\n");
}

result rolls_save(const struct rolls *r, const char *path) {
    OWN(wipe_text)
    struct text content = {.max = ROLLS_FILE_MAX};
    OWN(text_drop)
    struct text fresh = {0};
    rolls_write(r, &content);
    NEED(!content.failed, FULL, "there are too many rolled secrets");
    text_addf(&fresh, "%s.new", path);
    result removed = files_real.remove(&files_real, text_str(&fresh)); // a crash's
    if (removed != OK && !failed_as(removed, FAIL_ABSENT))
        return removed;
    TRY(file_save(text_str(&fresh), text_bytes(&content), 0600));
    return files_real.rename(&files_real, text_str(&fresh), path);
}

static const struct roll *find(const struct rolls *r, bytes name) {
    for (size_t i = 0; i < r->count; i++)
        if (bytes_equal(r->list[i].name, name))
            return &r->list[i];
    return NULL;
}

// Which of them the configuration names; the count if none.
static size_t named(const struct roll *roll, bytes fingerprint) {
    size_t i = 0;
    while (i < roll->count && !bytes_equal(roll->secrets[i].fingerprint, fingerprint))
        i++;
    return i;
}

static void note(struct text *notes, const struct roll *roll, size_t at) {
    if (at == 0)
        return;
    text_addf(notes, "destinations: %.*s: ", BYTES_ARG(roll->name));
    text_adds(notes, at == roll->count
                         ? "its secret is none that was rolled, so it signs alone and the file of "
                           "rolled secrets is not looked at; if that is not meant, write the one "
                           "before again\n"
                         : "its secret was rolled, and the configuration names an older one: the "
                           "newest signs; write it there too (it lies in the file of rolled "
                           "secrets), so that it is in your backups\n");
}

// Keys are those of the file, but for the one that the configuration names.
static result make_ring(struct config *c, const struct roll *roll, size_t at,
                        struct config_destination *d, struct plan_destination *p) {
    struct arena *a = &c->memory;
    d->older = arena_take(a, roll->count * sizeof *d->older);
    p->older = arena_take(a, roll->count * sizeof *p->older);
    NEED(d->older != NULL && p->older != NULL, MEMORY, "the configuration is too large");
    d->older_count = p->older_count = 0;
    bytes configured = d->secret;
    p->rolled = at > 0;
    for (size_t i = 0; i < roll->count; i++) {
        const struct rolled *s = &roll->secrets[i];
        bytes key = i == at ? configured : s->key;
        bytes own = key.n == 0 ? NO_BYTES : arena_copy(a, key);
        bytes fingerprint = arena_copy(a, s->fingerprint);
        NEED((key.n == 0 || own.p != NULL) && fingerprint.p != NULL, MEMORY,
             "the configuration is too large");
        if (i == 0) {
            d->newest = own;
            p->fingerprint = fingerprint;
            continue;
        }
        p->older[p->older_count++] = (struct plan_older){fingerprint, s->not_after_s};
        if (own.n > 0)
            d->older[d->older_count++] = (struct config_older){own, s->not_after_s};
    }
    return OK;
}

// As the configuration alone has it.
static result forget_ring(struct config *c, struct config_destination *d,
                          struct plan_destination *p, bytes fingerprint) {
    wipe(d->newest);
    for (size_t i = 0; i < d->older_count; i++)
        wipe(d->older[i].key);
    d->newest = NO_BYTES;
    d->older_count = p->older_count = 0;
    p->rolled = false;
    p->fingerprint = arena_copy(&c->memory, fingerprint);
    NEED(p->fingerprint.p != NULL, MEMORY, "the configuration is too large");
    return OK;
}

result rolls_apply(const struct rolls *r, struct config *c, struct text *notes) {
    struct plan *p = c->plan;
    for (size_t i = 0; i < p->destination_count; i++) {
        struct config_destination *d = &c->destinations[i];
        const struct roll *roll = find(r, d->name);
        if (p->destinations[i].kind != KIND_HTTP)
            continue;
        char fingerprint[FINGERPRINT_SIZE + 1];
        config_fingerprint(d->secret, fingerprint);
        TRY(forget_ring(c, d, &p->destinations[i], bytes_of(fingerprint)));
        if (roll == NULL)
            continue;
        size_t at = named(roll, bytes_of(fingerprint));
        note(notes, roll, at);
        if (at < roll->count)
            TRY(make_ring(c, roll, at, d, &p->destinations[i]));
    }
    OWN(text_drop)
    struct text canonical = {.max = PLAN_MEMORY_MAX};
    plan_write(p, &canonical);
    NEED(!canonical.failed, MEMORY, "the configuration is too large");
    TRY(plan_read(text_bytes(&canonical), 0, &c->plan));
    plan_free(p);
    return OK;
}

static const struct config_destination *find_http(const struct config *c, bytes name) {
    for (size_t i = 0; i < c->destination_count; i++)
        if (bytes_equal(c->destinations[i].name, name) &&
            c->plan->destinations[i].kind == KIND_HTTP)
            return &c->destinations[i];
    return NULL;
}

// What signed so far, and ends at the latest when the overlap does.
static result add_older(struct rolls *r, struct roll *roll, const struct rolled *s, int64_t now_s,
                        int64_t end_s, size_t *signers) {
    struct rolled older = *s;
    if (older.not_after_s == 0 || older.not_after_s > end_s)
        older.not_after_s = end_s;
    if (older.not_after_s <= now_s)
        older.key = NO_BYTES;
    *signers += older.key.n > 0;
    NEED(*signers <= ROLL_SIGNERS_MAX, FULL, "too many of its secrets sign already");
    return add_secret(r, roll, &older);
}

static result make_roll(struct rolls *r, struct roll *roll, const struct roll *before,
                        const struct config_destination *d, bytes fresh, int64_t now_s,
                        int64_t overlap_s) {
    char mine[FINGERPRINT_SIZE + 1], theirs[FINGERPRINT_SIZE + 1];
    size_t signers = 1;
    config_fingerprint(fresh, mine);
    config_fingerprint(d->secret, theirs);
    TRY(copy(r, d->name, &roll->name));
    TRY(add_secret(r, roll, &(struct rolled){bytes_of(mine), 0, fresh}));
    struct rolled configured = {bytes_of(theirs), 0, d->secret};
    size_t at = before == NULL ? 0 : named(before, bytes_of(theirs));
    if (before == NULL || at == before->count) // a chain of its own begins
        return add_older(r, roll, &configured, now_s, now_s + overlap_s, &signers);
    for (size_t i = 0; i < before->count; i++)
        if (roll->count + (i < at) < ROLL_SECRETS_MAX) // the one that is configured has its place
            TRY(add_older(r, roll, &before->secrets[i], now_s, now_s + overlap_s, &signers));
    return OK;
}

static result copy_roll(struct rolls *r, const struct roll *from) {
    struct roll *to = &r->list[r->count++];
    TRY(copy(r, from->name, &to->name));
    for (size_t i = 0; i < from->count; i++)
        TRY(add_secret(r, to, &from->secrets[i]));
    return OK;
}

result rolls_roll(const struct rolls *r, const struct config *c, bytes destination, bytes fresh,
                  int64_t now_s, int64_t overlap_s, struct rolls **out) {
    OWN(drop)
    struct rolls *after = NULL;
    const struct config_destination *d = find_http(c, destination);
    *out = NULL;
    NEED(d != NULL, ABSENT, "there is no such destination of kind http");
    TRY(rolls_new(r->count + 1, &after));
    for (size_t i = 0; i < r->count; i++)
        if (!bytes_equal(r->list[i].name, destination))
            TRY(copy_roll(after, &r->list[i]));
    TRY(make_roll(after, &after->list[after->count++], find(r, destination), d, fresh, now_s,
                  overlap_s));
    *out = after;
    after = NULL;
    return OK;
}
