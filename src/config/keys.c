// SPDX-License-Identifier: MIT
#include "config/keys.h"

#include "base/text.h"
#include "config/config.h"

const struct key_row keys[KEYS] = {
#define KEY(id, path, type, otherwise, allowed, meaning)                                           \
    [KEY_##id] = {path, KEY_##type, otherwise, allowed, meaning},
#include "config/keys.def"
#undef KEY
};

bytes key_name(const struct key_row *row) {
    bytes path = bytes_of(row->path);
    size_t at = path.n;
    while (at > 0 && path.p[at - 1] != '.')
        at--;
    return bytes_slice(path, at, path.n);
}

bool key_inside(const struct key_row *row, const struct key_row *map) {
    bytes path = bytes_of(row->path), name = key_name(row);
    if (map == NULL)
        return path.n == name.n;
    bytes parent = bytes_slice(path, 0, path.n == name.n ? 0 : path.n - name.n - 1);
    if (map->type == KEY_MAPS) {
        if (!bytes_ends(parent, B("[]")))
            return false;
        parent = bytes_slice(parent, 0, parent.n - 2);
    }
    return bytes_equal(parent, bytes_of(map->path));
}

const struct key_row *key_find(const struct key_row *map, bytes name) {
    for (size_t i = 0; i < KEYS; i++)
        if (key_inside(&keys[i], map) && bytes_equal(key_name(&keys[i]), name))
            return &keys[i];
    return NULL;
}

bytes key_nearest(const struct key_row *map, bytes name) {
    // A third of the letters may be wrong, at most four: beyond that a hint misleads.
    size_t least = name.n / 3 < 4 ? name.n / 3 + 1 : 5;
    bytes nearest = NO_BYTES;
    for (size_t i = 0; i < KEYS; i++) {
        if (!key_inside(&keys[i], map))
            continue;
        size_t distance = text_distance(key_name(&keys[i]), name);
        if (distance < least) {
            least = distance;
            nearest = key_name(&keys[i]);
        }
    }
    return nearest;
}

enum key_form key_form(const struct key_row *row) {
    switch (row->type) {
    case KEY_MAP: return FORM_MAP;
    case KEY_MAPS: return FORM_MAPS;
    case KEY_WHERE: return FORM_FREE;
    case KEY_TEXTS:
    case KEY_ADDRESSES:
    case KEY_NETWORKS:
    case KEY_DURATIONS: return FORM_SCALARS;
    case KEY_TEXT:
    case KEY_NAME:
    case KEY_CHOICE:
    case KEY_INTEGER:
    case KEY_SPAN:
    case KEY_RATE:
    case KEY_SIZE:
    case KEY_DURATION:
    case KEY_TIME:
    case KEY_SECRET: break;
    }
    return FORM_SCALAR;
}

bool key_required(const struct key_row *row) {
    return bytes_equal(bytes_of(row->otherwise), B("required"));
}

bool key_choice(const struct key_row *row, size_t *at, bytes *word) {
    bytes rest = bytes_of(row->allowed);
    rest = bytes_slice(rest, *at, rest.n);
    if (rest.n == 0)
        return false;
    *word = bytes_cut(&rest, '|');
    *at += word->n + 1;
    return true;
}

void key_range(const struct key_row *row, bytes *least, bytes *most) {
    bytes range = bytes_of(row->allowed);
    size_t dots = bytes_search(range, B(".."));
    *least = bytes_slice(range, 0, dots);
    *most = bytes_slice(range, dots + 2, range.n);
}

static void expected_words(const struct key_row *row, struct text *out) {
    size_t at = 0;
    bytes word;
    for (const char *before = ""; key_choice(row, &at, &word); before = ", ") {
        text_adds(out, before);
        text_add(out, word);
    }
}

static void expected_range(const struct key_row *row, struct text *out) {
    bytes least, most;
    key_range(row, &least, &most);
    text_addf(out, " from %.*s to %.*s", BYTES_ARG(least), BYTES_ARG(most));
}

static const char *const type_words[] = {
    [KEY_MAP] = "a map of keys",
    [KEY_MAPS] = "a list of maps",
    [KEY_TEXT] = "a text",
    [KEY_TEXTS] = "a text or a list of them",
    [KEY_ADDRESSES] = "an address or a list of them",
    [KEY_NETWORKS] = "a network or a list of them (10.1.0.0/16, fd00:1::/32)",
    [KEY_NAME] = "a name: 1 to 64 of a-z 0-9 _ -",
    [KEY_CHOICE] = "one of ",
    [KEY_INTEGER] = "a whole number",
    [KEY_SPAN] = "a whole number, or the least and the most (1..64),",
    [KEY_RATE] = "a rate in a second, minute or hour (50/s, 300/m, 1000/h)",
    [KEY_SIZE] = "a size (500B, 64KiB, 1MiB, 2GiB)",
    [KEY_DURATION] = "a duration (200ms, 5s, 5m, 2h, 90d)",
    [KEY_DURATIONS] = "a list of durations (200ms, 5s, 5m, 2h, 90d)",
    [KEY_TIME] = "a time with its offset (2026-11-27T18:00:00Z), in whole seconds",
    [KEY_SECRET] = "a secret",
    [KEY_WHERE] = "a map from paths into the event to a value or a list of values",
};

void key_expected(const struct key_row *row, struct text *out) {
    text_adds(out, type_words[row->type]);
    if (row->type == KEY_CHOICE)
        expected_words(row, out);
    else if (row->allowed != NULL)
        expected_range(row, out);
}

void config_describe(struct text *out) {
    for (size_t i = 0; i < KEYS; i++) {
        const struct key_row *row = &keys[i];
        text_addf(out, "%s: ", row->path);
        key_expected(row, out);
        if (key_required(row))
            text_adds(out, "; required");
        else if (row->otherwise != NULL && row->otherwise[0] != '\0')
            text_addf(out, "; default %s", row->otherwise);
        text_addf(out, "\n    %s\n", row->meaning);
    }
}
