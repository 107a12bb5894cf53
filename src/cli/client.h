// SPDX-License-Identifier: MIT
// Asking the desk of a running gateway (hookkeep-api(7)). One request at a time. What fails is said
// on standard error: what, where, what to do next.
#ifndef CLI_CLIENT_H
#define CLI_CLIENT_H

#include "base/json.h"
#include "base/text.h"
#include "cli/cli.h"

struct client;

// Finds the desk and a key (cli/where.h). On failure it has been said, and *out is null.
enum cli_exit client_open(const struct cli_call *c, struct client **out);
void client_close(struct client **c); // null is allowed; usable with OWN

struct reply {
    result failed;     // no answer came
    int status;        // of the answer
    struct text body;  // of the answer
    struct text error; // the network's sentence when failed
};
void reply_drop(struct reply *r); // usable with OWN

// Sends and waits. Silent. `path` begins with '/'. A body is JSON; NO_BYTES with GET.
void client_send(struct client *c, const char *method, const char *path, bytes body,
                 struct reply *out);
// CLI_DONE if it is a 2xx; else says what happened.
enum cli_exit client_judge(const struct client *c, const struct reply *r);

// Sends, judges, parses; the caller closes *doc. On failure it has been said, and *doc is null.
enum cli_exit client_ask(struct client *c, const char *method, const char *path, bytes body,
                         struct json_doc **doc);

// The same for a POST with an Idempotency-Key (hookkeep-api(7)).
enum cli_exit client_ask_once(struct client *c, const char *path, bytes body, const char *key,
                              struct json_doc **doc);
// The last question got no answer, so that nobody knows whether it was carried out.
bool client_in_doubt(const struct client *c);

// From its first answer on, a gateway that goes away (no answer, or 503) is waited for, at most so
// long at a time; what may be asked again (GET, a POST with a key) is then. Said when it goes and
// when it is back.
void client_be_patient(struct client *c, int64_t wait_ms);
// For a command of many questions: what its Idempotency-Keys begin with, another for each run.
#define CLIENT_RUN_SIZE 33
void client_name_run(char run[CLIENT_RUN_SIZE]);
// SIGINT and SIGTERM do not end the process any more: the first one ends waiting and sleeping, the
// second also the question under way. Said if they cannot be caught.
void client_catch_interrupts(struct client *c);
bool client_interrupted(const struct client *c);

// A list, page by page: `row` is called for each, up to `limit` rows; it says whether to go on.
// `path` carries the filters; `cursor` ("seq", "position") names the row's number, null: the list
// has one page. *more: rows were left out by the limit; *last: the number of the last row.
struct listing {
    const char *path, *cursor;
    bool oldest_first;
    uint64_t limit;
    enum cli_exit (*row)(void *ctx, json row);
    void *ctx;
    bool more;
    uint64_t last;
};
enum cli_exit client_list(struct client *c, struct listing *l);

// GETs an answer that goes on: `piece` gets each part of its body and says whether to go on.
// Returns when the stream ends; how is in *r (judge it; an answer 2xx has ended in order).
void client_stream(struct client *c, const char *path, bool (*piece)(void *ctx, bytes b), void *ctx,
                   struct reply *r);
void client_sleep(struct client *c, int64_t ms);

const char *client_address(const struct client *c);
bool client_asked_for(const struct client *c); // its address was named by --api or HOOKKEEP_API
bool client_has_key(const struct client *c);

#endif
