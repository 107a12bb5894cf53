// SPDX-License-Identifier: MIT
// The balance (https://docs.stripe.com/api/balance) and the transactions that it follows from. Each
// account has one, an object of the world that has no id to show.
#include "twin/effects.h"
#include "twin/money.h"

#define BALANCE B("balance")

int64_t balance_fee(int64_t amount) { return (amount * 29 + 500) / 1000 + 30; }

static struct twin_object *find(struct twin_call *c) {
    struct twin_object *o = twin_get(c, BALANCE);
    if (o != NULL)
        return o;
    o = twin_make_as(c, twin_resource_find(BALANCE), BALANCE);
    if (o != NULL)
        twin_unset(c, o, "id");
    return o;
}

bool effect_balance_find(struct twin_call *c) {
    c->self = find(c);
    return c->self != NULL;
}

// The place of a currency in `available` or `pending`; made if it is not there.
static size_t place_of(struct twin_call *c, struct twin_object *o, const char *list,
                       bytes currency) {
    json one;
    OWN(text_drop)
    struct text t = {0};
    size_t i = 0;
    for (size_t at = 0; json_element(twin_at(o, list), &at, &one); i++)
        if (bytes_equal(json_string(json_get(one, "currency")), currency))
            return i;
    text_addf(&t, "%s.%zu", list, i);
    OWN(text_drop)
    struct text row = {0};
    text_adds(&row, "{\"amount\":0,\"currency\":");
    text_add_json(&row, currency);
    text_adds(&row, ",\"source_types\":{\"card\":0}}");
    twin_set_json(c, o, text_str(&t), text_bytes(&row));
    return i;
}

static void add(struct twin_call *c, struct twin_object *o, const char *list, bytes currency,
                int64_t amount) {
    size_t i = place_of(c, o, list, currency);
    OWN(text_drop)
    struct text path = {0};
    text_addf(&path, "%s.%zu.amount", list, i);
    amount += twin_int(o, text_str(&path));
    twin_set_int(c, o, text_str(&path), amount);
    text_reset(&path);
    text_addf(&path, "%s.%zu.source_types.card", list, i);
    twin_set_int(c, o, text_str(&path), amount);
}

int64_t balance_available(struct twin_call *c, bytes currency) {
    struct twin_object *o = twin_get(c, BALANCE);
    json one;
    int64_t amount = 0;
    if (o == NULL)
        return 0;
    for (size_t at = 0; json_element(twin_at(o, "available"), &at, &one);)
        if (bytes_equal(json_string(json_get(one, "currency")), currency) &&
            json_i64(json_get(one, "amount"), &amount) == OK)
            return amount;
    return 0;
}

static void set_fee(struct twin_call *c, struct twin_object *o, const struct balance_entry *e) {
    OWN(text_drop)
    struct text t = {0};
    if (e->fee == 0)
        return;
    text_addf(&t, "[{\"amount\":%lld,\"application\":null,\"currency\":", (long long)e->fee);
    text_add_json(&t, e->currency);
    text_adds(&t, ",\"description\":\"Stripe processing fees\",\"type\":\"stripe_fee\"}]");
    twin_set_int(c, o, "fee", e->fee);
    twin_set_json(c, o, "fee_details", text_bytes(&t));
}

struct twin_object *balance_book(struct twin_call *c, const struct balance_entry *e) {
    struct twin_object *o = twin_make(c, "balance_transaction");
    bool at_once = e->available_s == 0;
    bool behind = at_once && e->behind && e->amount > 0 && o->clock == NULL;
    bool waits = !at_once || behind;
    twin_set_int(c, o, "amount", e->amount);
    set_fee(c, o, e);
    twin_set_int(c, o, "net", e->amount - e->fee);
    twin_set_text(c, o, "currency", e->currency);
    twin_set_text(c, o, "source", e->source);
    twin_set_str(c, o, "type", e->type);
    twin_set_str(c, o, "reporting_category", e->category);
    if (e->description.n > 0)
        twin_set_text(c, o, "description", e->description);
    twin_set_int(c, o, "available_on", at_once ? twin_time(c, o) : e->available_s);
    twin_set_str(c, o, "status", waits ? "pending" : "available");
    struct twin_object *balance = find(c);
    if (balance == NULL)
        return o; // the world is full
    add(c, balance, waits ? "pending" : "available", e->currency, e->amount - e->fee);
    if (waits)
        twin_when(c, o, twin_int(o, "available_on"), effect_balance_settle);
    else if (e->amount > 0)
        twin_emit(c, balance, "balance.available");
    return o;
}

// What was pending until now is available, all of it at once: one event tells of it.
bool effect_balance_settle(struct twin_call *c) {
    struct twin_object *balance = find(c), *o = NULL;
    if (balance == NULL || !bytes_equal(twin_text(c->self, "status"), B("pending")))
        return true;
    while ((o = twin_next_of(c, "balance_transaction", "status", B("pending"), o)) != NULL) {
        if (twin_int(o, "available_on") > twin_time(c, o))
            continue;
        OWN(text_drop)
        struct text currency = {0};
        text_add(&currency, twin_text(o, "currency"));
        twin_set_str(c, o, "status", "available");
        add(c, balance, "pending", text_bytes(&currency), -twin_int(o, "net"));
        add(c, balance, "available", text_bytes(&currency), twin_int(o, "net"));
    }
    twin_emit(c, balance, "balance.available");
    return true;
}
