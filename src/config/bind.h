// SPDX-License-Identifier: MIT
// From the checked tree to struct config and its plan, with the rules that more than one key
// decides. Problems become messages; a failure is only MEMORY.
#ifndef CONFIG_BIND_H
#define CONFIG_BIND_H

#include "config/check.h"

struct binding {
    struct reading *r;
    struct node *root;
    struct config *c; // its memory owns all that is bound
    struct plan plan; // as the configuration says; its memory is unused
};

#define RETRIES_MAX 32

must result bind_take(struct binding *b, size_t count, size_t size, void *out);
must result bind_copy(struct binding *b, bytes text, bytes *out); // never half: MEMORY
// A copy of a key's text; empty when it is absent or bad.
must result bind_text(struct binding *b, const struct node *map, enum key key, bytes *out);
// All of a key that takes one or a list; none when it is absent.
must result bind_texts(struct binding *b, const struct node *map, enum key key, bytes **out,
                       size_t *count);
int64_t bind_number(const struct node *map, enum key key); // 0 when it is absent or bad
// The scalars of a key that takes one or a list: how many, the first, and the one behind `n`; none
// when it is absent or bad.
size_t bind_count(struct node *of);
struct node *bind_first(struct node *of);
struct node *bind_next(struct node *of, const struct node *n);
// Does an earlier map of the same list have the same text under this key? Null if not.
const struct node *bind_same(const struct node *map, enum key key);
// The choice under a key; `otherwise` when it is bad.
enum mode bind_mode(const struct node *map, enum key key);
enum scope bind_scope(const struct node *map, enum key key);
// Waits of a key that takes one or a list, at most RETRIES_MAX.
must result bind_waits(struct binding *b, const struct node *map, enum key key, int64_t **out,
                       size_t *count);
bytes bind_fingerprint(struct binding *b, bytes secret); // empty for an empty secret

must result bind_sources(struct binding *b);
must result bind_sites(struct binding *b);
must result bind_twin(struct binding *b);         // after the sources
must result bind_destinations(struct binding *b); // after the sources and sites
// Of a destination of kind command or plugin: its handler, and of the plan what it says of it. The
// rules are bound already.
must result bind_handler(struct binding *b, struct node *map, struct handler *out,
                         struct plan_destination *plan);
// What of it only plugins have.
must result bind_plugin(struct binding *b, struct node *map, struct handler *out,
                        struct plan_destination *plan);
// Of a destination whose kind is a queue.
must result bind_queue(struct binding *b, struct node *map, struct config_destination *out,
                       struct plan_destination *plan);
// Paths with the values that they may have; none when absent or bad.
must result bind_where(struct binding *b, const struct node *of, struct plan_where **out,
                       size_t *count);
// Warns of a type that Stripe does not document, `whose` in front: a clause, or "".
void bind_type_known(struct reading *r, const struct node *n, const char *whose, bytes type);
// Complains of what is no pattern of event types.
void bind_type_pattern(struct reading *r, struct node *n);
must result bind_rules(struct binding *b, struct node *list, struct plan_destination *d);

#endif
