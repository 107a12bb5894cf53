/* SPDX-License-Identifier: MIT */
/*
 * Stripe's webhooks in a C program, by libhookkeep: a CGI program (RFC 3875), which any web server
 * can run. It answers as Stripe wants to be answered, and says each event on standard error.
 *
 *     cc -std=c89 -o webhook webhook.c $(pkg-config --cflags --libs hookkeep)
 *
 * STRIPE_WEBHOOK_SECRET holds the endpoint's secret, STRIPE_WEBHOOK_SECRET_OLD, while it is rolled,
 * the one before.
 *
 * Who answers 200 has the event, and Stripe forgets it: store it before, or let Hookkeep receive
 * and be one of its destinations.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <hookkeep/event.h>

#define BODY_MAX 1048576L

static int answer(const char *status, const char *why) {
    printf("Status: %s\r\nContent-Type: text/plain\r\n\r\n%s\n", status, why);
    return fflush(stdout) == 0 ? 0 : 1;
}

static size_t secrets_of(hk_secret secrets[2]) {
    static const char *const names[2] = {"STRIPE_WEBHOOK_SECRET", "STRIPE_WEBHOOK_SECRET_OLD"};
    size_t i, n = 0;
    for (i = 0; i < 2; i++) {
        secrets[n].bytes = getenv(names[i]);
        if (secrets[n].bytes == NULL)
            continue;
        secrets[n].size = strlen(secrets[n].bytes);
        n++;
    }
    return n;
}

static void handle(const hk_event *event) {
    long amount;
    const char *site = hk_event_text(event, "data.object.metadata.site", NULL);
    fprintf(stderr, "%s %s %s", hk_event_id(event), hk_event_type(event),
            hk_event_livemode(event) ? "live" : "test");
    if (hk_event_integer(event, "data.object.amount_paid", &amount))
        fprintf(stderr, ", paid %ld", amount);
    fprintf(stderr, ", site %s\n", site != NULL ? site : "unknown");
}

static int receive(const char *body, size_t size) {
    hk_receipt receipt = HK_RECEIPT_INIT;
    hk_secret secrets[2];
    hk_event *event;
    hk_status status;

    receipt.body = body;
    receipt.body_size = size;
    receipt.header = getenv("HTTP_STRIPE_SIGNATURE");
    receipt.header_size = receipt.header != NULL ? strlen(receipt.header) : 0;
    receipt.secrets = secrets;
    receipt.secret_count = secrets_of(secrets);
    receipt.now = time(NULL);
    status = hk_event_construct(&receipt, NULL, &event);
    if (status == HK_MEMORY || status == HK_NO_SECRET || status == HK_USAGE)
        return answer("503 Service Unavailable", hk_status_text(status)); /* Stripe sends again */
    if (status != HK_OK)
        return answer("400 Bad Request", hk_status_text(status));
    handle(event);
    hk_event_close(event);
    return answer("200 OK", "received");
}

int main(void) {
    const char *said = getenv("CONTENT_LENGTH");
    long length = said != NULL ? strtol(said, NULL, 10) : 0;
    char *body;
    int code;

    if (length < 0 || length > BODY_MAX)
        return answer("413 Content Too Large", "the body is larger than 1 MiB");
    body = malloc((size_t)length + 1);
    if (body == NULL)
        return answer("503 Service Unavailable", "there is no memory");
    if (fread(body, 1, (size_t)length, stdin) != (size_t)length)
        code = answer("400 Bad Request", "the body is shorter than its Content-Length");
    else
        code = receive(body, (size_t)length);
    free(body);
    return code;
}
