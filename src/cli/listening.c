// SPDX-License-Identifier: MIT
#include "cli/listening.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/hmac.h"
#include "base/list.h"
#include "base/memory.h"
#include "base/url.h"
#include "cli/query.h"
#include "port/clock.h"
#include "port/fetch.h"
#include "port/loop.h"
#include "stripe/delivery.h"
#include "stripe/event.h"
#include "stripe/signature.h"

#define WAIT_S 20 // how long the desk waits for events
#define ASK_MS ((WAIT_S + 10) * 1000)
#define AGAIN_MIN_MS 500
#define AGAIN_MAX_MS 5000
#define SITE_MS 30000 // Stripe's CLI waits as long
#define UNDER_WAY_MAX 16
#define WAITING_MAX 64 // events here, under which the desk is asked for more
#define PAGE_MAX ((size_t)32 << 20)
#define ANSWER_MAX 65536
#define ANSWER_KEEP 1024
#define REPORT_MS 200
#define REPORT_AGAIN_MS 2000
#define REPORT_ROWS 100 // in one request, and
#define REPORT_BYTES ((size_t)40 << 10)
#define REPORTS_MAX 5000  // that wait; more are dropped
#define RETRYING_MAX 1000 // events that wait for their next try
#define LEAVE_MS 1000
#define HEADERS_MAX 32
#define RETRY_MAX_MS 60000

struct listening {
    const struct listening_options *o;
    struct loop *loop;
    struct fetcher *desk, *sites;
    struct text authorization, path;
    struct fetch_request ask;
    const char *ask_headers[2];
    struct timer *again, *report, *leave;
    int64_t again_ms, lost_us;
    bool connected, asking, begun, ending;
    struct hmac_key key;
    struct text secret;
    uint64_t after;
    struct list forwards, waiting; // all that are here; those that were not begun
    size_t under_way, held, retrying;
    struct list reports, reported; // that wait, and those of the request under way
    size_t report_count, dropped;
    struct text reporting; // the body under way; empty: none
    struct text report_path;
    struct fetch_request report_ask;
    const char *report_headers[2];
    char device[256];
    enum cli_exit code;
};

// An event on its way to a site.
struct forward {
    struct list link, here; // in waiting, and in forwards
    struct listening *l;
    uint64_t seq;
    const char *url;
    struct text body, id, account, strings;
    const char *headers[HEADERS_MAX];
    struct fetch_request q;
    struct timer *again;
    unsigned long tries;
    int64_t began_ms;
};

static void say_time(struct text *out) {
    OWN(text_drop)
    struct text t = {0};
    text_add_time(&t, clock_wall_ms(&clock_real));
    text_add(out, bytes_slice(text_bytes(&t), 0, 10));
    text_addc(out, ' ');
    text_add(out, bytes_slice(text_bytes(&t), 11, 19));
}

static void end(struct listening *l, enum cli_exit code) {
    l->code = code;
    loop_stop(l->loop);
}

static void put(struct listening *l, const struct text *line) {
    cli_out(text_bytes(line));
    if (fflush(stdout) != 0)
        end(l, CLI_FAILED); // nobody reads any more
}

// --- what sites answered, to the desk

struct report {
    struct list link;
    struct text row; // JSON
};

static void reports_drop(struct listening *l, struct list *all) {
    for (struct list *it; (it = list_take(all)) != NULL; l->report_count--) {
        struct report *r = CONTAINER(it, struct report, link);
        text_drop(&r->row);
        free(r);
    }
}

// What is refused would be refused again; what was not heard is told again.
static void on_reported(void *ctx, const struct fetch_answer *a) {
    struct listening *l = ctx;
    bool heard = a->failed == OK && a->status < 500, again = false;
    text_drop(&l->reporting);
    size_t before = l->report_count;
    if (heard)
        reports_drop(l, &l->reported);
    if (heard && a->status / 100 != 2)
        l->dropped += before - l->report_count;
    for (struct list *it; (it = list_take(&l->reported)) != NULL; again = true)
        list_push(&l->reports, it);
    if (l->ending && (again || list_empty(&l->reports)))
        end(l, CLI_DONE);
    else if (!list_empty(&l->reports))
        timer_set(l->report, again ? REPORT_AGAIN_MS : 0);
}

static void post_reports(void *ctx) {
    struct listening *l = ctx;
    if (l->reporting.n > 0 || list_empty(&l->reports))
        return;
    text_adds(&l->reporting, "{\"from\":");
    text_add_json(&l->reporting, bytes_of(l->device));
    text_adds(&l->reporting, ",\"attempts\":[");
    for (size_t n = 0; n < REPORT_ROWS && l->reporting.n < REPORT_BYTES; n++) {
        struct list *it = list_take(&l->reports);
        if (it == NULL)
            break;
        text_adds(&l->reporting, n > 0 ? "," : "");
        text_add(&l->reporting, text_bytes(&CONTAINER(it, struct report, link)->row));
        list_push(&l->reported, it);
    }
    text_adds(&l->reporting, "]}");
    l->report_headers[0] = text_str(&l->authorization);
    l->report_headers[1] = "Content-Type: application/json";
    l->report_ask = (struct fetch_request){
        .method = "POST",
        .url = text_str(&l->report_path),
        .unix_path = l->ask.unix_path,
        .headers = l->report_headers,
        .header_count = 2,
        .body = text_bytes(&l->reporting),
        .timeout_ms = SITE_MS,
        .answer_max = ANSWER_MAX,
        .answer_keep = ANSWER_MAX,
    };
    (void)l->desk->start(l->desk, &l->report_ask, on_reported, l);
}

static void report(struct forward *f, const struct fetch_answer *a) {
    struct listening *l = f->l;
    if (l->report_count == REPORTS_MAX) {
        l->dropped++;
        return;
    }
    struct report *r = NEW(struct report);
    text_addf(&r->row, "{\"event\":%llu,\"url\":", (unsigned long long)f->seq);
    text_add_json(&r->row, bytes_of(f->url));
    text_addf(&r->row, ",\"status\":%d,\"started_at\":%lld,\"micros\":%lld,\"error\":", a->status,
              (long long)f->began_ms, (long long)a->micros);
    text_add_json(&r->row, bytes_of(a->failed != OK ? a->error : ""));
    text_adds(&r->row, ",\"answer\":");
    text_add_json(&r->row, a->failed == OK ? a->body : NO_BYTES);
    text_addc(&r->row, '}');
    list_push(&l->reports, &r->link);
    if (l->report_count++ == 0)
        timer_set(l->report, REPORT_MS);
}

// --- to a site

static void ask_desk(void *ctx);
static void pump(struct listening *l);

static void forward_drop(struct forward *f) {
    list_remove(&f->link);
    list_remove(&f->here);
    timer_close(f->again);
    text_drop(&f->body);
    text_drop(&f->id);
    text_drop(&f->account);
    text_drop(&f->strings);
    free(f);
}

static void say_answer(const struct forward *f, const struct fetch_answer *a) {
    OWN(text_drop)
    struct text line = {0};
    say_time(&line);
    if (a->failed == OK)
        text_addf(&line, "  <--  [%d] POST %s [%s]\n", a->status, f->url, text_str(&f->id));
    else
        text_addf(&line, "  <--  [ERROR] POST %s [%s]: %s\n", f->url, text_str(&f->id), a->error);
    if (f->l->o->as_json) // standard output is for events
        cli_say("%.*s", BYTES_ARG(bytes_slice(text_bytes(&line), 0, line.n - 1)));
    else
        put(f->l, &line);
}

static void forward_begin(struct forward *f);

static void on_again(void *ctx) {
    struct forward *f = ctx;
    f->l->retrying--;
    f->l->held++;
    forward_begin(f);
}

static void on_answer(void *ctx, const struct fetch_answer *a) {
    struct forward *f = ctx;
    struct listening *l = f->l;
    bool good = a->failed == OK && a->status / 100 == 2;
    say_answer(f, a);
    report(f, a);
    l->under_way--;
    l->held--; // one that waits for its next try takes no place from the others
    if (!good && f->tries <= l->o->retries && l->retrying < RETRYING_MAX) {
        l->retrying++;
        int64_t ms = 1000;
        for (unsigned long i = 1; i < f->tries && ms < RETRY_MAX_MS; i++)
            ms *= 2;
        ms = ms > RETRY_MAX_MS ? RETRY_MAX_MS : ms;
        if (f->again == NULL)
            f->again = timer_open(l->loop, on_again, f);
        timer_set(f->again, ms);
    } else {
        forward_drop(f);
    }
    pump(l);
}

// What Stripe sends, in its order, signed now; and what was asked for beside it.
static size_t write_headers(struct forward *f) {
    size_t n = 0, account_at;
    for (; n < DELIVERY_HEADERS; n++)
        f->headers[n] = delivery_headers[n];
    text_reset(&f->strings);
    text_adds(&f->strings, "Stripe-Signature: ");
    signature_sign(&f->l->key, clock_wall_ms(&clock_real) / 1000, text_bytes(&f->body),
                   &f->strings);
    text_addc(&f->strings, '\0');
    account_at = f->strings.n;
    text_addf(&f->strings, "Stripe-Account: %s", text_str(&f->account));
    f->headers[n++] = text_str(&f->strings);
    if (f->account.n > 0)
        f->headers[n++] = text_str(&f->strings) + account_at;
    for (size_t i = 0; i < f->l->o->header_count && n < HEADERS_MAX; i++)
        f->headers[n++] = f->l->o->headers[i];
    return n;
}

static void forward_begin(struct forward *f) {
    struct listening *l = f->l;
    f->tries++;
    l->under_way++;
    f->began_ms = clock_wall_ms(&clock_real);
    f->q = (struct fetch_request){
        .method = "POST",
        .url = f->url,
        .headers = f->headers,
        .header_count = write_headers(f),
        .body = text_bytes(&f->body),
        .timeout_ms = SITE_MS,
        .answer_max = ANSWER_MAX,
        .answer_keep = ANSWER_KEEP,
    };
    (void)l->sites->start(l->sites, &f->q, on_answer, f);
}

static void pump(struct listening *l) {
    while (!l->ending && l->under_way < UNDER_WAY_MAX && !list_empty(&l->waiting)) {
        forward_begin(CONTAINER(list_take(&l->waiting), struct forward, link));
    }
    if (l->connected && !l->asking && l->held < WAITING_MAX && !l->ending)
        ask_desk(l);
}

// --- from the desk

static void show_event(struct listening *l, const struct event *e, bytes body) {
    OWN(text_drop)
    struct text line = {0};
    if (l->o->as_json) {
        OWN(json_close)
        struct json_doc *doc = NULL;
        if (json_parse(body, &doc) == OK)
            json_write(json_root(doc), &line);
        text_addc(&line, '\n');
    } else {
        say_time(&line);
        text_addf(&line, "   --> %s%.*s [%.*s]\n", e->account.n > 0 ? "connect " : "",
                  BYTES_ARG(e->type), BYTES_ARG(e->id));
    }
    put(l, &line);
}

static void take_event(struct listening *l, json row) {
    OWN(event_drop)
    struct event e = {0};
    bytes body = json_string(json_get(row, "body"));
    int64_t seq = 0;
    if (json_i64(json_get(row, "seq"), &seq) != OK || event_parse(body, &e, NULL) != OK)
        return;
    show_event(l, &e, body);
    const char *url = e.account.n > 0 ? l->o->forward_connect_to : l->o->forward_to;
    if (url == NULL)
        return;
    struct forward *f = NEW(struct forward);
    f->l = l;
    f->seq = (uint64_t)seq;
    f->url = url;
    text_add(&f->body, body);
    text_add(&f->id, e.id);
    text_add(&f->account, e.account);
    l->held++;
    list_push(&l->waiting, &f->link);
    list_push(&l->forwards, &f->here);
}

// One question lasts until the next.
static void send_ask(struct listening *l,
                     void (*done)(void *ctx, const struct fetch_answer *answer)) {
    l->asking = true;
    l->ask.url = text_str(&l->path);
    (void)l->desk->start(l->desk, &l->ask, done, l);
}

static void make_connection(void *ctx);

// What the desk says, in its own words; else what failed.
static void add_refusal(const struct fetch_answer *a, struct text *out) {
    OWN(json_close)
    struct json_doc *doc = NULL;
    bytes said = NO_BYTES;
    if (a->failed == OK && json_parse(a->body, &doc) == OK)
        said = json_string(json_get(json_root(doc), "error"));
    if (said.n > 0)
        text_add_printable(out, said, 512);
    else if (a->failed == OK)
        text_addf(out, "it answered %d; is it the desk's address?", a->status);
    else
        text_adds(out, a->error);
    if (a->failed == OK && a->status == 401)
        text_adds(out, "; set HOOKKEEP_KEY to a key that is in force (`hookkeep keys create`)");
    if (a->failed != OK && strstr(a->error, "wrong version number") != NULL)
        text_adds(out, "; no TLS is spoken there; is it http:?");
}

// True: the answer is good. Otherwise it is tried again, or ended with.
static bool judge(struct listening *l, const struct fetch_answer *a) {
    OWN(text_drop)
    struct text why = {0};
    l->asking = false;
    if (a->failed == OK && a->status == 200)
        return true;
    add_refusal(a, &why);
    bool refused = a->failed == OK && a->status < 500;
    if (!l->begun || refused) {
        cli_say("%s: %s", text_str(&l->o->where->address), text_str(&why));
        end(l, CLI_FAILED);
        return false;
    }
    if (l->connected) {
        cli_say("the connection to %s was lost (%s); connecting again until ^C",
                text_str(&l->o->where->address), text_str(&why));
        l->lost_us = clock_mono_us(&clock_real);
        l->again_ms = AGAIN_MIN_MS;
    }
    l->connected = false;
    timer_set(l->again, l->again_ms);
    l->again_ms = l->again_ms * 2 > AGAIN_MAX_MS ? AGAIN_MAX_MS : l->again_ms * 2;
    return false;
}

static void on_page(void *ctx, const struct fetch_answer *a) {
    struct listening *l = ctx;
    OWN(json_close)
    struct json_doc *doc = NULL;
    if (!judge(l, a))
        return;
    int64_t after = 0;
    if (json_parse(a->body, &doc) != OK ||
        json_i64(json_get(json_root(doc), "after"), &after) != OK) {
        cli_say("%s answers what is no page of events; is it the desk's address, and as new as "
                "this program?",
                text_str(&l->o->where->address));
        end(l, CLI_FAILED);
        return;
    }
    json row;
    for (size_t at = 0; json_element(json_get(json_root(doc), "data"), &at, &row);)
        take_event(l, row);
    l->after = (uint64_t)after;
    pump(l);
}

static void begin_path(struct listening *l, const char *path) {
    text_reset(&l->path);
    text_add(&l->path, text_bytes(&l->o->where->base));
    text_adds(&l->path, path);
    query_add(&l->path, "livemode", l->o->livemode);
}

static void ask_desk(void *ctx) {
    struct listening *l = ctx;
    begin_path(l, "/api/listen/events");
    query_add(&l->path, "types", l->o->types);
    query_add(&l->path, "sites", l->o->sites);
    query_add_number(&l->path, "wait", WAIT_S);
    if (l->after > 0)
        query_add_number(&l->path, "after", l->after);
    else if (l->o->since_ms > 0)
        query_add_number(&l->path, "since", (uint64_t)l->o->since_ms);
    send_ask(l, on_page);
}

static void say_ready(struct listening *l) {
    if (l->begun) {
        cli_say("connected again after %lld s, and going on from event %llu",
                (long long)((clock_mono_us(&clock_real) - l->lost_us) / 1000000),
                (unsigned long long)l->after);
        return;
    }
    if (l->o->ready != NULL) {
        l->o->ready(l->o->ready_ctx, text_str(&l->secret));
        return;
    }
    (void)fprintf(stderr, "Ready! Your webhook signing secret is %s (^C to quit)\n",
                  text_str(&l->secret));
}

static void on_secret(void *ctx, const struct fetch_answer *a) {
    struct listening *l = ctx;
    OWN(json_close)
    struct json_doc *doc = NULL;
    if (!judge(l, a))
        return;
    bytes secret = NO_BYTES;
    int64_t after = 0;
    if (json_parse(a->body, &doc) == OK)
        secret = json_string(json_get(json_root(doc), "secret"));
    if (secret.n == 0 || json_i64(json_get(json_root(doc), "after"), &after) != OK) {
        cli_say("%s told no secret; is it the desk's address, and as new as this program?",
                text_str(&l->o->where->address));
        end(l, CLI_FAILED);
        return;
    }
    bool other = l->begun && !bytes_equal(secret, text_bytes(&l->secret));
    text_reset(&l->secret);
    text_add(&l->secret, secret);
    hmac_key_init(&l->key, secret);
    if (l->o->print_secret) {
        cli_outf("%s\n", text_str(&l->secret));
        end(l, CLI_DONE);
        return;
    }
    say_ready(l);
    if (other)
        cli_say("the gateway signs with another secret now: %s", text_str(&l->secret));
    if (!l->begun && l->o->since_ms == 0)
        l->after = (uint64_t)after;
    l->begun = l->connected = true;
    pump(l);
}

static void make_connection(void *ctx) {
    struct listening *l = ctx;
    begin_path(l, "/api/listen/secret");
    send_ask(l, on_secret);
}

static void on_interrupt(void *ctx, int signum) {
    struct listening *l = ctx;
    bool again = l->ending;
    l->ending = true;
    if (again || l->report_count == 0) {
        end(l, CLI_DONE);
        return;
    }
    post_reports(l);
    timer_set(l->leave, LEAVE_MS);
}

static void on_leave(void *ctx) { end(ctx, CLI_DONE); }

// 4242, and unlike Stripe's CLI, for which that is a host, 4242/hook.
static bool is_port(const char *said) {
    size_t n = strspn(said, "0123456789");
    return n > 0 && (said[n] == '\0' || strchr("/?", said[n]) != NULL);
}

bool listening_url(const char *said, struct text *out) {
    if (said == NULL)
        return true;
    if (strstr(said, "://") == NULL)
        text_adds(out, "http://");
    if (is_port(said))
        text_adds(out, "localhost:");
    else if (said[0] == '/')
        text_adds(out, "localhost");
    text_adds(out, said);
    const char *fault = url_fault(text_bytes(out));
    if (fault != NULL)
        cli_say("%s is no URL to bring events to: %s", said, fault);
    return fault == NULL;
}

static bool open_all(struct listening *l) {
    const struct fetch_options to_desk = {.connections_kept = 2,
                                          .ca_file = l->o->ca_file,
                                          .user_agent = "hookkeep/" HOOKKEEP_VERSION};
    const struct fetch_options to_sites = {.connections_kept = UNDER_WAY_MAX};
    bool own = l->o->loop == NULL;
    l->loop = l->o->loop;
    if ((own && loop_open(&l->loop) != OK) || fetcher_open(l->loop, &to_desk, &l->desk) != OK ||
        fetcher_open(l->loop, &to_sites, &l->sites) != OK ||
        (own && loop_interrupts(l->loop, on_interrupt, l) != OK)) {
        cli_say("the network could not be set up; too few open files are allowed, or too little "
                "memory is left");
        return false;
    }
    l->again = timer_open(l->loop, make_connection, l);
    l->report = timer_open(l->loop, post_reports, l);
    l->leave = timer_open(l->loop, on_leave, l);
    return true;
}

static void close_all(struct listening *l) {
    fetcher_close(l->desk);
    fetcher_close(l->sites);
    timer_close(l->again);
    timer_close(l->report);
    timer_close(l->leave);
    LIST_EACH_SAFE(it, &l->forwards)
    forward_drop(CONTAINER(it, struct forward, here));
    if (l->o->loop == NULL)
        loop_close(l->loop);
    hmac_key_wipe(&l->key);
    struct text *texts[] = {&l->authorization, &l->secret};
    for (size_t i = 0; i < 2; i++)
        if (texts[i]->p != NULL)
            memory_wipe(texts[i]->p, texts[i]->cap);
    text_drop(&l->authorization);
    text_drop(&l->secret);
    text_drop(&l->path);
    text_drop(&l->report_path);
    reports_drop(l, &l->reports);
    reports_drop(l, &l->reported);
    text_drop(&l->reporting);
}

enum cli_exit listening_run(const struct listening_options *o) {
    struct listening l = {.o = o, .code = CLI_FAILED};
    list_init(&l.forwards);
    list_init(&l.waiting);
    list_init(&l.reports);
    list_init(&l.reported);
    text_addf(&l.authorization, "Authorization: Bearer %s", text_str(&o->where->key));
    text_add(&l.report_path, text_bytes(&o->where->base));
    text_adds(&l.report_path, "/api/listen/attempts");
    if (gethostname(l.device, sizeof l.device - 1) != 0)
        l.device[0] = '\0';
    l.ask_headers[0] = text_str(&l.authorization);
    l.ask = (struct fetch_request){
        .method = "GET",
        .unix_path = o->where->unix_path.n > 0 ? text_str(&o->where->unix_path) : NULL,
        .headers = l.ask_headers,
        .header_count = 1,
        .timeout_ms = ASK_MS,
        .answer_max = PAGE_MAX,
        .answer_keep = PAGE_MAX,
    };
    if (open_all(&l)) {
        make_connection(&l);
        loop_run(l.loop);
    }
    if (l.dropped > 0)
        cli_say("%zu answers could not be reported to the gateway", l.dropped);
    close_all(&l);
    return l.code;
}
