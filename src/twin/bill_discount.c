// SPDX-License-Identifier: MIT
// Coupons, promotion codes and the discounts that come of them
// (https://docs.stripe.com/billing/subscriptions/coupons).
#include <string.h>

#include "twin/bill.h"
#include "twin/effects.h"

bool effect_coupon_create(struct twin_call *c) {
    bool percent = !twin_null(c->self, "percent_off"), amount = !twin_null(c->self, "amount_off");
    if (percent == amount)
        return twin_refuse(c, API_ERROR_INVALID, "percent_off",
                           "A coupon takes off either percent_off or amount_off.");
    json off = twin_at(c->self, "percent_off");
    int64_t whole = 0;
    bytes rest = json_literal(off);
    bool negative = bytes_starts(rest, B("-"));
    bool read = bytes_to_i64(bytes_cut(&rest, '.'), &whole) == OK, part = false;
    for (size_t i = 0; i < rest.n; i++)
        part = part || rest.p[i] != '0';
    bool wrong = percent && (!read || negative || whole > 100 || (whole == 100 && part) ||
                             (whole == 0 && !part));
    if (wrong || (amount && twin_int(c->self, "amount_off") < 1))
        return twin_refuse(c, API_ERROR_INVALID, percent ? "percent_off" : "amount_off",
                           "A coupon takes off over 0 and up to 100 percent, or an amount from 1.");
    if (amount && twin_null(c->self, "currency"))
        return twin_refuse(c, API_ERROR_PARAMETER_MISSING, "currency",
                           "Missing required param: currency, as amount_off is of one.");
    bool repeats = bytes_equal(twin_text(c->self, "duration"), B("repeating"));
    if (repeats && twin_null(c->self, "duration_in_months"))
        return twin_refuse(c, API_ERROR_PARAMETER_MISSING, "duration_in_months",
                           "Missing required param: duration_in_months, as the coupon repeats.");
    return true;
}

bool effect_promotion_code_create(struct twin_call *c) {
    bytes coupon = twin_param_text(c, "promotion.coupon");
    if (coupon.n == 0)
        coupon = twin_param_text(c, "coupon");
    if (coupon.n == 0)
        return twin_refuse(c, API_ERROR_PARAMETER_MISSING, "promotion[coupon]",
                           "Missing required param: promotion[coupon].");
    struct twin_object *o = twin_ref(c, "promotion[coupon]", coupon, "coupon");
    if (o == NULL)
        return false;
    twin_set_str(c, c->self, "promotion.coupon", o->id);
    if (twin_null(c->self, "code")) {
        OWN(text_drop)
        struct text code = {0};
        twin_id(c, "*8", &code);
        for (size_t i = 0; i < code.n; i++)
            if (code.p[i] >= 'a' && code.p[i] <= 'z')
                code.p[i] = (char)(code.p[i] - 'a' + 'A');
        twin_set_text(c, c->self, "code", text_bytes(&code));
    }
    return true;
}

// --- discounts

static struct twin_object *coupon_of(struct twin_call *c, bytes coupon, bytes code) {
    if (coupon.n > 0)
        return twin_ref(c, "coupon", coupon, "coupon");
    struct twin_object *p = twin_ref(c, "promotion_code", code, "promotion_code");
    if (p != NULL && !twin_true(p, "active")) {
        twin_refuse(c, API_ERROR_INVALID, "promotion_code", "The promotion code %s is not active.",
                    p->id);
        return NULL;
    }
    return p == NULL ? NULL : twin_get(c, twin_text(p, "promotion.coupon"));
}

static bool redeemable(struct twin_call *c, struct twin_object *coupon) {
    int64_t most = twin_int(coupon, "max_redemptions"), by = twin_int(coupon, "redeem_by");
    bool good = (most == 0 || twin_int(coupon, "times_redeemed") < most) &&
                (by == 0 || twin_time(c, coupon) < by);
    if (!good)
        twin_refuse_as(c, 400, "invalid_request_error", "coupon_expired", "coupon", NO_BYTES,
                       "Coupon expired: %s", coupon->id);
    return good;
}

static void fill(struct twin_call *c, struct twin_object *d, struct twin_object *coupon, bytes code,
                 int64_t now) {
    twin_set_str(c, d, "source.coupon", coupon->id);
    twin_set_int(c, d, "start", now);
    twin_set_null(c, d, "end");
    if (bytes_equal(twin_text(coupon, "duration"), B("repeating")))
        twin_set_int(c, d, "end",
                     bill_period(now, 1, B("month"), twin_int(coupon, "duration_in_months")));
    if (code.n > 0)
        twin_set_text(c, d, "promotion_code", code);
    else
        twin_set_null(c, d, "promotion_code");
    twin_set_int(c, coupon, "times_redeemed", twin_int(coupon, "times_redeemed") + 1);
    twin_emit(c, coupon, "coupon.updated");
}

struct twin_object *bill_discount(struct twin_call *c, bytes coupon, bytes code,
                                  struct twin_object *customer, struct twin_object *subscription) {
    struct twin_object *of = coupon_of(c, coupon, code);
    if (of == NULL || !redeemable(c, of))
        return NULL;
    struct twin_object *d = twin_make(c, "discount");
    twin_set_str(c, d, "customer", customer->id);
    if (subscription != NULL)
        twin_set_str(c, d, "subscription", subscription->id);
    fill(c, d, of, code, twin_time(c, customer));
    return d;
}

int64_t bill_discount_of(struct twin_call *c, struct twin_object *d, int64_t amount) {
    // Deleted ones too: what was given stays given.
    struct twin_object *coupon =
        twin_find(c->w, bytes_of(d->account), twin_text(d, "source.coupon"));
    int64_t end = twin_int(d, "end");
    if (amount <= 0 || coupon == NULL || d->gone || (end > 0 && twin_time(c, d) >= end))
        return 0;
    int64_t off = twin_int(coupon, "amount_off");
    if (!twin_null(coupon, "percent_off")) {
        // "20" or "12.5": of the amount, to the nearest unit.
        bytes whole = json_literal(twin_at(coupon, "percent_off"));
        bytes rest = whole, digits = bytes_cut(&rest, '.');
        int64_t percent = 0, part = 0, scale = 100;
        (void)(bytes_to_i64(digits, &percent) == OK);
        for (size_t i = 0; i < rest.n && i < 4; i++) {
            part = part * 10 + (rest.p[i] - '0');
            percent *= 10;
            scale *= 10;
        }
        off = bill_part(amount, percent + part, scale);
    }
    return off > amount ? amount : off;
}

// --- a customer's own

static void show(struct twin_call *c, struct twin_object *d) {
    twin_set(c, c->self, "discount", twin_root(d));
}

static struct twin_object *own_discount(struct twin_call *c) {
    return twin_get(c, twin_text(c->self, "discount.id"));
}

static void drop(struct twin_call *c, struct twin_object *d) {
    twin_set_int(c, d, "end", twin_time(c, c->self));
    twin_set_null(c, c->self, "discount");
    twin_remove(c, d);
    twin_emit(c, d, "customer.discount.deleted");
}

// `coupon` or `promotion_code` of a customer: one that there is has its coupon exchanged.
bool effect_customer_discount(struct twin_call *c) {
    bytes coupon = twin_param_text(c, "coupon"), code = twin_param_text(c, "promotion_code");
    struct twin_object *d = own_discount(c);
    if (!twin_given(c, "coupon") && !twin_given(c, "promotion_code"))
        return true;
    if (coupon.n == 0 && code.n == 0) {
        if (d != NULL)
            drop(c, d);
        return true;
    }
    if (d == NULL) {
        d = bill_discount(c, coupon, code, c->self, NULL);
        if (d == NULL)
            return false;
    } else {
        struct twin_object *of = coupon_of(c, coupon, code);
        if (of == NULL || !redeemable(c, of))
            return false;
        fill(c, d, of, code, twin_time(c, c->self));
    }
    show(c, d);
    return true;
}

// Behind the customer's own event.
bool effect_customer_discount_told(struct twin_call *c) {
    struct twin_object *d = own_discount(c);
    if (d == NULL || (!twin_given(c, "coupon") && !twin_given(c, "promotion_code")))
        return true;
    twin_emit(c, d, d->fresh ? "customer.discount.created" : "customer.discount.updated");
    return true;
}

// DELETE v1/customers/{id}/discount, and a subscription's.
bool effect_discount_delete(struct twin_call *c) {
    bool own = strcmp(c->self->resource->object, "customer") == 0;
    bytes id = own ? twin_text(c->self, "discount.id")
                   : json_string(json_at(twin_at(c->self, "discounts"), 0));
    struct twin_object *d = twin_get(c, id);
    if (d == NULL)
        return twin_refuse(c, API_ERROR_MISSING, "id", "No active discount for %s: '%s'",
                           c->self->resource->object, c->self->id);
    if (own) {
        drop(c, d);
        twin_emit(c, c->self, "customer.updated");
    } else {
        twin_set_json(c, c->self, "discounts", B("[]"));
        twin_set_int(c, d, "end", twin_time(c, c->self));
        twin_remove(c, d);
        twin_emit(c, d, "customer.discount.deleted");
        twin_emit(c, c->self, "customer.subscription.updated");
    }
    text_adds(&c->answer, "{\"id\":");
    text_add_json(&c->answer, bytes_of(d->id));
    text_adds(&c->answer, ",\"object\":\"discount\",\"deleted\":true}");
    return true;
}
