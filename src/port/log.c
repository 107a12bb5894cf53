// SPDX-License-Identifier: MIT
#include "port/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/metrics.h"
#include "base/text.h"
#include "port/clock.h"

// Of a value's bytes, this many are shown: what comes from outside must not flood the log.
#define VALUE_MAX 1024

struct kind {
    enum log_level level;
    const char *name, *message;
};

static const struct kind kinds[] = {
#define LOG_EVENT(id, level, name, message) [LOG_##id] = {level, name, message},
#include "port/log_events.def"
#undef LOG_EVENT
};

static const char *const level_names[] = {
    [LOG_DEBUG] = "debug",
    [LOG_INFO] = "info",
    [LOG_WARNING] = "warning",
    [LOG_ERROR] = "error",
};

static _Atomic int chosen_format = LOG_TEXT;
static _Atomic int chosen_least = LOG_INFO;

static char *file_path; // of the main thread
// The file's descriptor, one number for its life: a reopened file is put in its place by dup3, so
// that no thread ever writes to a closed one.
static _Atomic int log_fd = STDERR_FILENO;
static atomic_bool failing; // the last line did not fit; said once
static atomic_bool torn;    // … and stands half in the file: the next begins a new line

void log_setup(enum log_format format, enum log_level least) {
    atomic_store(&chosen_format, (int)format);
    atomic_store(&chosen_least, (int)least);
}

// The first VALUE_MAX bytes, less a character that would be cut in two.
static bytes limited(bytes b) {
    if (b.n <= VALUE_MAX)
        return b;
    size_t n = VALUE_MAX;
    for (size_t back = 1; back < 4; back++) {
        if ((b.p[VALUE_MAX - back] & 0xc0) != 0x80) {
            size_t whole = bytes_utf8_at(b, VALUE_MAX - back);
            n = whole > back ? VALUE_MAX - back : n;
            break;
        }
    }
    return bytes_slice(b, 0, n);
}

static bool is_bare(bytes b) {
    for (size_t i = 0; i < b.n; i++) {
        uint8_t c = b.p[i];
        if (c <= ' ' || c >= 0x7f || c == '"' || c == '\\' || c == '=')
            return false;
    }
    return b.n > 0;
}

static void add_text_value(struct text *t, bytes whole) {
    bytes b = limited(whole);
    if (b.n == whole.n && is_bare(b)) {
        text_add(t, b);
        return;
    }
    text_addc(t, '"');
    size_t from = 0;
    for (size_t i = 0; i <= b.n; i++) {
        if (i < b.n && b.p[i] != '"' && b.p[i] != '\\')
            continue;
        text_add_printable(t, bytes_slice(b, from, i), 4 * VALUE_MAX);
        if (i < b.n) {
            text_addc(t, '\\');
            text_addc(t, (char)b.p[i]);
        }
        from = i + 1;
    }
    text_adds(t, b.n < whole.n ? "\xe2\x80\xa6\"" : "\"");
}

static void add_json_value(struct text *t, bytes whole) {
    bytes b = limited(whole);
    text_add_json(t, b);
    if (b.n == whole.n)
        return;
    t->n--; // the closing quote
    text_adds(t, "\xe2\x80\xa6\"");
}

static void add_key(struct text *t, bool json, const char *key, const char *suffix) {
    if (json)
        text_addf(t, ",\"%s%s\":", key, suffix);
    else
        text_addf(t, " %s%s=", key, suffix);
}

static void add_value(struct text *t, bool json, bytes b) {
    if (json)
        add_json_value(t, b);
    else
        add_text_value(t, b);
}

static void add_place(struct text *t, bool json, const char *key, result r) {
    add_key(t, json, key, "");
    add_value(t, json, bytes_of(r != OK ? fail_name(r->code) : "none"));
    if (r == OK)
        return;
    add_key(t, json, key, "_text");
    add_value(t, json, bytes_of(r->text));
    OWN(text_drop)
    struct text at = {0};
    text_addf(&at, "%s:%d", r->file, r->line);
    add_key(t, json, key, "_at");
    add_value(t, json, text_bytes(&at));
}

static void add_field(struct text *t, bool json, const struct log_field *f) {
    if (f->type == LOG_FIELD_PLACE) {
        add_place(t, json, f->key, f->place);
        return;
    }
    add_key(t, json, f->key, "");
    if (f->type == LOG_FIELD_INT)
        text_add_i64(t, f->number);
    else
        add_value(t, json, f->value);
}

static void add_head(struct text *t, bool json, const struct kind *k) {
    if (json)
        text_adds(t, "{\"time\":\"");
    text_add_time(t, clock_wall_ms(&clock_real));
    if (json)
        text_addf(t, "\",\"level\":\"%s\",\"event\":\"%s\",\"message\":", level_names[k->level],
                  k->name);
    else
        text_addf(t, " %s %s ", level_names[k->level], k->name);
    if (json)
        text_add_json(t, bytes_of(k->message));
    else
        text_adds(t, k->message);
}

// How much was written.
static size_t write_all(int fd, bytes b) {
    size_t done = 0;
    while (done < b.n) {
        ssize_t n = write(fd, b.p + done, b.n - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        done += (size_t)n;
    }
    return done;
}

static void say_unwritable(void) {
    metric_add(METRIC_LOG_FAILED, 1);
    if (!atomic_exchange(&failing, true))
        log_event(LOG_UNWRITABLE, log_i("errno", errno));
}

static void write_line(bytes line) {
    int fd = atomic_load(&log_fd);
    if (fd == STDERR_FILENO) {
        (void)write_all(fd, line);
        return;
    }
    if (atomic_exchange(&torn, false) && write_all(fd, B("\n")) == 0)
        atomic_store(&torn, true);
    size_t written = write_all(fd, line);
    if (written == line.n) {
        atomic_store(&failing, false);
        return;
    }
    if (written > 0)
        atomic_store(&torn, true);
    say_unwritable();
    (void)write_all(STDERR_FILENO, line);
}

void log_fields(enum log_event event, const struct log_field *fields, size_t n) {
    const struct kind *k = &kinds[event];
    if ((int)k->level < atomic_load(&chosen_least))
        return;
    bool json = atomic_load(&chosen_format) == LOG_JSON;
    OWN(text_drop)
    struct text line = {0};
    add_head(&line, json, k);
    for (size_t i = 1; i < n; i++)
        add_field(&line, json, &fields[i]);
    text_adds(&line, json ? "}\n" : "\n");
    // The caller decides by errno what to do after it has logged.
    int saved = errno;
    write_line(text_bytes(&line));
    errno = saved;
}

// A pipe without a reader, or a terminal, must not hold us up.
static int open_file(void) {
    return open(file_path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0640);
}

void log_open(const char *path) {
    int old = atomic_exchange(&log_fd, STDERR_FILENO);
    if (old != STDERR_FILENO)
        close(old);
    free(file_path);
    file_path = path != NULL ? bytes_strdup(bytes_of(path)) : NULL;
    atomic_store(&failing, false);
    atomic_store(&torn, false);
    if (file_path == NULL)
        return;
    int fd = open_file();
    if (fd >= 0)
        atomic_store(&log_fd, fd);
    else
        say_unwritable();
}

void log_reopen(void) {
    if (file_path == NULL)
        return;
    int fd = open_file(), used = atomic_load(&log_fd);
    if (fd < 0) {
        say_unwritable();
        return;
    }
    if (used == STDERR_FILENO) {
        atomic_store(&log_fd, fd);
    } else {
        (void)dup3(fd, used, O_CLOEXEC);
        close(fd);
    }
    atomic_store(&failing, false);
    log_event(LOG_REOPENED, log_s("path", file_path));
}
