// SPDX-License-Identifier: MIT
#include "queue/resp.h"

#define DEPTH_MAX 4
#define ELEMENTS_MAX 1024

static void write_count(struct text *out, char mark, size_t n) {
    text_addc(out, mark);
    text_add_u64(out, n);
    text_adds(out, "\r\n");
}

void resp_write(struct text *out, const bytes *words, size_t n) {
    write_count(out, '*', n);
    for (size_t i = 0; i < n; i++) {
        write_count(out, '$', words[i].n);
        text_add(out, words[i]);
        text_adds(out, "\r\n");
    }
}

// The line at `from` without its end; *next is behind it, 0 while it has no end yet.
static result read_line(bytes b, size_t from, bytes *line, size_t *next) {
    bytes rest = bytes_slice(b, from, b.n);
    size_t end = bytes_find(rest, '\n');
    *next = 0;
    NEED(end <= RESP_LINE_MAX, INVALID, "a line is too long");
    if (end == rest.n)
        return OK;
    NEED(end > 0 && rest.p[end - 1] == '\r', INVALID, "a line does not end with CR LF");
    *line = bytes_slice(rest, 0, end - 1);
    *next = from + end + 1;
    return OK;
}

static result read_bulk(bytes b, struct resp *out, size_t *at) {
    if (out->integer < 0) {
        out->type = RESP_NULL;
        return OK;
    }
    NEED((uint64_t)out->integer <= RESP_BULK_MAX, INVALID, "a text is too long");
    size_t n = (size_t)out->integer;
    if (b.n - *at < n + 2) {
        *at = 0;
        return OK;
    }
    NEED(b.p[*at + n] == '\r' && b.p[*at + n + 1] == '\n', INVALID,
         "a text does not end where it should");
    out->text = bytes_slice(b, *at, *at + n);
    *at += n + 2;
    return OK;
}

static result read_one(bytes b, struct resp *out, size_t *at, int depth);

static result read_array(bytes b, struct resp *out, size_t *at, int depth) {
    if (out->integer < 0) {
        out->type = RESP_NULL;
        return OK;
    }
    NEED(out->integer <= ELEMENTS_MAX && depth < DEPTH_MAX, INVALID, "a list is too long or deep");
    out->count = (size_t)out->integer;
    for (size_t i = 0; i<out->count && * at> 0; i++) {
        struct resp element;
        TRY(read_one(b, &element, at, depth + 1));
        if (i == 0)
            out->text = element.text;
    }
    return OK;
}

// *at becomes the end of it, or 0 while more is needed.
static result read_one(bytes b, struct resp *out, size_t *at, int depth) {
    bytes line = NO_BYTES;
    size_t next;
    *out = (struct resp){0};
    TRY(read_line(b, *at, &line, &next));
    *at = next;
    if (next == 0)
        return OK;
    NEED(line.n > 0, INVALID, "an empty line where a reply begins");
    out->text = bytes_slice(line, 1, line.n);
    switch (line.p[0]) {
    case '+': out->type = RESP_STATUS; return OK;
    case '-': out->type = RESP_ERROR; return OK;
    case ':': out->type = RESP_INTEGER; break;
    case '$': out->type = RESP_BULK; break;
    case '*': out->type = RESP_ARRAY; break;
    default: FAIL(INVALID, "a reply of a kind that we do not know");
    }
    NEED(bytes_to_i64(out->text, &out->integer) == OK, INVALID, "a number is none");
    out->text = NO_BYTES;
    if (out->type == RESP_BULK)
        return read_bulk(b, out, at);
    return out->type == RESP_ARRAY ? read_array(b, out, at, depth) : OK;
}

result resp_read(bytes b, struct resp *out, size_t *used) {
    *used = 0;
    return read_one(b, out, used, 0);
}
