// SPDX-License-Identifier: MIT
// Requests whose URL is somebody else's, judged by the guard (rules/guard.h): hundreds of ways to
// write addresses, names that mean something else each time, kept connections, proxies. Nothing
// but loopback is ever connected to: 127.0.0.2 is the guard's exception and stands for the public,
// 127.0.0.1 is what nobody may reach.
#include "port_helpers.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>

#include "base/text.h"
#include "port/fetch.h"
#include "port/net.h"
#include "rules/guard.h"

struct house { // one of two, on one port
    int opened, requests;
    struct listener *listener;
    struct text said; // the last request
};

static struct world {
    struct loop *loop;
    struct fetcher *fetcher;
    struct house allowed, forbidden;
    unsigned port;
    struct guard_range exception;
    int judged, let_through;
    // The last answer.
    char failure[16], error[300];
    int status;
} w;

// --- a resolver whose answers are the test's, in place of the system's

static struct {
    const char *name;
    const char *answers[8]; // one a call, the last for ever; "A B" are two addresses
    int calls;
} script;

static struct addrinfo *new_address(const char *text, uint16_t port) {
    struct addrinfo *a = calloc(1, sizeof *a + sizeof(struct sockaddr_storage));
    struct sockaddr_in *v4 = (void *)(a + 1);
    struct sockaddr_in6 *v6 = (void *)(a + 1);
    *a = (struct addrinfo){.ai_socktype = SOCK_STREAM, .ai_addr = (void *)(a + 1)};
    if (inet_pton(AF_INET6, text, &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons(port);
        a->ai_family = AF_INET6;
        a->ai_addrlen = sizeof *v6;
        return a;
    }
    memset(v4, 0, sizeof *v6);
    if (inet_aton(text, &v4->sin_addr) == 0) { // as the system's, which knows the old spellings
        free(a);
        return NULL;
    }
    v4->sin_family = AF_INET;
    v4->sin_port = htons(port);
    a->ai_family = AF_INET;
    a->ai_addrlen = sizeof *v4;
    return a;
}

int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
                struct addrinfo **out) {
    const char *answer = name;
    uint64_t port = 0;
    if (service != NULL && bytes_to_u64(bytes_of(service), &port) != OK)
        return EAI_SERVICE;
    *out = NULL;
    if (script.name != NULL && strcmp(name, script.name) == 0) {
        int n = script.calls++;
        for (int i = 0; i <= n && script.answers[i] != NULL; i++)
            answer = script.answers[i];
    }
    bytes rest = bytes_of(answer);
    while (rest.n > 0) {
        char one[64];
        bytes part = bytes_cut(&rest, ' ');
        snprintf(one, sizeof one, "%.*s", BYTES_ARG(part));
        struct addrinfo **end = out;
        while (*end != NULL)
            end = &(*end)->ai_next;
        *end = new_address(one, (uint16_t)port);
    }
    return *out == NULL ? EAI_NONAME : 0;
}

void freeaddrinfo(struct addrinfo *a) {
    while (a != NULL) {
        struct addrinfo *next = a->ai_next;
        free(a);
        a = next;
    }
}

// --- the two houses

struct peer {
    struct house *house;
    struct conn *conn;
};

static void *on_open(void *ctx, struct conn *c) {
    struct peer *p = calloc(1, sizeof *p);
    *p = (struct peer){ctx, c};
    p->house->opened++;
    return p;
}

static void on_data(void *ctx, bytes b) {
    struct peer *p = ctx;
    p->house->requests++;
    text_reset(&p->house->said);
    text_add(&p->house->said, b);
    if (bytes_search(b, B(" /moved ")) < b.n) {
        char head[128];
        snprintf(
            head, sizeof head,
            "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:%u/\r\nContent-Length: 0\r\n\r\n",
            w.port);
        conn_write(p->conn, bytes_of(head));
        return;
    }
    conn_write(p->conn, B("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"));
}

static void on_end(void *ctx) { conn_close(((struct peer *)ctx)->conn, 1000); }
static void on_closed(void *ctx, result failed) { free(ctx); }
static const struct net_handler handler = {on_open, on_data, on_end, on_closed};

static void listen_at(struct house *h, const char *address) {
    OWN(text_drop)
    struct text why = {0};
    struct net_address a;
    assert_ok(net_address_parse(bytes_of(address), &a, &why));
    assert_ok(net_listen(w.loop, &a, NULL, &handler, h, &h->listener, &why));
}

static void another_fetcher(void) {
    struct fetch_options o = {.connections_kept = 4};
    fetcher_close(w.fetcher);
    assert_ok(fetcher_open(w.loop, &o, &w.fetcher));
}

static int setup(void **state) {
    char address[64];
    w = (struct world){0};
    memset(&script, 0, sizeof script);
    assert_ok(loop_open(&w.loop));
    listen_at(&w.allowed, "http://127.0.0.2:0");
    w.port = listener_port(w.allowed.listener);
    snprintf(address, sizeof address, "http://127.0.0.1:%u", w.port);
    listen_at(&w.forbidden, address);
    another_fetcher();
    assert_ok(guard_range_parse(B("127.0.0.2/32"), &w.exception));
    return 0;
}

static int teardown(void **state) {
    fetcher_close(w.fetcher);
    listener_close(w.allowed.listener);
    listener_close(w.forbidden.listener);
    loop_run(w.loop);
    loop_close(w.loop);
    text_drop(&w.allowed.said);
    text_drop(&w.forbidden.said);
    return 0;
}

static const char *judge(void *ctx, bytes address) {
    const char *why = guard_refuses(address, &w.exception, 1);
    w.judged++;
    w.let_through += why == NULL;
    return why;
}

// Of who wants to know alone: keeps what the guard says, and lets nothing through.
static const char *judge_to_know(void *ctx, bytes address) {
    return judge(ctx, address) == NULL ? "only asked" : "refused";
}

static void on_done(void *ctx, const struct fetch_answer *a) {
    snprintf(w.failure, sizeof w.failure, "%s", a->failed ? fail_name(a->failed->code) : "");
    snprintf(w.error, sizeof w.error, "%s", a->error);
    w.status = a->status;
    loop_stop(w.loop);
}

static void ask_by(const char *url, const char *(*by)(void *ctx, bytes address)) {
    struct fetch_request q = {
        .method = "GET", .url = url, .timeout_ms = 10000, .answer_max = 65536, .judge = by};
    w.fetcher->start(w.fetcher, &q, on_done, NULL);
    loop_run(w.loop);
}

static void ask(const char *url, bool guarded) { ask_by(url, guarded ? judge : NULL); }

// A URL in which %u is the port.
static void ask_at(const char *form, bool guarded) {
    char url[256];
    snprintf(url, sizeof url, form, w.port);
    ask(url, guarded);
}

// --- spellings

#define SPELLING_MAX 256
// The digits and dots of an address in another script, or encoded.
static void respell(const char *address, const char *const *digits, const char *dot, char *out) {
    OWN(text_drop)
    struct text t = {0};
    for (; *address != '\0'; address++)
        text_adds(&t, *address == '.' ? dot : digits[*address - '0']);
    snprintf(out, SPELLING_MAX, "%s", text_str(&t));
}

#define SPELLINGS 40
static size_t spell(const char *address, char out[SPELLINGS][SPELLING_MAX]) {
    static const char *const plain[] = {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"};
    static const char *const wide[] = {
        "\xef\xbc\x90", "\xef\xbc\x91", "\xef\xbc\x92", "\xef\xbc\x93", "\xef\xbc\x94",
        "\xef\xbc\x95", "\xef\xbc\x96", "\xef\xbc\x97", "\xef\xbc\x98", "\xef\xbc\x99"};
    static const char *const circled[] = {
        "\xe2\x93\xaa", "\xe2\x91\xa0", "\xe2\x91\xa1", "\xe2\x91\xa2", "\xe2\x91\xa3",
        "\xe2\x91\xa4", "\xe2\x91\xa5", "\xe2\x91\xa6", "\xe2\x91\xa7", "\xe2\x91\xa8"};
    static const char *const escaped[] = {"%30", "%31", "%32", "%33", "%34",
                                          "%35", "%36", "%37", "%38", "%39"};
    struct in_addr raw;
    size_t n = 0;
    assert_int_equal(inet_pton(AF_INET, address, &raw), 1);
    unsigned all = ntohl(raw.s_addr);
    unsigned a = all >> 24, b = all >> 16 & 255, c = all >> 8 & 255, d = all & 255;
#define SPELL(...) snprintf(out[n++], SPELLING_MAX, __VA_ARGS__)
    SPELL("%s", address);
    SPELL("%s.", address);
    SPELL("%u", all);
    SPELL("%u.", all);
    SPELL("0x%x", all);
    SPELL("0X%X", all);
    SPELL("0x00000000%08x", all);
    SPELL("0%o", all);
    SPELL("00000%o", all);
    SPELL("0x%x.0x%x.0x%x.0x%x", a, b, c, d);
    SPELL("0%o.0%o.0%o.0%o", a, b, c, d);
    SPELL("000%o.0x%x.%u.0%o", a, b, c, d);
    SPELL("%u.0x%x", a, all & 0xffffff);
    SPELL("%u.%u", a, all & 0xffffff);
    SPELL("%u.%u.%u", a, b, all & 0xffff);
    SPELL("0x%x.0%o.%u", a, b, all & 0xffff);
    SPELL("somebody@%s", address);
    SPELL("stripe.com:443@%s", address);
    SPELL("stripe.com%%2f@%s", address);
    SPELL("[::ffff:%s]", address);
    SPELL("[::ffff:%x:%x]", all >> 16, all & 0xffff);
    SPELL("[0:0:0:0:0:ffff:%02x%02x:%02x%02x]", a, b, c, d);
    SPELL("[::%s]", address);
    SPELL("[::ffff:0:%s]", address);
    SPELL("[64:ff9b::%s]", address);
    SPELL("[64:ff9b:1::%s]", address);
    SPELL("[2002:%x:%x::1]", all >> 16, all & 0xffff);
    SPELL("[2001:0:%x:%x::1]", all >> 16, all & 0xffff);
    SPELL("[fe80::%x:%x%%25lo]", all >> 16, all & 0xffff);
    SPELL("[::ffff:%s%%25lo]", address);
    SPELL("[fc00::%s]", address);
    respell(address, wide, ".", out[n++]);
    respell(address, wide, "\xe3\x80\x82", out[n++]); // the ideographic full stop
    respell(address, plain, "\xef\xbc\x8e", out[n++]);
    respell(address, plain, "\xef\xbd\xa1", out[n++]);
    respell(address, circled, ".", out[n++]);
    respell(address, escaped, "%2e", out[n++]);
    respell(address, plain, "%2E", out[n++]);
#undef SPELL
    assert_true(n <= SPELLINGS);
    return n;
}

static void assert_kept_out(const char *url) {
    w.let_through = 0;
    ask(url, true);
    if (w.failure[0] == '\0' || w.let_through > 0)
        fail_msg("%s: answered %d, %d addresses let through", url, w.status, w.let_through);
}

static void every_spelling_of_an_address(void **state) {
    static const char *const addresses[] = {
        "127.0.0.1",       "127.1.2.3",     "0.0.0.0",         "10.0.0.1",    "10.255.255.254",
        "100.64.0.1",      "172.16.5.4",    "192.168.178.1",   "192.0.0.192", "169.254.169.254",
        "100.100.100.200", "168.63.129.16", "255.255.255.255", "224.0.0.251",
    };
    static char spellings[SPELLINGS][SPELLING_MAX];
    int urls = 0, judged = 0;
    for (size_t i = 0; i < sizeof addresses / sizeof addresses[0]; i++) {
        size_t n = spell(addresses[i], spellings);
        for (size_t k = 0; k < n; k++, urls++) {
            OWN(text_drop)
            struct text url = {0};
            text_addf(&url, "http%s://%s:%u/", k % 5 == 4 ? "s" : "", spellings[k], w.port);
            int before = w.judged;
            assert_kept_out(text_str(&url));
            judged += w.judged > before;
        }
    }
    assert_true(urls > 500);
    // Most were understood and brought before the judge, not refused for a fault of form.
    assert_true(judged > urls * 3 / 4);
    assert_int_equal(w.allowed.opened + w.forbidden.opened, 0);
}

// That these lead somewhere: without the judge they arrive.
static void spellings_arrive_when_nobody_judges(void **state) {
    static char spellings[SPELLINGS][SPELLING_MAX];
    size_t n = spell("127.0.0.1", spellings), arrived = 0;
    for (size_t i = 0; i < n; i++) {
        OWN(text_drop)
        struct text url = {0};
        text_addf(&url, "http://%s:%u/", spellings[i], w.port);
        // Forms that would leave this machine are not tried.
        if (spellings[i][0] == '[' && strstr(spellings[i], "ffff:") == NULL)
            continue;
        if (strstr(spellings[i], "ffff:0:") != NULL)
            continue;
        ask(text_str(&url), false);
        arrived += w.status == 200;
    }
    assert_true(arrived >= 18);
    assert_int_equal(w.forbidden.requests, arrived);
}

static void other_ways(void **state) {
    static const char *const urls[] = {
        "http://localhost:%u/",
        "http://LOCALHOST:%u/",
        "http://localhost.:%u/",
        "http://foo.localhost:%u/",
        "http://[::1]:%u/",
        "http://[0:0:0:0:0:0:0:1]:%u/",
        "http://[::]:%u/",
        "http://[fe80::1%%25lo]:%u/",
        "http://[fe80::1%%lo]:%u/",
        "http://[fec0::1]:%u/",
        "http://[fd00:ec2::254]:%u/",
        "http://[ff02::1]:%u/",
        "http://[2001:db8::1]:%u/",
        "http://[::1%%251]:%u/",
        "http://[::1]x:%u/",
        "http://[127.0.0.1]:%u/",
        "http://127.0.0.1:%u\\@stripe.test/",
        "http://stripe.test@127.0.0.1:%u/",
        "http://127.0.0.1:%u#@stripe.test/",
        "http://127.0.0.1:%u?@stripe.test/",
        "http://stripe.test\\@127.0.0.1:%u/",
        "http:\\\\127.0.0.1:%u/",
        "http:///127.0.0.1:%u/",
        "http:127.0.0.1:%u/",
        "http:/127.0.0.1:%u/",
        "127.0.0.1:%u",
        "//127.0.0.1:%u/",
        "http://127.0.0.1:%u:80/",
        "http://127.0.0.1\t:%u/",
        "http://127.0.0.1%%00.stripe.test:%u/",
        "http://127.0.0.1%%20:%u/",
        "http://127.0.0.1 .stripe.test:%u/",
        "http://127.0.0.1%%0d%%0aHost:x:%u/",
        "http:// 127.0.0.1:%u/",
        "http://256.256.256.256:%u/",
        "http://4294967296:%u/",
        "http://0x100000000:%u/",
        "http://127.0.0.1.1:%u/",
        "http://127..0.1:%u/",
        "http://.127.0.0.1:%u/",
        "http://0:%u/",
        "http://127.1:%u/",
        "http://\xe2\x91\xa0\xe2\x91\xa1\xe2\x91\xa6.0.0.1:%u/",
        "file:///etc/passwd",
        "FILE:///etc/passwd",
        "gopher://127.0.0.1:%u/_GET",
        "dict://127.0.0.1:%u/x",
        "ftp://127.0.0.1:%u/",
        "tftp://127.0.0.1:%u/",
        "telnet://127.0.0.1:%u/",
        "ldap://127.0.0.1:%u/",
        "smtp://127.0.0.1:%u/",
        "imap://127.0.0.1:%u/",
        "smb://127.0.0.1:%u/x",
        "rtsp://127.0.0.1:%u/",
        "ws://127.0.0.1:%u/",
        "mqtt://127.0.0.1:%u/",
        "unix://127.0.0.1:%u/",
        "",
    };
    for (size_t i = 0; i < sizeof urls / sizeof urls[0]; i++) {
        char url[256];
        snprintf(url, sizeof url, urls[i], w.port);
        assert_kept_out(url);
    }
    assert_int_equal(w.allowed.opened + w.forbidden.opened, 0);
}

// --- names

static void a_name_is_resolved_once_and_its_address_is_what_was_judged(void **state) {
    script.name = "shop.test";
    script.answers[0] = "127.0.0.2";
    script.answers[1] = "127.0.0.1"; // to whoever asks again
    ask_at("http://shop.test:%u/", true);
    assert_string_equal(w.error, "");
    assert_int_equal(w.status, 200);
    assert_int_equal(script.calls, 1);
    ask_at("http://shop.test:%u/", true); // on the connection that is kept
    assert_int_equal(w.status, 200);
    assert_int_equal(w.allowed.opened, 1);
    assert_int_equal(w.allowed.requests, 2);
    another_fetcher();
    ask_at("http://shop.test:%u/", true);
    assert_string_equal(w.failure, "invalid");
    assert_string_equal(w.error, "not connected to 127.0.0.1: loopback");
    assert_int_equal(w.status, 0);
    assert_int_equal(script.calls, 2);
    assert_int_equal(w.forbidden.opened, 0);
    ask_at("http://shop.test:%u/", false); // it was there to be reached
    assert_int_equal(w.forbidden.requests, 1);
}

static void of_several_addresses_none_that_is_refused(void **state) {
    static const char *const answers[] = {"127.0.0.1 127.0.0.2", "127.0.0.2 127.0.0.1",
                                          "::1 127.0.0.1 127.0.0.2", "::ffff:127.0.0.1 127.0.0.2",
                                          "10.0.0.1 ::ffff:127.0.0.2 127.0.0.2"};
    for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
        script.name = "shop.test";
        script.answers[0] = answers[i];
        another_fetcher();
        ask_at("http://shop.test:%u/", true);
        if (w.status != 200)
            fail_msg("%s: %s", answers[i], w.error);
    }
    assert_int_equal(w.forbidden.opened, 0);
    script.answers[0] = "127.0.0.1 10.0.0.1 ::1 fe80::1 169.254.169.254";
    another_fetcher();
    ask_at("http://shop.test:%u/", true);
    assert_string_equal(w.failure, "invalid");
    assert_int_equal(w.forbidden.opened, 0);
    script.name = NULL; // what has no address is no refusal
    another_fetcher();
    ask_at("http://shop.test:%u/", true);
    assert_string_equal(w.failure, "closed");
}

// As for an endpoint that is being made: where would it lead?
static void what_a_url_leads_to_is_known_without_connecting(void **state) {
    static const struct {
        const char *answer;
        int judged, let_through;
        const char *failure;
    } rows[] = {
        {"127.0.0.2", 1, 1, "invalid"},
        {"127.0.0.2 127.0.0.1 10.0.0.1", 3, 1, "invalid"},
        {"::1 127.0.0.1", 2, 0, "invalid"},
        {"of no address", 0, 0, "closed"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char url[64];
        snprintf(url, sizeof url, "https://shop.test:%u/", w.port);
        script.name = "shop.test";
        script.answers[0] = rows[i].answer;
        w.judged = w.let_through = 0;
        another_fetcher();
        ask_by(url, judge_to_know);
        assert_string_equal(w.failure, rows[i].failure);
        assert_int_equal(w.judged, rows[i].judged);
        assert_int_equal(w.let_through, rows[i].let_through);
    }
    assert_int_equal(w.allowed.opened + w.forbidden.opened, 0);
}

static void redirects_lead_nowhere(void **state) {
    ask_at("http://127.0.0.2:%u/moved", true);
    assert_int_equal(w.status, 302);
    assert_int_equal(w.forbidden.opened, 0);
}

// A connection that somebody else was allowed to make is no way in.
static void kept_connections_are_judged(void **state) {
    ask_at("http://127.0.0.1:%u/", false);
    assert_int_equal(w.forbidden.requests, 1);
    ask_at("http://127.0.0.1:%u/", true);
    assert_string_equal(w.failure, "invalid");
    assert_string_equal(w.error, "not connected to 127.0.0.1: loopback");
    assert_int_equal(w.forbidden.requests, 1);
    assert_int_equal(w.forbidden.opened, 1);
    // Nor is one that was an exception when it was made.
    ask_at("http://127.0.0.2:%u/", true);
    assert_int_equal(w.status, 200);
    w.exception.bits = 0;
    w.exception.n = 16;
    ask_at("http://127.0.0.2:%u/", true);
    assert_string_equal(w.failure, "invalid");
    assert_int_equal(w.allowed.requests, 1);
    ask_at("http://127.0.0.1:%u/", false); // who is not judged is as free as ever
    assert_int_equal(w.status, 200);
}

static void no_proxy_for_the_judged(void **state) {
    char proxy[64];
    static const char *const names[] = {"http_proxy", "all_proxy", "ALL_PROXY", "https_proxy"};
    snprintf(proxy, sizeof proxy, "http://127.0.0.1:%u", w.port);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        setenv(names[i], proxy, 1);
    unsetenv("no_proxy");
    script.name = "shop.test";
    script.answers[0] = "127.0.0.2";
    ask_at("http://shop.test:%u/", true);
    assert_int_equal(w.status, 200);
    assert_int_equal(w.allowed.requests, 1);
    assert_true(bytes_starts(text_bytes(&w.allowed.said), B("GET / HTTP/1.1\r\nHost: shop.test:")));
    ask_at("https://shop.test:%u/", true); // no TLS there
    assert_int_equal(w.forbidden.opened, 0);
    ask_at("http://shop.test:%u/", false);
    assert_int_equal(w.forbidden.requests, 1); // the proxy
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        unsetenv(names[i]);
    setenv("no_proxy", "*", 1);
}

#define TEST(test_) cmocka_unit_test_setup_teardown(test_, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(every_spelling_of_an_address),
        TEST(spellings_arrive_when_nobody_judges),
        TEST(other_ways),
        TEST(a_name_is_resolved_once_and_its_address_is_what_was_judged),
        TEST(of_several_addresses_none_that_is_refused),
        TEST(what_a_url_leads_to_is_known_without_connecting),
        TEST(redirects_lead_nowhere),
        TEST(kept_connections_are_judged),
        TEST(no_proxy_for_the_judged),
    };
    setenv("no_proxy", "*", 1);
    return cmocka_run_group_tests_name("port_fetch_judge", tests, NULL, NULL);
}
