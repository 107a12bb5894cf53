// SPDX-License-Identifier: MIT
// Sending HTTP requests. The real fetcher (libcurl's multi interface) lives on a loop; the
// simulation has its own. http and https only; redirects are never followed; certificates are
// verified against the system's roots. The environment's proxies (http_proxy, HTTPS_PROXY,
// NO_PROXY) are used as libcurl documents them, but never for localhost, 127.0.0.1 and [::1].
#ifndef PORT_FETCH_H
#define PORT_FETCH_H

#include <stdint.h>

#include "base/bytes.h"
#include "port/loop.h"

// One request; the caller keeps everything in it alive until `done`.
struct fetch_request {
    const char *method; // "POST"
    const char *url;
    const char *unix_path;      // not null: connect to this socket instead of the url's host
    const char *const *headers; // "Name: value", no line ends
    size_t header_count;
    bytes body;
    int64_t timeout_ms; // for the whole exchange; 0: no limit
    size_t answer_max;  // most bytes of the answer's body read; then the transfer is ended and
                        // counts as answered
    size_t answer_keep; // of these, how many are handed to `done`
    // Not null: called for each piece of a 2xx answer's body as it comes, instead of keeping it.
    void (*piece)(void *ctx, bytes b);
    // Not null: the URL is somebody else's, and nothing goes to an address that this refuses, by
    // saying why (words that outlive the request; null: it may be connected to). The address has 4
    // or 16 bytes, in network order. It is asked for what is about to be connected to, of each
    // address of the name, in the very form that goes to the system; so a name that means something
    // else a moment later gains nothing. A kept connection is asked for again. No proxy is used,
    // whatever the environment says: the proxy would resolve the name itself. Not with a unix_path.
    // One that refuses them all, and keeps what it thinks of each, is how to ask what a URL leads
    // to without connecting anywhere.
    const char *(*judge)(void *ctx, bytes address);
};

struct fetch_answer {
    // OK: an answer came, whatever its status. TIMEOUT; CLOSED: no address, nobody there, or it
    // broke; REFUSED: TLS; INVALID: the request's judge refused all that there is to connect to,
    // and nothing was sent; SYSTEM otherwise.
    result failed;
    const char *error; // the library's sentence when failed, else ""
    int status;        // 0 when failed
    bytes body;        // the first answer_keep bytes
    bytes retry_after; // that header's value, or empty
    int64_t micros;    // how long it took
};

struct fetch; // one request under way

struct fetcher {
    // `done(ctx, answer)` is called once, from the loop, never from inside start. The answer is
    // gone afterwards. All of these, and fetcher_close, may be called from inside `done` and
    // `piece`. The headers are sent as they are; libcurl adds Host and Content-Length alone.
    struct fetch *(*start)(struct fetcher *f, const struct fetch_request *r,
                           void (*done)(void *ctx, const struct fetch_answer *a), void *ctx);
    void (*cancel)(struct fetcher *f, struct fetch *one); // `done` will not be called
};

struct fetch_options {
    size_t connections_kept; // idle connections kept for re-use
    const char *ca_file;     // instead of the system's roots; null: the system's
    bool any_name;           // with ca_file: whatever name a certificate under it is for
    const char *user_agent;  // null: none but what the request's headers say
};

must result fetcher_open(struct loop *l, const struct fetch_options *o, struct fetcher **out);
void fetcher_close(struct fetcher *f); // cancels what is under way; null is allowed

#endif
