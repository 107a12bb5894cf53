// SPDX-License-Identifier: MIT
// What operators read, on standard error or in a file: one line an event, text or JSON, each of a
// kind declared in port/log_events.def. Values are escaped, so that nothing from outside can forge
// a line. Any thread.
#ifndef PORT_LOG_H
#define PORT_LOG_H

#include <stdint.h>

#include "base/bytes.h"

// SILENT, for log_setup alone: nothing is told; for simulations, whose trouble is planned.
enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARNING, LOG_ERROR, LOG_SILENT };
enum log_format { LOG_TEXT, LOG_JSON };

enum log_event {
#define LOG_EVENT(id, level, name, message) LOG_##id,
#include "port/log_events.def"
#undef LOG_EVENT
    LOG_EVENTS
};

struct log_field {
    const char *key;
    enum { LOG_FIELD_BYTES, LOG_FIELD_INT, LOG_FIELD_PLACE } type;
    bytes value;
    int64_t number;
    result place;
};

#define log_b(key_, bytes_)                                                                        \
    ((struct log_field){.key = key_, .type = LOG_FIELD_BYTES, .value = bytes_})
#define log_s(key_, str_) log_b(key_, bytes_of(str_))
#define log_i(key_, n_)                                                                            \
    ((struct log_field){.key = key_, .type = LOG_FIELD_INT, .number = (int64_t)(n_)})
// Code, file, line and text of a failure.
#define log_r(result_)                                                                             \
    ((struct log_field){.key = "failure", .type = LOG_FIELD_PLACE, .place = result_})

// log_event(LOG_JOURNAL_FAILED, log_r(failed), log_s("path", path));
#define log_event(event_, ...)                                                                     \
    log_fields(event_, (const struct log_field[]){{0}, ##__VA_ARGS__},                             \
               sizeof((const struct log_field[]){{0}, ##__VA_ARGS__}) / sizeof(struct log_field))

// The first field of the array is a placeholder.
void log_fields(enum log_event event, const struct log_field *fields, size_t n);
void log_setup(enum log_format format, enum log_level least);

// From now on lines go to this file, which is made if it is not there (0640). A line that it cannot
// take (full disk, no permission) goes to standard error and is counted: the log stops nobody. Main
// thread; `path` is copied. Null: standard error again.
void log_open(const char *path);
// Opens the path again, as logrotate has moved the file: each line is whole in the old or the new
// one. If that fails, the old one stays. Main thread; nothing without a file.
void log_reopen(void);

#endif
