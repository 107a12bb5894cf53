// SPDX-License-Identifier: MIT
// Deliveries: dispatch, on a loop and a thread of its own.
#include <stdlib.h>

#include "base/metrics.h"
#include "gateway_endpoints.h"
#include "gateway_internal.h"
#include "port/thread.h"

static void wake_at(void *ctx, int64_t mono_us) {
    struct gateway *g = ctx;
    int64_t ms = (mono_us - clock_mono_us(&clock_real) + 999) / 1000;
    timer_set(g->dispatch_timer, ms < 0 ? 0 : ms);
}

static void stop_if_idle(struct gateway *g) {
    if (g->dispatch_ending && dispatch_idle(g->dispatch))
        loop_stop(g->dispatch_loop);
}

static void on_timer(void *ctx) {
    struct gateway *g = ctx;
    dispatch_tick(g->dispatch);
    stop_if_idle(g);
}

// Sites that take too long to answer do not keep us: their deliveries are due at the next start.
static void on_deadline(void *ctx) {
    struct gateway *g = ctx;
    loop_stop(g->dispatch_loop);
}

static void on_mail(void *ctx, struct mail *m) {
    struct gateway *g = ctx;
    if (m == &g->dispatch_stop) {
        g->dispatch_ending = true;
        dispatch_drain(g->dispatch);
        timer_set(g->dispatch_deadline, g->config->limits.drain_ms);
    } else
        dispatch_mail(g->dispatch, m);
    stop_if_idle(g);
}

result gateway_open_dispatch_loop(struct gateway *g) {
    TRY(loop_open(&g->dispatch_loop));
    g->dispatch_mailbox = loop_mailbox(g->dispatch_loop, on_mail, g);
    g->dispatch_timer = timer_open(g->dispatch_loop, on_timer, g);
    g->dispatch_deadline = timer_open(g->dispatch_loop, on_deadline, g);
    return OK;
}

static void run_loop(void *loop) { loop_run(loop); }

result gateway_start_dispatch(struct gateway *g) {
    char *ca_file = g->config->ca_file.n == 0 ? NULL : bytes_strdup(g->config->ca_file);
    struct fetch_options f = {.connections_kept = GATEWAY_CONNECTIONS_KEPT, .ca_file = ca_file};
    g->dispatch_ca_file = ca_file;
    TRY(fetcher_open(g->dispatch_loop, &f, &g->fetcher));
    TRY(processes_open(g->dispatch_loop, &g->processes));
    g->dispatch = dispatch_open(&(struct dispatch_options){
        .clock = &clock_real,
        .fetcher = g->fetcher,
        .processes = g->processes,
        .journal = g->journal,
        .ledger = g->ledger,
        .mailbox = g->dispatch_mailbox,
        .ca_file = ca_file,
        .wake_at = wake_at,
        .wake_ctx = g,
    });
    mailbox_post(g->dispatch_mailbox, &gateway_targets(g->config, g->plan->generation)->mail);
    return thread_start("dispatch", run_loop, g->dispatch_loop, &g->dispatch_thread);
}

void gateway_endpoints(void *ctx, const struct endpoint_row *rows, size_t n) {
    struct gateway *g = ctx;
    size_t sealed, before = g->endpoints_sealed;
    mailbox_post(g->dispatch_mailbox, &endpoint_targets(g->sealing_key, rows, n, &sealed)->mail);
    g->endpoints_sealed = sealed;
    metric_set(METRIC_ENDPOINTS_SEALED, (int64_t)sealed);
    if (sealed > 0 && sealed != before)
        log_event(LOG_ENDPOINTS_SEALED, log_i("endpoints", (int64_t)sealed),
                  log_i("of", (int64_t)n));
}

void gateway_stop_dispatch(struct gateway *g) {
    if (g->dispatch_thread == NULL)
        return;
    mailbox_post(g->dispatch_mailbox, &g->dispatch_stop);
    thread_join(g->dispatch_thread);
    dispatch_halt(g->dispatch);
}

void gateway_drain_dispatch(struct gateway *g) {
    struct mail *m = g->dispatch_mailbox == NULL ? NULL : mailbox_drain(g->dispatch_mailbox);
    while (m != NULL) {
        struct mail *next = m->next;
        if (g->dispatch != NULL)
            on_mail(g, m);
        else if (m->kind == DISPATCH_LOOK)
            dispatch_looked(NULL, CONTAINER(m, struct dispatch_look, mail));
        else
            retarget_free(CONTAINER(m, struct retarget, mail)); // nobody else writes before
        m = next;
    }
}

void gateway_close_dispatch(struct gateway *g) {
    dispatch_close(g->dispatch);
    fetcher_close(g->fetcher);
    processes_close(g->processes);
    loop_close(g->dispatch_loop);
    free(g->dispatch_ca_file);
}
