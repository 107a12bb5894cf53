// SPDX-License-Identifier: MIT
// The table of what may be asked (desk/routes.def) joined with who answers it.
#ifndef DESK_ROUTES_H
#define DESK_ROUTES_H

#include "http/session.h"

struct ask;
struct desk;

enum access { // the least that is needed
    ACCESS_NOBODY,
    ACCESS_KEY, // of whichever mode
    ACCESS_VIEWER,
    ACCESS_OPERATOR,
    ACCESS_STRIPE_VIEWER, // of keys for Stripe's API
    ACCESS_STRIPE_CHANGER,
};

enum route_id {
#define ROUTE(id, method, path, access, doc) ROUTE_##id,
#include "desk/routes.def"
#undef ROUTE
    ROUTES
};

#define PARAMS_MAX 16

struct work {
    // On the loop's thread, once the request is whole and its key suffices. Answers now (ask_send)
    // or begins what will.
    void (*run)(struct ask *a);
    const char *const *params; // names of the query's parameters, to a null; null: none
    const char *const *fields; // of the body's members, likewise
    size_t body_max;           // bytes of the body; 0: BODY_MAX
    // Instead of `run`: at the head, of what is no request that is answered.
    enum http_verdict (*head)(struct desk *d, struct session *s, const struct http_request *r);
};

struct route {
    const char *method, *path;
    enum access access;
    const struct work *work;
};

// 0: there is no such path. 405: the path takes other methods. 200: *out, and *arg is what stands
// at the {x} of its path, not decoded.
int route_find(bytes method, bytes path, const struct route **out, bytes *arg);
// "GET, POST": what this path takes.
void route_methods(bytes path, struct text *out);
// The path of the table that is most like this one, or null when nothing is near.
const char *route_nearest(bytes path);
// The name of a null-ended list that is most like this one, or null.
const char *word_nearest(bytes word, const char *const *list);

#endif
