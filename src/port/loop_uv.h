// SPDX-License-Identifier: MIT
// The inside of a loop, for the doors of this room that speak libuv. No other room includes it.
#ifndef PORT_LOOP_UV_H
#define PORT_LOOP_UV_H

#include <uv.h>

#include "base/list.h"
#include "port/loop.h"

#define LOOP_BUFFER_SIZE ((size_t)64 << 10)

uv_loop_t *loop_uv(struct loop *l);
// LOOP_BUFFER_SIZE bytes that all reads of the loop share; they hold until the callback returns.
uint8_t *loop_buffer(struct loop *l);

// Something to be done in the next turn, outside any other callback. Zero-initialised is not
// waiting.
struct later {
    struct list link;
    void (*run)(struct later *later);
};
void loop_later(struct loop *l, struct later *later); // once, however often it is called meanwhile
void later_forget(struct later *later);               // it will not run; harmless if it was not to

// Something whose owner has let go of it and that ends by itself, in its time; loop_close ends it
// at once by `cut`, which calls guest_left or lets it follow before the next turn is over.
struct guest {
    struct list link;
    void (*cut)(struct guest *guest);
};
void guest_stays(struct loop *l, struct guest *guest);
void guest_left(struct guest *guest); // harmless if it was none

#endif
