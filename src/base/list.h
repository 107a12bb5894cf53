// SPDX-License-Identifier: MIT
// An intrusive, circular, doubly linked list. An object is in as many lists as it has links.
#ifndef BASE_LIST_H
#define BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list {
    struct list *next, *prev;
};

// The object around its member.
#define CONTAINER(ptr_, type_, member_) ((type_ *)(void *)((char *)(ptr_)-offsetof(type_, member_)))
#define LIST_EACH(it_, head_)                                                                      \
    for (struct list *it_ = (head_)->next; it_ != (head_); it_ = it_->next)
// Allows the current link to be removed and freed.
#define LIST_EACH_SAFE(it_, head_)                                                                 \
    for (struct list *it_ = (head_)->next, *it_##_next = it_->next; it_ != (head_);                \
         it_ = it_##_next, it_##_next = it_->next)

static inline void list_init(struct list *l) { l->next = l->prev = l; }
static inline bool list_empty(const struct list *l) { return l->next == l; }
static inline void list_push(struct list *head, struct list *l) { // at the end
    l->prev = head->prev;
    l->next = head;
    head->prev->next = l;
    head->prev = l;
}
// Out of its list; harmless on a link that is in none (after list_init).
static inline void list_remove(struct list *l) {
    l->prev->next = l->next;
    l->next->prev = l->prev;
    list_init(l);
}
// The first, taken out; null when empty.
static inline struct list *list_take(struct list *head) {
    struct list *l = head->next;
    if (l == head)
        return NULL;
    list_remove(l);
    return l;
}

#endif
