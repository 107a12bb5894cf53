// SPDX-License-Identifier: MIT
// Inside of dispatch: what handlers write for people. Each line goes to our log, at most so many a
// second, and the last bytes are kept for the attempt that fails.
#ifndef DISPATCH_OUTPUT_H
#define DISPATCH_OUTPUT_H

#include "port/clock.h"
#include "rules/frame.h"

#define OUTPUT_LINE_MAX 1000 // bytes of a line that are logged

// How much all handlers of a destination may say.
struct voice {
    struct clock *clock;
    bytes destination;
    uint32_t rate;  // lines a second
    int64_t second; // monotonic µs at which the current second began
    uint32_t said;  // lines in it
};

// One stream of one process. Zero-initialised but for its voice and stream.
struct output {
    struct voice *voice;
    const char *stream; // "stdout", "stderr"
    int64_t pid;
    struct frame_lines lines;
    struct text tail;
};

// May a line of the process `pid` be logged? Counts it; one that is lost is counted as such, and
// the first of a second is told.
bool voice_may_say(struct voice *v, int64_t pid);

void output_add(struct output *o, bytes piece);
// The stream has ended: its last line may lack an end.
void output_end(struct output *o);
// The last bytes, at most OUTCOME_ANSWER_MAX.
bytes output_tail(const struct output *o);
void output_drop(struct output *o);

#endif
