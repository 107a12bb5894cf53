// SPDX-License-Identifier: MIT
#include "config/check.h"

#include <stdlib.h>

#include "base/ensure.h"
#include "base/memory.h"
#include "rules/guard.h"
#include "rules/pace.h"

#define NAME_MAX_BYTES 64
#define SECRET_FILE_MAX 4096

static bool has_control(bytes b) {
    for (size_t i = 0; i < b.n; i++)
        if (b.p[i] < 0x20 || b.p[i] == 0x7f)
            return true;
    return false;
}

static bool is_space(uint8_t c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

static result read_secret_file(struct reading *r, struct node *n) {
    bytes path = bytes_slice(n->text, 5, n->text.n);
    char *z = bytes_strdup(path);
    struct text content = {.max = SECRET_FILE_MAX};
    result read = r->outside->file(r->outside->ctx, z, SECRET_FILE_MAX, &content);
    free(z);
    if (read != OK || content.failed)
        complain(r, n,
                 "the file behind file: cannot be read (%s); check its path and its "
                 "permissions",
                 read != OK ? fail_name(read->code) : "too large");
    bytes secret = text_bytes(&content);
    if (bytes_ends(secret, B("\n")))
        secret = bytes_slice(secret, 0, secret.n - 1);
    n->text = arena_copy(r->memory, secret);
    if (content.p != NULL)
        memory_wipe(content.p, content.cap);
    text_drop(&content);
    NEED(n->text.p != NULL, MEMORY, "the configuration is too large");
    return OK;
}

static result check_secret(struct reading *r, struct node *n) {
    if (bytes_starts(n->text, B("file:")))
        TRY(read_secret_file(r, n));
    bytes s = n->text;
    if (n->bad)
        return OK;
    if (s.n == 0)
        complain(r, n, "the secret is empty; without one anybody could send events");
    else if (is_space(s.p[0]) || is_space(s.p[s.n - 1]))
        complain(r, n, "the secret has white space around it; remove it");
    else if (s.n < SECRET_MIN && n->row != &keys[KEY_DESTINATION_PASSWORD])
        complain(r, n,
                 "the secret has fewer than %d characters; Stripe's start with whsec_ and "
                 "are longer",
                 SECRET_MIN);
    else if (has_control(s))
        complain(r, n, "the secret has a control character inside");
    return OK;
}

static void check_name(struct reading *r, struct node *n) {
    bool fits = n->text.n > 0 && n->text.n <= NAME_MAX_BYTES;
    for (size_t i = 0; i < n->text.n && fits; i++) {
        uint8_t c = n->text.p[i];
        fits = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
    }
    if (!fits)
        complain_expected(r, n);
}

static void check_choice(struct reading *r, struct node *n) {
    size_t at = 0;
    bytes word;
    while (key_choice(n->row, &at, &word))
        if (bytes_equal(word, n->text))
            return;
    complain_expected(r, n);
}

static bool parse_number(enum key_type type, bytes b, int64_t *out) {
    uint64_t size;
    if (type == KEY_DURATION || type == KEY_DURATIONS)
        return text_parse_duration(b, out) == OK;
    if ((type == KEY_SIZE ? text_parse_size(b, &size) : bytes_to_u64(b, &size)) != OK ||
        size > INT64_MAX)
        return false;
    *out = (int64_t)size;
    return true;
}

static void check_number(struct reading *r, struct node *n) {
    bytes least_text, most_text;
    int64_t least = 0, most = 0;
    key_range(n->row, &least_text, &most_text);
    ensure(parse_number(n->row->type, least_text, &least));
    ensure(parse_number(n->row->type, most_text, &most));
    if (!parse_number(n->row->type, n->text, &n->number) || n->number < least || n->number > most)
        complain_expected(r, n);
}

bool check_span(const struct node *n, int64_t *least, int64_t *most) {
    size_t dots = bytes_search(n->text, B(".."));
    *least = *most = 0;
    if (dots == n->text.n)
        return parse_number(KEY_INTEGER, n->text, least) && (*most = *least, true);
    return parse_number(KEY_INTEGER, bytes_slice(n->text, 0, dots), least) &&
           parse_number(KEY_INTEGER, bytes_slice(n->text, dots + 2, n->text.n), most) &&
           *least <= *most;
}

static void check_two(struct reading *r, struct node *n) {
    bytes least_text, most_text;
    int64_t least = 0, most = 0, from, to;
    key_range(n->row, &least_text, &most_text);
    ensure(parse_number(KEY_INTEGER, least_text, &least));
    ensure(parse_number(KEY_INTEGER, most_text, &most));
    if (!check_span(n, &from, &to) || from < least || to > most)
        complain_expected(r, n);
}

static void check_rate(struct reading *r, struct node *n) {
    struct pace_limits rate;
    if (pace_rate_parse(n->text, &rate) != OK)
        complain_expected(r, n);
}

// Signatures carry whole seconds, so that nothing finer could decide. Not before 1970: 0 is none.
static void check_time(struct reading *r, struct node *n) {
    bool dated = bytes_find(n->text, 'T') < n->text.n || bytes_find(n->text, 't') < n->text.n;
    if (!dated || text_parse_time(n->text, &n->number) != OK || n->number <= 0 ||
        n->number % 1000 != 0)
        complain_expected(r, n);
}

// Programs may be given lines: a script, a certificate.
static bool goes_to_program(const struct key_row *row) {
    return row == &keys[KEY_DESTINATION_RUN] || row == &keys[KEY_DESTINATION_ENVIRONMENT];
}

// An argument may, the program may not.
static bool may_say_nothing(const struct node *n) {
    return n->row->type == KEY_WHERE ||
           (n->row == &keys[KEY_DESTINATION_RUN] && n->parent->shape == NODE_LIST && n->index > 0);
}

static void check_network(struct reading *r, struct node *n) {
    struct guard_range range;
    result parsed = guard_range_parse(n->text, &range);
    if (parsed == OK) {
        if (range.bits == 0)
            warn(r, n, "this is every address of IPv%c: endpoints may lead anywhere",
                 range.n == 4 ? '4' : '6');
        return;
    }
    OWN(text_drop)
    struct text found = {0};
    show_value(n, &found);
    complain(r, n, "found %s; expected a network: %s", text_str(&found), parsed->text);
}

static result check_scalar(struct reading *r, struct node *n) {
    if (n->shape != NODE_SCALAR || (n->raw.n == 0 && !n->quoted)) {
        complain_expected(r, n);
        return OK;
    }
    TRY(check_expand(r, n));
    if (n->bad)
        return OK;
    switch (n->row->type) {
    case KEY_SECRET: return check_secret(r, n);
    case KEY_NAME: check_name(r, n); return OK;
    case KEY_CHOICE: check_choice(r, n); return OK;
    case KEY_TIME: check_time(r, n); return OK;
    case KEY_NETWORKS: check_network(r, n); return OK;
    case KEY_SPAN: check_two(r, n); return OK;
    case KEY_RATE: check_rate(r, n); return OK;
    case KEY_INTEGER:
    case KEY_SIZE:
    case KEY_DURATION:
    case KEY_DURATIONS: check_number(r, n); return OK;
    default: break;
    }
    if (n->text.n == 0 && !may_say_nothing(n))
        complain(r, n, "is empty; write a value or remove the key");
    else if ((goes_to_program(n->row) ? bytes_find(n->text, '\0') < n->text.n
                                      : has_control(n->text)) ||
             !bytes_utf8(n->text))
        complain(r, n, "has a control character, or is not UTF-8");
    return OK;
}

// One scalar, or a list of scalars. Its entries have its row.
static result check_scalars(struct reading *r, struct node *n) {
    if (n->shape != NODE_LIST)
        return check_scalar(r, n);
    bool may_be_empty = n->row->type == KEY_DURATIONS || n->row->type == KEY_NETWORKS ||
                        n->row == &keys[KEY_DESTINATION_ENVIRONMENT];
    if (n->count == 0 && !may_be_empty)
        complain(r, n, "found an empty list; write what is meant or remove the key");
    for (struct node *entry = n->first; entry != NULL; entry = entry->next) {
        entry->row = n->row;
        TRY(check_scalar(r, entry));
    }
    return OK;
}

static bool is_where_path(bytes path) {
    bool fits = path.n > 0 && path.n <= 255 && !has_control(path);
    while (fits && path.n > 0) {
        size_t dot = bytes_find(path, '.');
        fits = dot > 0 && dot + 1 != path.n;
        path = bytes_slice(path, dot + 1, path.n);
    }
    return fits;
}

static result check_where(struct reading *r, struct node *n) {
    if (n->shape != NODE_MAP) {
        complain_expected(r, n);
        return OK;
    }
    if (n->count == 0)
        complain(r, n, "found an empty map; write what is meant or remove the key");
    for (struct node *entry = n->first; entry != NULL; entry = entry->next) {
        entry->row = n->row;
        if (!is_where_path(entry->key))
            complain(r, entry,
                     "this is no path into an event; expected keys with dots between "
                     "them, as data.object.metadata.site");
        else if (entry->shape == NODE_SCALAR && entry->raw.n == 0 && !entry->quoted)
            complain(r, entry, "found nothing; write \"\" for the empty text");
        else
            TRY(check_scalars(r, entry));
    }
    return OK;
}

static result check_maps(struct reading *r, struct node *n) {
    if (n->shape != NODE_LIST) {
        complain_expected(r, n);
        return OK;
    }
    for (struct node *entry = n->first; entry != NULL; entry = entry->next) {
        entry->row = n->row;
        TRY(check_map(r, entry, n->row));
    }
    return OK;
}

static result check_node(struct reading *r, struct node *n) {
    switch (n->row->type) {
    case KEY_MAP: return check_map(r, n, n->row);
    case KEY_MAPS: return check_maps(r, n);
    case KEY_WHERE: return check_where(r, n);
    case KEY_TEXTS:
    case KEY_ADDRESSES:
    case KEY_NETWORKS:
    case KEY_DURATIONS: return check_scalars(r, n);
    default: return check_scalar(r, n);
    }
}

static result add_default_entries(struct reading *r, struct node *list, bytes text) {
    while (text.n > 0) {
        struct node *entry;
        TRY(tree_add(r, list, NODE_SCALAR, list->line, &entry));
        entry->raw = arena_copy(r->memory, bytes_trim(bytes_cut(&text, ',')));
        NEED(entry->raw.p != NULL, MEMORY, "the configuration is too large");
    }
    return OK;
}

static result add_default(struct reading *r, struct node *map, const struct key_row *row) {
    enum key_form form = key_form(row);
    bool list = form == FORM_SCALARS;
    enum node_shape shape = list ? NODE_LIST : form == FORM_MAP ? NODE_MAP : NODE_SCALAR;
    struct node *n;
    TRY(tree_add(r, map, shape, map->line, &n));
    n->defaulted = true;
    n->row = row;
    n->key = key_name(row);
    if (list)
        TRY(add_default_entries(r, n, bytes_of(row->otherwise)));
    else if (shape == NODE_SCALAR) {
        n->raw = arena_copy(r->memory, bytes_of(row->otherwise));
        NEED(n->raw.p != NULL, MEMORY, "the configuration is too large");
    }
    return check_node(r, n);
}

static void complain_unknown(struct reading *r, struct node *n, const struct key_row *map_row) {
    OWN(text_drop)
    struct text known = {0};
    bytes nearest = key_nearest(map_row, n->key);
    for (size_t i = 0; i < KEYS; i++) {
        if (!key_inside(&keys[i], map_row))
            continue;
        text_adds(&known, known.n > 0 ? ", " : "");
        text_add(&known, key_name(&keys[i]));
    }
    if (nearest.n > 0)
        complain(r, n, "unknown key; did you mean `%.*s`? Allowed here: %s", BYTES_ARG(nearest),
                 text_str(&known));
    else
        complain(r, n, "unknown key; allowed here: %s", text_str(&known));
}

static void complain_missing(struct reading *r, struct node *map, const struct key_row *row) {
    bytes name = key_name(row);
    OWN(text_drop)
    struct text expected = {0};
    key_expected(row, &expected);
    complain(r, map, "%.*s is missing; expected %s. %s", BYTES_ARG(name), text_str(&expected),
             row->meaning);
}

result check_map(struct reading *r, struct node *map, const struct key_row *row) {
    if (map->shape != NODE_MAP) {
        OWN(text_drop)
        struct text found = {0};
        show_value(map, &found);
        complain(r, map, "found %s; expected a map of keys", text_str(&found));
        return OK;
    }
    for (struct node *n = map->first; n != NULL; n = n->next) {
        n->row = key_find(row, n->key);
        if (n->row == NULL)
            complain_unknown(r, n, row);
        else
            TRY(check_node(r, n));
    }
    for (size_t i = 0; i < KEYS; i++) {
        if (!key_inside(&keys[i], row) || tree_get(map, (enum key)i) != NULL)
            continue;
        if (key_required(&keys[i]))
            complain_missing(r, map, &keys[i]);
        else if (keys[i].otherwise != NULL)
            TRY(add_default(r, map, &keys[i]));
    }
    return OK;
}
