// SPDX-License-Identifier: MIT
// The head of a request while it arrives: one block from the budget that holds the request and the
// bytes its fields point to. It grows with what comes, up to `max` bytes.
#ifndef HTTP_HEAD_H
#define HTTP_HEAD_H

#include "http/session.h"

struct head {
    struct http_request request;
    size_t cap, n;
    bool in_name;
    uint8_t bytes[];
};

enum head_end { HEAD_FITS, HEAD_TOO_MANY, HEAD_NO_MEMORY };

// Null if the budget has no room.
struct head *head_open(struct http_budget *b, size_t max);
void head_close(struct head *h, struct http_budget *b); // null is allowed

// Pieces in the order in which they stand in the request; *h may move.
enum head_end head_add_target(struct head **h, struct http_budget *b, size_t max, bytes piece);
enum head_end head_add_name(struct head **h, struct http_budget *b, size_t max, bytes piece);
void head_end_name(struct head *h);
enum head_end head_add_value(struct head **h, struct http_budget *b, size_t max, bytes piece);
// All is there: trims values, finds path and query. False if the target is none of HTTP's forms.
bool head_finish(struct head *h);

#endif
