// SPDX-License-Identifier: MIT
// A YAML document as a tree that knows its lines, and the messages about it. One reading, one
// thread.
//
// Taken from YAML: maps, lists, scalars. Refused, with the line: anchors and aliases (so nothing
// can multiply), tags, a second document, keys that are no scalars, a key that stands twice, more
// than TREE_DEPTH_MAX levels, more than TREE_COUNT_MAX entries in one place.
#ifndef CONFIG_TREE_H
#define CONFIG_TREE_H

#include "base/arena.h"
#include "base/text.h"
#include "config/config.h"
#include "config/keys.h"

#define TREE_DEPTH_MAX 16
#define TREE_COUNT_MAX 1000
#define CONFIG_SIZE_MAX (1u << 20) // of the file
#define MESSAGES_MAX 100           // of each kind; the rest is not said
// Nothing as long as a secret may be is ever repeated in a message.
#define SECRET_MIN 16

enum node_shape { NODE_SCALAR, NODE_MAP, NODE_LIST };

struct node {
    enum node_shape shape;
    const char *place;   // the file's name, or the variable's that it comes from
    int line;            // from 1; 0: its place has none
    struct node *parent; // null: the root
    bytes key;           // in its map
    size_t index;        // in its list
    struct node *first, *last, *next;
    size_t count;
    bool quoted;
    bool defaulted;            // nobody wrote it: the table's default
    bytes raw;                 // a scalar as written
    bytes text;                // … with its variables replaced; set by the check
    int64_t number;            // … of a number, ms or bytes
    const struct key_row *row; // of a list's entries too; null: unknown, or the root
    bool bad;                  // a message was written: the value says nothing
};

// One reading of a configuration.
struct reading {
    const char *name; // of what is being read: the file, or a variable
    const struct config_outside *outside;
    struct arena *memory; // of the tree
    struct text *errors, *warnings;
    size_t error_count, warning_count;
};

// INVALID after a message if it is no such YAML; null in *out for an empty document.
must result tree_read(struct reading *r, bytes yaml, struct node **out);
// Wipes every scalar.
void tree_wipe(struct node *n);

// New, at the end of its parent.
must result tree_add(struct reading *r, struct node *parent, enum node_shape shape, int line,
                     struct node **out);
// What stands in place of a value: its shape, text and children become those of `from`, which is a
// root; where it hangs stays. Wipes what was there.
void tree_replace(struct node *n, const struct node *from);
// "line 12", or the name of the variable that it comes from; of the reading's memory.
const char *tree_place(struct reading *r, const struct node *n);
// The child of a map with this row; null if absent.
struct node *tree_get(const struct node *map, enum key key);

// "place:line: path: message". About a node, which is bad afterwards; a line of 0 is left out.
void complain(struct reading *r, struct node *n, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
// About a place without a node.
void complain_at(struct reading *r, int line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void warn(struct reading *r, const struct node *n, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
// "found …; expected …" by its row.
void complain_expected(struct reading *r, struct node *n);

// The value as written if it is too short to be a secret and not in a secret's place, else what it
// is.
void show_value(const struct node *n, struct text *out);
// A key, if it looks like one: small letters, - and _, and either shorter than a secret or nearly
// one of ours; else its length.
void show_word(bytes word, struct text *out);

#endif
