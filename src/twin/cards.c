// SPDX-License-Identifier: MIT
#include "twin/cards.h"

#include <string.h>

#include "base/digest.h"
#include "twin/tokens.h"

#define YEAR_S 31556952
#define DIGITS_MIN 12
#define DIGITS_MAX 19
#define FINGERPRINT 16
#define ACCOUNT_MIN 5

static const struct card cards[] = {
#define CARD(name, number, brand, funding, country, end, code, decline, doc)                       \
    {name, number, brand, funding, country, CARD_##end, code, decline, doc},
#include "twin/cards.def"
#undef CARD
};

static const struct bank banks[] = {
#define BANK(type, account, end, delay_s, code, doc)                                               \
    {type, account, BANK_##end, delay_s, code, doc},
#include "twin/banks.def"
#undef BANK
};

static const struct decline declines[] = {
#define DECLINE(decline, seller, message) {decline, seller, message},
#include "twin/declines.def"
#undef DECLINE
};

#define COUNT(a) (sizeof(a) / sizeof *(a))

const struct card *card_by_name(bytes name) {
    for (size_t i = 0; i < COUNT(cards); i++)
        if (bytes_equal(bytes_of(cards[i].name), name))
            return &cards[i];
    return NULL;
}

static const struct card *card_by_number(bytes number) {
    for (size_t i = 0; i < COUNT(cards); i++)
        if (bytes_equal(bytes_of(cards[i].number), number))
            return &cards[i];
    return NULL;
}

const struct card *card_of(struct twin_object *o) { return card_by_name(twin_text(o, "$.card")); }

static const struct bank *bank_by_account(bytes type, bytes account) {
    for (size_t i = 0; i < COUNT(banks); i++)
        if (bytes_equal(bytes_of(banks[i].account), account) &&
            bytes_equal(bytes_of(banks[i].type), type))
            return &banks[i];
    return NULL;
}

const struct bank *bank_of(struct twin_object *o) {
    bytes account = twin_text(o, "$.bank");
    bytes type = bytes_cut(&account, ' ');
    const struct bank *b = bank_by_account(type, account);
    return b != NULL ? b : &banks[0];
}

const struct decline *decline_of(const char *name) {
    for (size_t i = 0; i < COUNT(declines); i++)
        if (strcmp(declines[i].name, name) == 0)
            return &declines[i];
    return &declines[0];
}

void card_error_add(struct text *out, const char *code, const char *decline) {
    text_addf(out, ",\"code\":\"%s\"", code);
    if (decline[0] != '\0')
        text_addf(out, ",\"decline_code\":\"%s\"", decline);
    text_adds(out, ",\"doc_url\":\"https://stripe.com/docs/error-codes/");
    for (const char *p = code; *p != '\0'; p++)
        text_addc(out, *p == '_' ? '-' : *p);
    text_addc(out, '"');
}

bool card_refuse(struct twin_call *c, const char *code, const char *decline, const char *param,
                 bytes more) {
    OWN(text_drop)
    struct text all = {0};
    card_error_add(&all, code, decline);
    text_add(&all, more);
    return twin_refuse_as(c, 402, "card_error", NULL, param, text_bytes(&all), "%s",
                          decline_of(decline)->message);
}

// --- numbers

// The check digit of ISO/IEC 7812-1, annex B.
static bool checks(bytes digits) {
    int sum = 0;
    for (size_t i = 0; i < digits.n; i++) {
        int d = digits.p[digits.n - 1 - i] - '0';
        if (i % 2 == 1)
            d = d > 4 ? d * 2 - 9 : d * 2;
        sum += d;
    }
    return sum % 10 == 0;
}

static bool read_digits(bytes in, struct text *out) {
    for (size_t i = 0; i < in.n; i++) {
        if (in.p[i] >= '0' && in.p[i] <= '9')
            text_addc(out, (char)in.p[i]);
        else if (in.p[i] != ' ' && in.p[i] != '-')
            return false;
    }
    return out->n >= DIGITS_MIN && out->n <= DIGITS_MAX;
}

static int64_t year_now(const struct twin_call *c) { return 1970 + c->now_s / YEAR_S; }

void card_take(struct twin_call *c, const struct card *card, struct card_given *out) {
    *out = (struct card_given){.card = card, .month = 8, .year = year_now(c) + 2, .cvc = true};
}

static bool read_date(struct twin_call *c, struct card_given *out) {
    if (!twin_param_int(c, "card.exp_month", &out->month) ||
        !twin_param_int(c, "card.exp_year", &out->year))
        return false;
    if (out->year < 100)
        out->year += 2000;
    if (out->month < 1 || out->month > 12)
        return card_refuse(c, "invalid_expiry_month", "invalid_expiry_month", "exp_month",
                           NO_BYTES);
    if (out->year < year_now(c) || out->year > year_now(c) + 50)
        return card_refuse(c, "invalid_expiry_year", "invalid_expiry_year", "exp_year", NO_BYTES);
    return true;
}

static bool read_token(struct twin_call *c, bytes id, struct card_given *out) {
    const struct card *card = NULL;
    struct twin_object *token = twin_get(c, id);
    if (token != NULL && twin_is(token, "token")) {
        if (!token_use(c, token))
            return false;
        card_take(c, card_of(token), out);
        out->month = twin_int(token, "card.exp_month");
        out->year = twin_int(token, "card.exp_year");
        return out->card != NULL || twin_refuse(c, API_ERROR_INVALID, "card[token]",
                                                "The token %s stands for no card.", token->id);
    }
    if (bytes_starts(id, B("tok_")))
        card = card_by_name(bytes_slice(id, 4, id.n));
    OWN(text_drop)
    struct text shown = {0};
    text_add_printable(&shown, id, 64);
    if (card == NULL)
        return twin_refuse(c, API_ERROR_CURSOR_MISSING, "card[token]", "No such token: '%s'",
                           text_str(&shown));
    card_take(c, card, out);
    return true;
}

bool card_read(struct twin_call *c, struct card_given *out) {
    OWN(text_drop)
    struct text digits = {0};
    bytes token = twin_param_text(c, "card.token");
    if (token.n > 0)
        return read_token(c, token, out);
    bytes number = twin_param_text(c, "card.number");
    if (number.n == 0)
        return twin_refuse(c, API_ERROR_PARAMETER_MISSING, "card[number]",
                           "Missing required param: card[number].");
    if (!read_digits(number, &digits) || !checks(text_bytes(&digits)))
        return card_refuse(c, "incorrect_number", "incorrect_number", "number", NO_BYTES);
    card_take(c, card_by_number(text_bytes(&digits)), out);
    if (out->card == NULL)
        return card_refuse(c, "card_declined", "test_mode_live_card", "number", NO_BYTES);
    out->cvc = twin_given(c, "card.cvc");
    return read_date(c, out);
}

// --- what objects show of them

// The same account has the same one, whoever uses it.
static void add_fingerprint(struct text *out, bytes account) {
    static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    uint8_t hash[SHA256_SIZE];
    bytes parts[] = {B("fingerprint "), account};
    digest_sha256(parts, 2, hash);
    for (size_t i = 0; i < FINGERPRINT; i++)
        text_addc(out, digits[hash[i] % 62]);
}

static const char *last4(const char *number) { return number + strlen(number) - 4; }

void card_put_method(struct twin_call *c, struct twin_object *o, const struct card_given *g) {
    OWN(text_drop)
    struct text t = {0};
    const struct card *k = g->card;
    text_addf(&t,
              "{\"brand\":\"%s\",\"checks\":{\"address_line1_check\":null,"
              "\"address_postal_code_check\":null,\"cvc_check\":%s},\"country\":\"%s\","
              "\"display_brand\":\"%s\",\"exp_month\":%lld,\"exp_year\":%lld,\"fingerprint\":\"",
              k->brand, g->cvc ? "\"unchecked\"" : "null", k->country, k->brand,
              (long long)g->month, (long long)g->year);
    add_fingerprint(&t, bytes_of(k->number));
    text_addf(&t,
              "\",\"funding\":\"%s\",\"generated_from\":null,\"last4\":\"%s\","
              "\"networks\":{\"available\":[\"%s\"],\"preferred\":null},"
              "\"regulated_status\":\"unregulated\",\"three_d_secure_usage\":{\"supported\":true},"
              "\"wallet\":null}",
              k->funding, last4(k->number), k->brand);
    twin_set_json(c, o, "card", text_bytes(&t));
    twin_set_str(c, o, "type", "card");
    twin_set_str(c, o, "$.card", k->name);
}

// As cards by themselves write them.
static const char *old_brand(const char *brand) {
    static const char *const names[][2] = {
        {"visa", "Visa"},         {"mastercard", "MasterCard"}, {"amex", "American Express"},
        {"discover", "Discover"}, {"diners", "Diners Club"},    {"jcb", "JCB"},
        {"unionpay", "UnionPay"},
    };
    for (size_t i = 0; i < COUNT(names); i++)
        if (strcmp(names[i][0], brand) == 0)
            return names[i][1];
    return "Unknown";
}

void card_put(struct twin_call *c, struct twin_object *o, const struct card_given *g) {
    OWN(text_drop)
    struct text fingerprint = {0};
    add_fingerprint(&fingerprint, bytes_of(g->card->number));
    twin_set_str(c, o, "brand", old_brand(g->card->brand));
    twin_set_str(c, o, "country", g->card->country);
    twin_set_int(c, o, "exp_month", g->month);
    twin_set_int(c, o, "exp_year", g->year);
    twin_set_text(c, o, "fingerprint", text_bytes(&fingerprint));
    twin_set_str(c, o, "funding", g->card->funding);
    twin_set_str(c, o, "last4", last4(g->card->number));
    twin_set_str(c, o, "$.card", g->card->name);
}

void card_put_at(struct twin_call *c, struct twin_object *o, const char *path,
                 const struct card_given *g) {
    OWN(text_drop)
    struct text t = {0};
    OWN(text_drop)
    struct text id = {0};
    twin_id(c, "card_1", &id);
    text_adds(&t, "{\"id\":");
    text_add_json(&t, text_bytes(&id));
    text_addf(&t,
              ",\"object\":\"card\",\"address_city\":null,\"address_country\":null,"
              "\"address_line1\":null,\"address_line1_check\":null,\"address_line2\":null,"
              "\"address_state\":null,\"address_zip\":null,\"address_zip_check\":null,"
              "\"brand\":\"%s\",\"country\":\"%s\",\"customer\":null,\"cvc_check\":%s,"
              "\"dynamic_last4\":null,\"exp_month\":%lld,\"exp_year\":%lld,\"fingerprint\":\"",
              old_brand(g->card->brand), g->card->country, g->cvc ? "\"unchecked\"" : "null",
              (long long)g->month, (long long)g->year);
    add_fingerprint(&t, bytes_of(g->card->number));
    text_addf(&t,
              "\",\"funding\":\"%s\",\"last4\":\"%s\",\"metadata\":{},\"name\":null,"
              "\"regulated_status\":\"unregulated\",\"tokenization_method\":null}",
              g->card->funding, last4(g->card->number));
    twin_set_json(c, o, path, text_bytes(&t));
    twin_set_str(c, o, "$.card", g->card->name);
}

static void add_bank(struct text *out, bytes type, bytes account) {
    bool sepa = bytes_equal(type, B("sepa_debit"));
    text_adds(out, "{\"fingerprint\":\"");
    add_fingerprint(out, account);
    text_adds(out, "\",\"last4\":");
    text_add_json(out, bytes_slice(account, account.n - 4, account.n));
    if (sepa) {
        text_adds(out, ",\"bank_code\":null,\"branch_code\":null,\"generated_from\":"
                       "{\"charge\":null,\"setup_attempt\":null},\"country\":");
        text_add_json(out, bytes_slice(account, 0, 2));
    } else if (bytes_equal(type, B("us_bank_account"))) {
        text_adds(out, ",\"account_holder_type\":\"individual\",\"account_type\":\"checking\","
                       "\"bank_name\":\"STRIPE TEST BANK\",\"financial_connections_account\":null,"
                       "\"networks\":{\"preferred\":\"ach\",\"supported\":[\"ach\"]},"
                       "\"routing_number\":\"110000000\",\"status_details\":{}");
    }
    text_addc(out, '}');
}

bool bank_put_method(struct twin_call *c, struct twin_object *o, bytes type) {
    OWN(text_drop)
    struct text path = {0};
    OWN(text_drop)
    struct text t = {0};
    OWN(text_drop)
    struct text kind = {0};
    const char *name = bytes_equal(type, B("sepa_debit")) ? "iban" : "account_number";
    text_add(&kind, type);
    text_addf(&path, "%s.%s", text_str(&kind), name);
    bytes account = twin_param_text(c, text_str(&path));
    if (account.n < ACCOUNT_MIN)
        return twin_refuse(c, API_ERROR_PARAMETER_MISSING, text_str(&kind),
                           "Missing required param: %s[%s].", text_str(&kind), name);
    add_bank(&t, type, account);
    twin_set_json(c, o, text_str(&kind), text_bytes(&t));
    if (bank_by_account(type, account) == NULL)
        return true;
    text_addf(&kind, " %.*s", BYTES_ARG(account));
    twin_set_text(c, o, "$.bank", text_bytes(&kind));
    return true;
}
