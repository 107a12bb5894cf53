// SPDX-License-Identifier: MIT
#include "config/tree.h"

#include <string.h>
#include <yaml.h>

#include "base/memory.h"

#define WORD_MAX 32

// Is it, give or take a few letters, one of our keys?
static bool near_a_key(bytes word) {
    for (size_t i = 0; i < KEYS; i++)
        if (text_distance(key_name(&keys[i]), word) <= 4)
            return true;
    return false;
}

void show_word(bytes word, struct text *out) {
    bool plain = word.n > 0 && (word.n < SECRET_MIN || (word.n <= WORD_MAX && near_a_key(word)));
    for (size_t i = 0; i < word.n && plain; i++)
        plain = (word.p[i] >= 'a' && word.p[i] <= 'z') || word.p[i] == '_' || word.p[i] == '-';
    if (plain && !bytes_starts(word, B("whsec")))
        text_addf(out, "%.*s", BYTES_ARG(word));
    else
        text_addf(out, "(%zu characters)", word.n);
}

void show_value(const struct node *n, struct text *out) {
    if (n->shape != NODE_SCALAR)
        text_adds(out, n->shape == NODE_MAP ? "a map" : "a list");
    else if (n->raw.n == 0)
        text_adds(out, "nothing");
    else if (n->raw.n >= SECRET_MIN || (n->row != NULL && n->row->type == KEY_SECRET))
        text_addf(out, "a text of %zu characters", n->raw.n);
    else {
        text_addc(out, '`');
        text_add_printable(out, n->raw, 4 * SECRET_MIN);
        text_addc(out, '`');
    }
}

// destinations[0].match[1].types[0]
static void add_path(const struct node *n, struct text *out) {
    if (n->parent == NULL)
        return;
    add_path(n->parent, out);
    if (n->parent->shape == NODE_LIST) {
        text_addf(out, "[%zu]", n->index);
        return;
    }
    text_adds(out, n->parent->parent != NULL ? "." : "");
    if (n->row != NULL && n->parent->row != n->row)
        text_add(out, key_name(n->row));
    else
        show_word(n->key, out);
}

static void add_message(struct reading *r, struct text *out, size_t *count, int line,
                        const struct node *n, const char *format, va_list args) {
    if ((*count)++ >= MESSAGES_MAX)
        return;
    text_adds(out, n != NULL ? n->place : r->name);
    if (line > 0)
        text_addf(out, ":%d", line);
    text_adds(out, ": ");
    if (n != NULL && n->parent != NULL) {
        add_path(n, out);
        text_adds(out, ": ");
    }
    text_addv(out, format, args);
    text_addc(out, '\n');
}

void complain(struct reading *r, struct node *n, const char *format, ...) {
    va_list args;
    va_start(args, format);
    add_message(r, r->errors, &r->error_count, n->line, n, format, args);
    va_end(args);
    n->bad = true;
}

void complain_at(struct reading *r, int line, const char *format, ...) {
    va_list args;
    va_start(args, format);
    add_message(r, r->errors, &r->error_count, line, NULL, format, args);
    va_end(args);
}

void warn(struct reading *r, const struct node *n, const char *format, ...) {
    va_list args;
    va_start(args, format);
    add_message(r, r->warnings, &r->warning_count, n->line, n, format, args);
    va_end(args);
}

void complain_expected(struct reading *r, struct node *n) {
    OWN(text_drop)
    struct text found = {0};
    OWN(text_drop)
    struct text expected = {0};
    show_value(n, &found);
    key_expected(n->row, &expected);
    complain(r, n, "found %s; expected %s", text_str(&found), text_str(&expected));
}

result tree_add(struct reading *r, struct node *parent, enum node_shape shape, int line,
                struct node **out) {
    struct node *n = arena_take(r->memory, sizeof(*n));
    NEED(n != NULL, MEMORY, "the configuration is too large");
    n->shape = shape;
    n->line = line;
    n->parent = parent;
    n->place = parent != NULL ? parent->place : r->name;
    *out = n;
    if (parent == NULL)
        return OK;
    n->index = parent->count++;
    if (parent->last != NULL)
        parent->last->next = n;
    else
        parent->first = n;
    parent->last = n;
    return OK;
}

void tree_replace(struct node *n, const struct node *from) {
    struct node old = *n;
    tree_wipe(n);
    *n = *from;
    n->parent = old.parent;
    n->key = old.key;
    n->index = old.index;
    n->next = old.next;
    for (struct node *child = n->first; child != NULL; child = child->next)
        child->parent = n;
}

const char *tree_place(struct reading *r, const struct node *n) {
    OWN(text_drop)
    struct text place = {0};
    if (n->line > 0)
        text_addf(&place, "line %d", n->line);
    else
        text_adds(&place, n->place);
    bytes kept = arena_copy(r->memory, bytes_from(text_str(&place), place.n + 1));
    return kept.p != NULL ? (const char *)kept.p : "another place";
}

struct node *tree_get(const struct node *map, enum key key) {
    for (struct node *n = map != NULL ? map->first : NULL; n != NULL; n = n->next)
        if (n->row == &keys[key])
            return n;
    return NULL;
}

void tree_wipe(struct node *n) {
    for (struct node *child = n != NULL ? n->first : NULL; child != NULL; child = child->next)
        tree_wipe(child);
    if (n == NULL || n->shape != NODE_SCALAR)
        return;
    memory_wipe((void *)(uintptr_t)n->raw.p, n->raw.n);
    if (n->text.p != n->raw.p)
        memory_wipe((void *)(uintptr_t)n->text.p, n->text.n);
}

static int line_of(const yaml_mark_t *mark) { return (int)mark->line + 1; }

static bytes line_text(bytes yaml, int line) {
    bytes found = bytes_cut(&yaml, '\n');
    for (int i = 1; i < line; i++)
        found = bytes_cut(&yaml, '\n');
    return found;
}

static void complain_syntax(struct reading *r, bytes yaml, const yaml_parser_t *p) {
    int line = line_of(&p->problem_mark);
    if (p->error == YAML_MEMORY_ERROR)
        memory_none(0);
    if (p->error == YAML_READER_ERROR) {
        line = 1;
        for (size_t i = 0; i < p->problem_offset && i < yaml.n; i++)
            line += yaml.p[i] == '\n';
    }
    // libyaml's problems are fixed sentences: they repeat nothing of the file.
    bytes at = line_text(yaml, line);
    const char *hint = bytes_find(at, '\t') < at.n ? "; indent with spaces, not with tabs" : "";
    complain_at(r, line, "this is not YAML: %s%s", p->problem != NULL ? p->problem : "?", hint);
}

// The parser, the text it reads, and the event that was read last.
struct source_text {
    struct reading *r;
    bytes yaml;
    yaml_parser_t *parser;
    yaml_event_t event;
};

static result next_event(struct source_text *s) {
    yaml_event_delete(&s->event);
    if (!yaml_parser_parse(s->parser, &s->event)) {
        complain_syntax(s->r, s->yaml, s->parser);
        FAIL(INVALID, "the configuration is not YAML");
    }
    return OK;
}

#define REFUSE(s_, ...)                                                                            \
    do {                                                                                           \
        complain_at((s_)->r, line_of(&(s_)->event.start_mark), __VA_ARGS__);                       \
        FAIL(INVALID, "the configuration uses YAML that is not taken");                            \
    } while (0)

static result refuse_extras(struct source_text *s) {
    const yaml_event_t *e = &s->event;
    const yaml_char_t *anchor = NULL, *tag = NULL;
    if (e->type == YAML_SCALAR_EVENT) {
        anchor = e->data.scalar.anchor;
        tag = e->data.scalar.tag;
    } else if (e->type == YAML_MAPPING_START_EVENT) {
        anchor = e->data.mapping_start.anchor;
        tag = e->data.mapping_start.tag;
    } else if (e->type == YAML_SEQUENCE_START_EVENT) {
        anchor = e->data.sequence_start.anchor;
        tag = e->data.sequence_start.tag;
    }
    if (anchor != NULL || e->type == YAML_ALIAS_EVENT)
        REFUSE(s, "found an anchor or alias; neither is taken; write the value out, and a value "
                  "that starts with & or * between quotes");
    if (tag != NULL)
        REFUSE(s, "found a tag; none is taken; write the value alone, and a value that starts "
                  "with ! between quotes");
    return OK;
}

static result read_scalar(struct source_text *s, struct node *n) {
    n->quoted = s->event.data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    n->raw = arena_copy(s->r->memory,
                        bytes_from(s->event.data.scalar.value, s->event.data.scalar.length));
    NEED(n->raw.p != NULL, MEMORY, "the configuration is too large");
    return OK;
}

static result read_value(struct source_text *s, struct node *parent, int depth, struct node **out);

// The event is a map's key: reads it and its value.
static result read_entry(struct source_text *s, struct node *map, int depth) {
    OWN(text_drop)
    struct text shown = {0};
    TRY(refuse_extras(s));
    if (s->event.type != YAML_SCALAR_EVENT)
        REFUSE(s, "found a list or map as a key; a key is a word");
    int line = line_of(&s->event.start_mark);
    bytes key = arena_copy(s->r->memory,
                           bytes_from(s->event.data.scalar.value, s->event.data.scalar.length));
    NEED(key.p != NULL, MEMORY, "the configuration is too large");
    for (const struct node *n = map->first; n != NULL; n = n->next) {
        if (!bytes_equal(n->key, key))
            continue;
        show_word(key, &shown);
        REFUSE(s, "the key %s stands twice, first in line %d; remove one", text_str(&shown),
               n->line);
    }
    TRY(next_event(s));
    struct node *value;
    TRY(read_value(s, map, depth, &value));
    value->key = key;
    value->line = line;
    return OK;
}

static result read_children(struct source_text *s, struct node *n, int depth) {
    yaml_event_type_t end = n->shape == NODE_MAP ? YAML_MAPPING_END_EVENT : YAML_SEQUENCE_END_EVENT;
    if (depth >= TREE_DEPTH_MAX)
        REFUSE(s, "nested deeper than %d levels; no key of the configuration is", TREE_DEPTH_MAX);
    TRY(next_event(s));
    while (s->event.type != end) {
        struct node *entry;
        if (n->count >= TREE_COUNT_MAX)
            REFUSE(s, "more than %d entries in one place", TREE_COUNT_MAX);
        if (n->shape == NODE_MAP)
            TRY(read_entry(s, n, depth + 1));
        else
            TRY(read_value(s, n, depth + 1, &entry));
        TRY(next_event(s));
    }
    return OK;
}

// The event starts a value; afterwards it is the value's last.
static result read_value(struct source_text *s, struct node *parent, int depth, struct node **out) {
    TRY(refuse_extras(s));
    int line = line_of(&s->event.start_mark);
    switch (s->event.type) {
    case YAML_SCALAR_EVENT:
        TRY(tree_add(s->r, parent, NODE_SCALAR, line, out));
        return read_scalar(s, *out);
    case YAML_MAPPING_START_EVENT: TRY(tree_add(s->r, parent, NODE_MAP, line, out)); break;
    case YAML_SEQUENCE_START_EVENT: TRY(tree_add(s->r, parent, NODE_LIST, line, out)); break;
    default: REFUSE(s, "found something that is no value");
    }
    return read_children(s, *out, depth);
}

static result read_document(struct source_text *s, struct node **out) {
    TRY(next_event(s)); // the stream's start
    TRY(next_event(s));
    if (s->event.type == YAML_STREAM_END_EVENT)
        return OK;
    TRY(next_event(s));
    TRY(read_value(s, NULL, 0, out));
    TRY(next_event(s)); // the document's end
    TRY(next_event(s));
    if (s->event.type != YAML_STREAM_END_EVENT)
        REFUSE(s, "a second document starts here; the configuration is one");
    return OK;
}

result tree_read(struct reading *r, bytes yaml, struct node **out) {
    *out = NULL;
    if (yaml.n > CONFIG_SIZE_MAX) {
        complain_at(r, 0, "%zu bytes; a configuration has at most %u", yaml.n, CONFIG_SIZE_MAX);
        FAIL(INVALID, "the configuration is too large");
    }
    yaml_parser_t parser;
    if (!yaml_parser_initialize(&parser))
        memory_none(0);
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser, yaml.p != NULL ? yaml.p : (const uint8_t *)"", yaml.n);
    struct source_text s = {.r = r, .yaml = yaml, .parser = &parser};
    result read = read_document(&s, out);
    yaml_event_delete(&s.event);
    yaml_parser_delete(&parser);
    return read;
}
