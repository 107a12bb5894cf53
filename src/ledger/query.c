// SPDX-License-Identifier: MIT
#include <stdatomic.h>
#include <stdlib.h>

#include "base/list.h"
#include "base/memory.h"
#include "ledger/ledger.h"
#include "ledger/sqlite.h"
#include "port/thread.h"

struct queries {
    struct mailbox *mailbox;
    struct reader *reader;
    struct mail stop;
    atomic_bool stopping, stop_posted;
};

result queries_open(const char *path, struct queries **out, struct text *why) {
    struct queries *q = NEW(struct queries);
    result failed = reader_open(path, &q->reader, why);
    if (failed != OK) {
        free(q);
        return failed;
    }
    q->mailbox = mailbox_open(NULL, NULL);
    *out = q;
    return OK;
}

void queries_post(struct queries *q, struct query *one) { mailbox_post(q->mailbox, &one->mail); }

static void answer(struct queries *q, struct mail *m) {
    if (m == &q->stop)
        return;
    struct query *one = CONTAINER(m, struct query, mail);
    one->run(one, q->reader);
    mailbox_post(one->reply, &one->mail);
}

// What was posted before the stop is answered.
static void drain(struct queries *q) {
    for (struct mail *m = mailbox_drain(q->mailbox); m != NULL;) {
        struct mail *next = m->next;
        answer(q, m);
        m = next;
    }
}

void queries_run(void *queries) {
    struct queries *q = queries;
    thread_background();
    while (!atomic_load(&q->stopping)) {
        mailbox_wait(q->mailbox, -1);
        drain(q);
    }
    drain(q);
}

void queries_stop(struct queries *q) {
    if (atomic_exchange(&q->stop_posted, true))
        return;
    atomic_store(&q->stopping, true);
    reader_interrupt(q->reader);
    mailbox_post(q->mailbox, &q->stop);
}

void queries_close(struct queries *q) {
    if (q == NULL)
        return;
    drain(q);
    mailbox_close(q->mailbox);
    reader_close(q->reader);
    free(q);
}
