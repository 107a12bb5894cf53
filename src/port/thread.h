// SPDX-License-Identifier: MIT
// Starting and joining threads. Signals are blocked in them; the main thread gets those.
#ifndef PORT_THREAD_H
#define PORT_THREAD_H

#include <stdint.h>

#include "base/result.h"

struct thread;

// `name` shows in the system's lists; at most 15 characters.
must result thread_start(const char *name, void (*run)(void *ctx), void *ctx, struct thread **out);
// Called by a thread for itself: when cores are short, those that somebody waits for go first (it
// is niced). It still gets a share, so that what it does cannot be starved.
void thread_background(void);
// Called by a thread for itself: it works in short bursts that somebody waits for, so when it wakes
// it goes before one that is in the middle of long work. It gets no more of the processor for it.
void thread_prompt(void);
void thread_rest(int64_t us);       // does nothing for so long, at least
void thread_join(struct thread *t); // frees it; null is allowed

#endif
