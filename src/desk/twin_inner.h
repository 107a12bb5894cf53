// SPDX-License-Identifier: MIT
// What the files of the twin's side of the wire share (desk/twin.h).
#ifndef DESK_TWIN_INNER_H
#define DESK_TWIN_INNER_H

#include "desk/signing.h"
#include "desk/twin.h"
#include "stripe/delivery.h"

// An event that waits for one endpoint or several.
struct twin_shared {
    struct twin_event *event;
    size_t uses;
};

// One of them. It is in its endpoint's line, among those held, or under way.
struct twin_post {
    struct list link; // of those held
    size_t at;        // in the line
    struct twin_shared *shared;
    uint64_t seq;   // of the event
    int64_t due_ms; // by the twin's clock
    unsigned faults, failures;
};

struct twin_endpoint {
    struct list link;
    struct twin_desk *twin;
    struct text source, api_version;
    struct heap line; // of posts, by when they are due, then by seq
    struct list held; // until one behind them was taken (REORDER)
    int64_t held_us;  // or until then; 0: nothing is held
    struct twin_post *under_way;
    enum twin_fault sending; // what of it; TWIN_FAULTS: itself
    struct fetch *fetch;
    struct fetch_request request;
    struct text url, body, signature;
    const char *headers[DELIVERY_HEADERS + 1];
    uint64_t taken, failed, given_up;
};

#define TWIN_SESSIONS 32                   // the last ones; after a restart none
#define TWIN_SESSION_US INT64_C(900000000) // as long as Stripe's

struct twin_desk {
    struct desk *desk;
    struct twin *world;
    struct twin_clock clock;
    struct twin_chaos chaos;
    uint64_t random; // of what goes wrong
    uint64_t seq;
    bytes api_version;                     // owned
    struct desk_twin_endpoint *configured; // owned; none: each source
    size_t configured_count;
    uint32_t waiting_max, objects_max;
    uint64_t body_max;
    struct list endpoints; // that something was posted to, or waits for
    size_t waiting;
    bool crowded;                // more were given up
    struct text base, unix_path; // where sources listen
    struct fetcher *fetcher;
    struct timer *timer, *saver;
    bool hushed;
    int64_t away_us; // the sources did not answer at all; not before then
    char *file, *fresh_file;
    bool changed, saving_fails;
    int64_t saving_ms; // how long the last took
    struct twin_session {
        uint8_t hash[SHA256_SIZE]; // of its token
        struct caller caller;
        int64_t until_us;
    } sessions[TWIN_SESSIONS];
    size_t session_next;
};

int64_t twin_now(const struct twin_desk *t);

// Takes the events that came to be into the endpoints' lines, then posts what is due. `chaos` null:
// as set.
void twin_send(struct twin_desk *t, const struct twin_chaos *chaos);
// The endpoint of this source; it is made if there is none.
struct twin_endpoint *twin_endpoint_of(struct twin_desk *t, bytes source, bytes api_version);
void twin_line_push(struct twin_endpoint *e, struct twin_post *p);
void twin_post_drop(struct twin_endpoint *e, struct twin_post *p); // it is in no line
void twin_lines_drop(struct twin_desk *t); // with what is under way; the endpoints stay
// Where sources are reached, from the desk's list of addresses; INVALID if nowhere.
must result twin_find_way(struct twin_desk *t, struct text *why);

// Keeps the token that this answer tells, if it does (twin_session.c).
void twin_session_keep(struct twin_desk *t, const struct ask *a);
// Whose token it is that came in the place of a key: then he is the caller.
void twin_session_read(const struct twin_desk *t, const struct http_request *r,
                       struct caller *caller);

void twin_changed(struct twin_desk *t); // the file is written soon
// All of it as a document; and back, INVALID with a sentence in `why` and nothing changed.
void twin_document(const struct twin_desk *t, struct text *out);
must result twin_restore(struct twin_desk *t, bytes document, struct text *why);
must result twin_file_read(struct twin_desk *t, struct text *why); // none: an empty world
void twin_file_write(void *ctx);

#endif
