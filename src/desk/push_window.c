// SPDX-License-Identifier: MIT
#include "desk/push_window.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/ensure.h"
#include "base/memory.h"

#define DIGEST_HEX 16

void push_window_open(struct push_window *w, size_t max, uint64_t from) {
    ensure(max > 0);
    *w = (struct push_window){.read = from, .max = max, .events = NEW_ARRAY(struct pushed, max)};
}

void push_window_drop(struct push_window *w) {
    free(w->events);
    w->events = NULL;
    w->n = 0;
}

static bool over(const struct pushed *p) { return (p->flavours & ~p->acked) == 0; }

// What was read before this connection and not offered on it yet.
static bool behind(const struct push_window *w) {
    return w->n > 0 && w->read < w->events[w->n - 1].event;
}

bool push_window_room(const struct push_window *w) { return behind(w) || !w->full; }

static struct pushed *find(struct push_window *w, uint64_t event) {
    for (size_t i = 0; i < w->n; i++)
        if (w->events[i].event == event)
            return &w->events[i];
    return NULL;
}

// Those at the front that are acknowledged go.
static void settle(struct push_window *w) {
    size_t gone = 0;
    while (gone < w->n && over(&w->events[gone]))
        gone++;
    w->n -= gone;
    memmove(w->events, w->events + gone, w->n * sizeof *w->events);
    if (w->n <= w->max / 2)
        w->full = false;
}

bool push_window_offer(struct push_window *w, uint64_t event, uint8_t flavours, int64_t now_us,
                       uint8_t *send) {
    *send = 0;
    if (event <= w->read || flavours == 0)
        return true;
    struct pushed *p = find(w, event);
    // Where it lies among known ones, it was all acknowledged, or not offered for its flavours.
    if (p == NULL && behind(w))
        return true;
    if (p == NULL) {
        if (w->n == w->max || w->full) {
            w->full = true;
            return false;
        }
        p = &w->events[w->n++];
        *p = (struct pushed){.event = event, .flavours = flavours, .first_us = now_us};
    }
    *send = (uint8_t)(p->flavours & ~p->acked);
    p->at_us = now_us;
    if (*send != 0 && p->tries < PUSH_TRIES)
        p->tries++;
    w->read = event;
    return true;
}

void push_window_reach(struct push_window *w, uint64_t upto) {
    if (upto > w->read)
        w->read = upto;
}

bool push_window_ack(struct push_window *w, uint64_t event, enum push_flavour flavour) {
    struct pushed *p = find(w, event);
    uint8_t bit = (uint8_t)(1u << flavour);
    if (p == NULL || (p->flavours & bit) == 0 || (p->acked & bit) != 0)
        return false;
    p->acked |= bit;
    settle(w);
    return true;
}

void push_window_again(struct push_window *w) {
    if (w->n > 0 && w->events[0].event <= w->read)
        w->read = w->events[0].event - 1;
}

size_t push_window_give_up(struct push_window *w, int64_t now_us, bool connected) {
    size_t n = 0;
    for (size_t i = 0; i < w->n; i++) {
        struct pushed *p = &w->events[i];
        bool here = connected && p->event <= w->read && now_us - p->at_us >= PUSH_UNHEARD_US;
        bool often = p->tries >= PUSH_TRIES && now_us - p->first_us >= 2 * PUSH_UNHEARD_US;
        if (over(p) || !(here || often))
            continue;
        p->acked = p->flavours;
        n++;
    }
    settle(w);
    return n;
}

static void digest_of(const struct hmac_key *key, const struct push_name *name,
                      char out[DIGEST_HEX + 1]) {
    char text[PUSH_NAME_MAX];
    uint8_t mac[SHA256_SIZE];
    struct hmac h;
    int n = snprintf(text, sizeof text, "%lld.%llu.%d", (long long)name->at_ms,
                     (unsigned long long)name->event, (int)name->flavour);
    hmac_start(&h, key);
    hmac_add(&h, bytes_from(text, (size_t)n));
    hmac_finish(&h, mac);
    bytes_to_hex(mac, DIGEST_HEX / 2, out);
    out[DIGEST_HEX] = '\0';
}

void push_name_write(const struct hmac_key *key, const struct push_name *name, const char *kind,
                     char out[PUSH_NAME_MAX]) {
    char digest[DIGEST_HEX + 1];
    digest_of(key, name, digest);
    (void)snprintf(out, PUSH_NAME_MAX, "%lld-%s_%llu_%d_%s", (long long)name->at_ms, kind,
                   (unsigned long long)name->event, (int)name->flavour, digest);
}

bool push_name_read(const struct hmac_key *key, bytes text, struct push_name *out) {
    uint64_t flavour = 0;
    char digest[DIGEST_HEX + 1];
    bytes rest = text, at = bytes_cut(&rest, '-');
    (void)bytes_cut(&rest, '_');
    bytes event = bytes_cut(&rest, '_'), which = bytes_cut(&rest, '_');
    if (bytes_to_i64(at, &out->at_ms) != OK || bytes_to_u64(event, &out->event) != OK ||
        bytes_to_u64(which, &flavour) != OK || flavour >= PUSH_FLAVOURS)
        return false;
    out->flavour = (enum push_flavour)flavour;
    digest_of(key, out, digest);
    return bytes_equal_secret(rest, bytes_of(digest));
}
