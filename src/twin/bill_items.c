// SPDX-License-Identifier: MIT
// What a subscription is of: its items, each a price in a quantity, and their periods.
#include "base/ensure.h"
#include "twin/bill.h"
#include "twin/effects.h"

#define ITEMS_MAX 20

int64_t bill_amount(struct twin_object *price, int64_t quantity) {
    return bill_times(twin_int(price, "unit_amount"), quantity);
}

static void add(struct text *out, const char *name, json v) {
    text_addf(out, ",\"%s\":", name);
    if (json_type(v) == JSON_ABSENT)
        text_adds(out, "null");
    else
        json_write(v, out);
}

void bill_plan(struct twin_object *price, struct text *out) {
    static const char *const same[] = {"active",   "billing_scheme", "created",
                                       "currency", "livemode",       "metadata",
                                       "nickname", "product",        "tiers_mode"};
    text_adds(out, "{\"id\":");
    text_add_json(out, bytes_of(price->id));
    text_adds(out, ",\"object\":\"plan\"");
    for (size_t i = 0; i < sizeof same / sizeof *same; i++)
        add(out, same[i], twin_at(price, same[i]));
    add(out, "amount", twin_at(price, "unit_amount"));
    add(out, "amount_decimal", twin_at(price, "unit_amount_decimal"));
    add(out, "interval", twin_at(price, "recurring.interval"));
    add(out, "interval_count", twin_at(price, "recurring.interval_count"));
    add(out, "meter", twin_at(price, "recurring.meter"));
    add(out, "trial_period_days", twin_at(price, "recurring.trial_period_days"));
    add(out, "usage_type", twin_at(price, "recurring.usage_type"));
    text_adds(out, ",\"transform_usage\":null}");
}

static bool is_recurring(struct twin_call *c, struct twin_object *price, const char *param) {
    if (!twin_null(price, "recurring"))
        return true;
    return twin_refuse(c, API_ERROR_INVALID, param,
                       "The price specified is set to `type=one_time` but this field only accepts "
                       "prices with `type=recurring`.");
}

static bytes scalar(json v) {
    return json_type(v) == JSON_STRING ? json_string(v) : json_literal(v);
}

// The price that an item names, today as `price`, before as `plan`.
static struct twin_object *price_of(struct twin_call *c, json item, const char *param) {
    OWN(text_drop)
    struct text name = {0};
    bytes id = scalar(json_get(item, "price"));
    text_addf(&name, "%s[price]", param);
    if (id.n == 0)
        id = scalar(json_get(item, "plan"));
    struct twin_object *price = twin_ref(c, text_str(&name), id, "price");
    return price != NULL && is_recurring(c, price, text_str(&name)) ? price : NULL;
}

static void put_price(struct twin_call *c, struct twin_object *item, struct twin_object *price) {
    OWN(text_drop)
    struct text plan = {0};
    bill_plan(price, &plan);
    twin_set_json(c, item, "plan", text_bytes(&plan));
    OWN(text_drop)
    struct text shown = {0};
    twin_show(twin_root(price), &shown);
    twin_set_json(c, item, "price", text_bytes(&shown));
}

static bool put_quantity(struct twin_call *c, struct twin_object *item, json quantity,
                         const char *param) {
    int64_t n = 1;
    if (json_type(quantity) == JSON_ABSENT)
        return true;
    if (twin_number(quantity, &n) != OK || n < 0)
        return twin_refuse(c, API_ERROR_PARAMETER_INTEGER, param, "Invalid integer: %.*s",
                           BYTES_ARG(bytes_slice(scalar(quantity), 0, 32)));
    twin_set_int(c, item, "quantity", n);
    return true;
}

static struct twin_object *add_item(struct twin_call *c, struct twin_object *sub, json one,
                                    const char *param) {
    struct twin_object *price = price_of(c, one, param);
    if (price == NULL)
        return NULL;
    struct twin_object *item = twin_make(c, "subscription_item");
    twin_set_str(c, item, "subscription", sub->id);
    twin_set_int(c, item, "created", twin_time(c, sub));
    put_price(c, item, price);
    json metadata = json_get(one, "metadata");
    if (json_type(metadata) == JSON_OBJECT)
        twin_set(c, item, "metadata", metadata);
    return put_quantity(c, item, json_get(one, "quantity"), param) ? item : NULL;
}

// The items that live, the oldest first.
static size_t items_of(struct twin_call *c, struct twin_object *sub,
                       struct twin_object *out[ITEMS_MAX]) {
    struct twin_object *item = NULL, *found[ITEMS_MAX];
    size_t n = 0;
    bytes id = bytes_of(sub->id);
    while (n < ITEMS_MAX &&
           (item = twin_next_of(c, "subscription_item", "subscription", id, item)) != NULL)
        found[n++] = item;
    for (size_t i = 0; i < n; i++)
        out[i] = found[n - 1 - i];
    return n;
}

void bill_show_items(struct twin_call *c, struct twin_object *sub) {
    struct twin_object *items[ITEMS_MAX];
    size_t n = items_of(c, sub, items);
    OWN(text_drop)
    struct text list = {0};
    text_addc(&list, '[');
    for (size_t i = 0; i < n; i++) {
        text_adds(&list, i > 0 ? "," : "");
        twin_show(twin_root(items[i]), &list);
    }
    text_addc(&list, ']');
    twin_set_json(c, sub, "items.data", text_bytes(&list));
    twin_set_int(c, sub, "items.total_count", (int64_t)n);
    // As long as it has one, the subscription shows it as its own.
    if (n == 1) {
        twin_set(c, sub, "plan", twin_at(items[0], "plan"));
        twin_set(c, sub, "quantity", twin_at(items[0], "quantity"));
    } else {
        twin_set_null(c, sub, "plan");
        twin_set_null(c, sub, "quantity");
    }
}

bool bill_items(struct twin_call *c, struct twin_object *sub, const struct bill_start *start) {
    json one;
    size_t n = 0;
    for (size_t at = 0; json_element(start->items, &at, &one); n++) {
        OWN(text_drop)
        struct text param = {0};
        text_addf(&param, "%s[%zu]", start->param, n);
        if (n == ITEMS_MAX)
            return twin_refuse(c, API_ERROR_INVALID, start->param,
                               "A subscription has at most %d items.", ITEMS_MAX);
        struct twin_object *item = add_item(c, sub, one, text_str(&param));
        if (item == NULL)
            return false;
        twin_set(c, sub, "currency", twin_at(item, "price.currency"));
    }
    if (n == 0)
        return twin_refuse(c, API_ERROR_PARAMETER_MISSING, start->param,
                           "Missing required param: %s.", start->param);
    return true;
}

void bill_period_set(struct twin_call *c, struct twin_object *sub, int64_t start_s, int64_t end_s) {
    struct twin_object *items[ITEMS_MAX];
    size_t n = items_of(c, sub, items);
    int64_t anchor = twin_int(sub, "billing_cycle_anchor");
    for (size_t i = 0; i < n; i++) {
        int64_t end = end_s;
        if (end == 0)
            end = bill_period_after(anchor, start_s, twin_text(items[i], "plan.interval"),
                                    twin_int(items[i], "plan.interval_count"));
        twin_set_int(c, items[i], "current_period_start", start_s);
        twin_set_int(c, items[i], "current_period_end", end);
    }
    bill_show_items(c, sub);
}

int64_t bill_period_end(struct twin_object *sub) {
    json one;
    int64_t least = 0, end;
    for (size_t at = 0; json_element(twin_at(sub, "items.data"), &at, &one);)
        if (json_i64(json_get(one, "current_period_end"), &end) == OK &&
            (least == 0 || end < least))
            least = end;
    return least;
}

static void describe(struct twin_call *c, struct twin_object *item, bool trial, struct text *out) {
    struct twin_object *product = twin_get(c, twin_text(item, "price.product"));
    int64_t unit = twin_int(item, "price.unit_amount");
    bytes name = product != NULL ? twin_text(product, "name") : B("subscription");
    if (trial)
        text_adds(out, "Trial period for ");
    else
        text_addf(out, "%lld × ", (long long)twin_int(item, "quantity"));
    text_add(out, name);
    if (!trial)
        text_addf(out, " (at %lld.%02lld / %.*s)", (long long)(unit / 100), (long long)(unit % 100),
                  BYTES_ARG(twin_text(item, "plan.interval")));
}

void bill_lines(struct twin_call *c, struct twin_object *sub, struct twin_object *invoice,
                bool trial) {
    struct twin_object *items[ITEMS_MAX];
    size_t n = items_of(c, sub, items);
    for (size_t i = 0; i < n; i++) {
        OWN(text_drop)
        struct text about = {0};
        int64_t quantity = twin_int(items[i], "quantity");
        describe(c, items[i], trial, &about);
        struct twin_object *price = twin_get(c, twin_text(items[i], "price.id"));
        struct bill_line l = {
            .amount = trial ? 0 : bill_times(twin_int(items[i], "price.unit_amount"), quantity),
            .quantity = quantity,
            .currency = twin_text(items[i], "price.currency"),
            .description = text_bytes(&about),
            .start_s = twin_int(items[i], "current_period_start"),
            .end_s = twin_int(items[i], "current_period_end"),
            .price = price,
            .item = items[i],
            .subscription = sub,
        };
        bill_line(c, invoice, &l);
    }
    bill_gather(c, invoice, bytes_of(sub->id));
}

// --- changes

// Part of an amount for what is left of the item's period.
static int64_t rest_of(struct twin_object *item, int64_t amount, int64_t now) {
    int64_t start = twin_int(item, "current_period_start"),
            end = twin_int(item, "current_period_end");
    if (now >= end || end <= start)
        return 0;
    return bill_part(amount, now < start ? end - start : end - now, end - start);
}

static void add_proration(struct twin_call *c, struct twin_object *sub, struct twin_object *item,
                          int64_t amount, const char *about) {
    if (amount == 0)
        return;
    int64_t now = twin_time(c, sub);
    struct twin_object *i = twin_make(c, "invoiceitem");
    twin_set(c, i, "customer", twin_at(sub, "customer"));
    twin_set(c, i, "currency", twin_at(item, "price.currency"));
    twin_set_int(c, i, "amount", amount);
    twin_set_int(c, i, "net_amount", amount);
    twin_set_str(c, i, "description", about);
    twin_set_bool(c, i, "proration", true);
    twin_set_bool(c, i, "discountable", false);
    twin_set_json(c, i, "parent",
                  B("{\"subscription_details\":{\"subscription\":null,\"subscription_item\":null},"
                    "\"type\":\"subscription_details\"}"));
    twin_set_str(c, i, "parent.subscription_details.subscription", sub->id);
    twin_set_str(c, i, "parent.subscription_details.subscription_item", item->id);
    twin_set_int(c, i, "period.start", now);
    twin_set(c, i, "period.end", twin_at(item, "current_period_end"));
    twin_set_int(c, i, "date", now);
    if (i->clock != NULL)
        twin_set_str(c, i, "test_clock", i->clock->id);
    twin_emit(c, i, "invoiceitem.created");
}

static int64_t item_amount(struct twin_object *item) {
    return bill_times(twin_int(item, "price.unit_amount"), twin_int(item, "quantity"));
}

static bool prorates(struct twin_call *c, struct twin_object *sub) {
    return !bytes_equal(twin_param_text(c, "proration_behavior"), B("none")) &&
           !bytes_equal(twin_text(sub, "status"), B("trialing"));
}

static bool change_item(struct twin_call *c, struct twin_object *sub, struct twin_object *item,
                        json one, const char *param) {
    int64_t before = item_amount(item), now = twin_time(c, sub);
    bool priced = json_type(json_get(one, "price")) != JSON_ABSENT ||
                  json_type(json_get(one, "plan")) != JSON_ABSENT;
    struct twin_object *price = priced ? price_of(c, one, param) : NULL;
    if (priced && price == NULL)
        return false;
    if (price != NULL)
        put_price(c, item, price);
    if (!put_quantity(c, item, json_get(one, "quantity"), param))
        return false;
    if (json_type(json_get(one, "metadata")) == JSON_OBJECT)
        twin_set(c, item, "metadata", json_get(one, "metadata"));
    if (!prorates(c, sub) || item_amount(item) == before)
        return true;
    add_proration(c, sub, item, -rest_of(item, before, now), "Unused time");
    add_proration(c, sub, item, rest_of(item, item_amount(item), now), "Remaining time");
    return true;
}

static bool change_one(struct twin_call *c, struct twin_object *sub, json one, const char *param) {
    bytes id = scalar(json_get(one, "id"));
    if (id.n == 0) {
        struct twin_object *item = add_item(c, sub, one, param);
        int64_t now = twin_time(c, sub);
        if (item == NULL)
            return false;
        twin_set_int(c, item, "current_period_start", now);
        twin_set_int(c, item, "current_period_end", bill_period_end(sub));
        if (prorates(c, sub))
            add_proration(c, sub, item, item_amount(item), "Remaining time");
        return true;
    }
    struct twin_object *item = twin_ref(c, param, id, "subscription_item");
    if (item == NULL)
        return false;
    if (!bytes_equal(twin_text(item, "subscription"), bytes_of(sub->id)))
        return twin_refuse(c, API_ERROR_INVALID, param, "The item %s is of another subscription.",
                           item->id);
    if (!bytes_equal(scalar(json_get(one, "deleted")), B("true")))
        return change_item(c, sub, item, one, param);
    if (prorates(c, sub))
        add_proration(c, sub, item, -rest_of(item, item_amount(item), twin_time(c, sub)),
                      "Unused time");
    twin_remove(c, item);
    return true;
}

bool bill_change_items(struct twin_call *c, struct twin_object *sub, json items) {
    struct twin_object *left[ITEMS_MAX];
    json one;
    size_t n = 0;
    for (size_t at = 0; json_element(items, &at, &one); n++) {
        OWN(text_drop)
        struct text param = {0};
        text_addf(&param, "items[%zu]", n);
        if (!change_one(c, sub, one, text_str(&param)))
            return false;
    }
    if (items_of(c, sub, left) == 0)
        return twin_refuse(c, API_ERROR_INVALID, "items",
                           "A subscription has at least one item; cancel it instead.");
    bill_show_items(c, sub);
    return true;
}

bool bill_exchange(struct twin_call *c, struct twin_object *sub, json items) {
    struct twin_object *old[ITEMS_MAX];
    size_t n = items_of(c, sub, old);
    int64_t start = twin_int(old[0], "current_period_start");
    int64_t end = twin_int(old[0], "current_period_end");
    struct bill_start begin = {.items = items, .param = "phases[items]"};
    for (size_t i = 0; i < n; i++)
        twin_remove(c, old[i]);
    if (!bill_items(c, sub, &begin))
        return false;
    bill_period_set(c, sub, start, end);
    return true;
}

// --- the items' own moves: each is a change of their subscription

static struct twin_object *sub_of(struct twin_call *c) {
    return twin_get(c, twin_text(c->self, "subscription"));
}

bool effect_item_create(struct twin_call *c) {
    struct twin_object *sub = sub_of(c), *item = c->self;
    struct twin_object *price = price_of(c, c->params, "item");
    if (price == NULL || !put_quantity(c, item, twin_param(c, "quantity"), "quantity"))
        return false;
    put_price(c, item, price);
    twin_set_int(c, item, "current_period_start", twin_time(c, sub));
    twin_set_int(c, item, "current_period_end", bill_period_end(sub));
    if (prorates(c, sub))
        add_proration(c, sub, item, item_amount(item), "Remaining time");
    bill_show_items(c, sub);
    twin_emit(c, sub, "customer.subscription.updated");
    return true;
}

bool effect_item_update(struct twin_call *c) {
    struct twin_object *sub = sub_of(c);
    if (!change_item(c, sub, c->self, c->params, "item"))
        return false;
    bill_show_items(c, sub);
    twin_emit(c, sub, "customer.subscription.updated");
    return true;
}

bool effect_item_delete(struct twin_call *c) {
    struct twin_object *sub = sub_of(c), *left[ITEMS_MAX];
    if (items_of(c, sub, left) == 1)
        return twin_refuse(c, API_ERROR_INVALID, "id",
                           "A subscription has at least one item; cancel it instead.");
    if (prorates(c, sub))
        add_proration(c, sub, c->self, -rest_of(c->self, item_amount(c->self), twin_time(c, sub)),
                      "Unused time");
    twin_remove(c, c->self);
    bill_show_items(c, sub);
    twin_emit(c, sub, "customer.subscription.updated");
    return true;
}

// --- prices

// `product` of a price or plan: an id, or in plans a map that makes one, in prices `product_data`.
bool effect_price_product(struct twin_call *c) {
    json given = twin_param(c, "product"), made = twin_param(c, "product_data");
    bool plan = twin_is(c->self, "plan");
    if (plan && json_type(given) == JSON_OBJECT)
        made = given;
    if (json_type(made) == JSON_OBJECT) {
        struct twin_object *product = twin_make(c, "product");
        twin_set(c, product, "name", json_get(made, "name"));
        twin_emit(c, product, "product.created");
        twin_set_str(c, c->self, "product", product->id);
    } else if (plan) {
        struct twin_object *product = twin_ref(c, "product", scalar(given), "product");
        if (product == NULL)
            return false;
        twin_set_str(c, c->self, "product", product->id);
    } else if (twin_null(c->self, "product")) {
        return twin_refuse(c, API_ERROR_PARAMETER_MISSING, "product",
                           "Missing required param: product.");
    }
    const char *amount = plan ? "amount" : "unit_amount";
    const char *decimal = plan ? "amount_decimal" : "unit_amount_decimal";
    if (!twin_null(c->self, amount)) {
        OWN(text_drop)
        struct text t = {0};
        text_add_i64(&t, twin_int(c->self, amount));
        twin_set_text(c, c->self, decimal, text_bytes(&t));
    }
    if (!plan && !twin_null(c->self, "recurring"))
        twin_set_str(c, c->self, "type", "recurring");
    return true;
}
