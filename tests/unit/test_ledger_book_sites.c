// SPDX-License-Identifier: MIT
// What booking makes of sites, told as stories: who teaches whom, who waits, who is routed.
#include "book_story.h"

#define OBJECT(n_, second_, type_, object_)                                                        \
    "{\"id\":\"evt_" n_ "\",\"object\":\"event\",\"created\":" second_ ",\"livemode\":true,"       \
    "\"type\":\"" type_ "\",\"data\":{\"object\":{" object_ "}}}"
#define IN_ACCOUNT(n_, account_, type_, object_)                                                   \
    "{\"id\":\"evt_" n_                                                                            \
    "\",\"object\":\"event\",\"created\":1,\"livemode\":true,\"account\":\"" account_              \
    "\",\"type\":\"" type_ "\",\"data\":{\"object\":{" object_ "}}}"
#define IS(type_, id_) "\"object\":\"" type_ "\",\"id\":\"" id_ "\""
#define OF(site_) ",\"metadata\":{\"site\":\"" site_ "\"}"
#define BY(site_)                                                                                  \
    "{\"where\":[{\"path\":\"data.object.metadata.site\",\"values\":[\"" site_ "\"]}]}"
#define SITE(name_, late_, claims_)                                                                \
    "{\"name\":\"" name_ "\",\"late\":\"" late_ "\",\"claims\":[" claims_ "]}"
#define TWO_SITES "[" SITE("shop", "route", BY("shop")) "," SITE("blog", "route", BY("blog")) "]"
#define NOBODY FOR_SITE("unclaimed")
#define THREE FOR_SITE("shop"), FOR_SITE("blog"), NOBODY

static void with(void **state, const char *sites) { ((struct story *)*state)->sites = sites; }

// What is told of events and deliveries; receipts and destinations are other stories'.
static void assert_told(struct story *s, const char *expected) {
    OWN(text_drop)
    struct text memory = {0}, sqlite = {0};
    EACH_TELLER(t, s) {
        OWN(text_drop)
        struct text told = {0};
        for (bytes rest = text_bytes(&t->trace); rest.n > 0;) {
            bytes line = bytes_cut(&rest, '\n');
            if (bytes_starts(line, B("  receipt")) || bytes_starts(line, B("  destination")) ||
                bytes_starts(line, B("  in force")))
                continue;
            text_add(&told, line);
            text_addc(&told, '\n');
        }
        assert_string_equal(text_str(&told), expected);
        text_reset(&t->trace);
    }
    assert_ok(s->tellers[0].world.store->dump(s->tellers[0].world.store, &memory));
    assert_ok(s->tellers[1].world.store->dump(s->tellers[1].world.store, &sqlite));
    assert_string_equal(text_str(&memory), text_str(&sqlite));
}

static void site_is(struct story *s, const char *key, const char *expected) {
    EACH_TELLER(t, s) {
        struct store *st = t->world.store;
        struct arena *a = &t->world.arena;
        struct site_object o;
        OWN(text_drop)
        struct text got = {0};
        assert_ok(st->object_find(st, B("main"), true, bytes_of(key), a, &o));
        text_addf(&got, "evidence %lld, below %lld", (long long)o.evidence, (long long)o.below);
        assert_string_equal(text_str(&got), expected);
    }
}

// So many events of the site were seen.
static void seen(struct story *s, const char *site, unsigned events) {
    OWN(text_drop)
    struct text dump = {0}, row = {0};
    struct store *memory = s->tellers[0].world.store;
    assert_ok(memory->dump(memory, &dump));
    text_addf(&row, "sighting kind=5 whose=\"\" what=\"%s\" livemode=1 ", site);
    size_t at = bytes_search(text_bytes(&dump), text_bytes(&row));
    if (events == 0) {
        assert_int_equal(at, dump.n);
        return;
    }
    bytes line = bytes_slice(text_bytes(&dump), at, dump.n);
    text_reset(&row);
    text_addf(&row, " count=%u ", events);
    line = bytes_cut(&line, '\n');
    if (bytes_search(line, text_bytes(&row)) == line.n)
        fail_msg("not%s in %.*s", text_str(&row), BYTES_ARG(line));
}

static void a_claim_teaches_what_is_below(void **state) {
    with(state, TWO_SITES);
    ADOPT(*state, "two sites", THREE);
    receive(*state, "a customer of the blog",
            OBJECT("1", "1", "customer.created", IS("customer", "cus_1") OF("blog")));
    receive(*state, "his charge",
            OBJECT("2", "2", "charge.succeeded", IS("charge", "ch_1") ",\"customer\":\"cus_1\""));
    receive(*state, "a refund of it, the charge whole inside",
            OBJECT("3", "3", "refund.created",
                   IS("refund", "re_1") ",\"charge\":{" IS("charge", "ch_1") "}"));
    receive(*state, "a charge of nobody known",
            OBJECT("4", "4", "charge.succeeded", IS("charge", "ch_2")));
    assert_told(*state, "1 two sites\n"
                        "2 a customer of the blog\n"
                        "  delivery 1: event 2 to 2: due, at 2.0 s\n"
                        "  event 2: evt_1 customer.created live, site 2: pending\n"
                        "3 his charge\n"
                        "  delivery 2: event 3 to 2: due, at 3.0 s\n"
                        "  event 3: evt_2 charge.succeeded live, site 2: pending\n"
                        "4 a refund of it, the charge whole inside\n"
                        "  delivery 3: event 4 to 2: due, at 4.0 s\n"
                        "  event 4: evt_3 refund.created live, site 2: pending\n"
                        "5 a charge of nobody known\n"
                        "  delivery 4: event 5 to 3: due, at 5.0 s\n"
                        "  event 5: evt_4 charge.succeeded live, unclaimed: pending\n");
}

static void a_late_claim_routes_what_waited(void **state) {
    with(state, TWO_SITES);
    ADOPT(*state, "two sites, and one that gets all", FOR_SITE("shop"), FOR_SITE("blog"),
          {"all", "both", NULL, "1"});
    receive(*state, "a refund",
            OBJECT("1", "1", "refund.created", IS("refund", "re_1") ",\"charge\":\"ch_1\""));
    receive(
        *state, "its charge",
        OBJECT("2", "2", "charge.succeeded", IS("charge", "ch_1") ",\"payment_intent\":\"pi_1\""));
    receive(*state, "the claim, on what is above",
            OBJECT("3", "3", "payment_intent.succeeded", IS("payment_intent", "pi_1") OF("shop")));
    receive(*state, "once more",
            OBJECT("3", "3", "payment_intent.succeeded", IS("payment_intent", "pi_1") OF("shop")));
    assert_told(*state, "1 two sites, and one that gets all\n"
                        "2 a refund\n"
                        "  delivery 1: event 2 to 3: due, at 2.0 s\n"
                        "  event 2: evt_1 refund.created live, unclaimed: pending\n"
                        "3 its charge\n"
                        "  delivery 2: event 3 to 3: due, at 3.0 s\n"
                        "  event 3: evt_2 charge.succeeded live, unclaimed: pending\n"
                        "4 the claim, on what is above\n"
                        "  event 2: evt_1 refund.created live, site 1: pending\n"
                        "  event 3: evt_2 charge.succeeded live, site 1: pending\n"
                        "  delivery 3: event 2 to 1: due, at 4.0 s\n"
                        "  event 4: evt_3 payment_intent.succeeded live, site 1: pending\n"
                        "  delivery 4: event 3 to 1: due, at 4.0 s\n"
                        "  delivery 5: event 4 to 1: due, at 4.0 s\n"
                        "  delivery 6: event 4 to 3: due, at 4.0 s\n"
                        "5 once more\n");
}

static void late_leave_leaves(void **state) {
    with(state, "[" SITE("shop", "leave", BY("shop")) "]");
    ADOPT(*state, "a site that wants nothing late", FOR_SITE("shop"));
    receive(*state, "a charge",
            OBJECT("1", "1", "charge.succeeded", IS("charge", "ch_1") ",\"customer\":\"cus_1\""));
    receive(*state, "its customer",
            OBJECT("2", "2", "customer.created", IS("customer", "cus_1") OF("shop")));
    with(state, "[" SITE("shop", "route", BY("shop")) "]");
    ADOPT(*state, "now it does", FOR_SITE("shop"));
    assert_told(*state, "1 a site that wants nothing late\n"
                        "2 a charge\n"
                        "  event 2: evt_1 charge.succeeded live, unclaimed: ignored\n"
                        "3 its customer\n"
                        "  delivery 1: event 3 to 1: due, at 3.0 s\n"
                        "  event 3: evt_2 customer.created live, site 1: pending\n"
                        "4 now it does\n"
                        "  event 2: evt_1 charge.succeeded live, site 1: pending\n"
                        "  delivery 2: event 2 to 1: due, at 4.0 s\n");
}

// What is read again for new claims is learnt whole before anybody is routed by it.
static void new_claims_are_learnt_before_they_route(void **state) {
    with(state, "[" SITE("shop", "route", "") "," SITE("blog", "route", "") "]");
    ADOPT(*state, "two sites that claim nothing", FOR_SITE("shop"), FOR_SITE("blog"));
    receive(*state, "a customer of the shop",
            OBJECT("1", "1", "customer.created", IS("customer", "cus_1") OF("shop")));
    receive(*state, "his charge says that it is the blog's",
            OBJECT("2", "2", "charge.succeeded",
                   IS("charge", "ch_1") OF("blog") ",\"customer\":\"cus_1\""));
    with(state, TWO_SITES);
    ADOPT(*state, "now they claim", FOR_SITE("shop"), FOR_SITE("blog"));
    site_is(*state, "ch_1", "evidence -1, below 0");
    assert_told(*state, "1 two sites that claim nothing\n"
                        "2 a customer of the shop\n"
                        "  event 2: evt_1 customer.created live, unclaimed: ignored\n"
                        "3 his charge says that it is the blog's\n"
                        "  event 3: evt_2 charge.succeeded live, unclaimed: ignored\n"
                        "4 now they claim\n"
                        "  delivery 1: event 2 to 1: due, at 4.0 s\n"
                        "  event 2: evt_1 customer.created live, site 1: pending\n"
                        "  delivery 2: event 3 to 2: due, at 4.0 s\n"
                        "  event 3: evt_2 charge.succeeded live, site 2: pending\n");
}

// What a site left is another's once those above contradict each other.
static void what_was_left_may_be_anothers(void **state) {
    with(state, "[" SITE("shop", "leave", BY("shop")) "," SITE("blog", "route", BY("blog")) "]");
    ADOPT(*state, "one site wants nothing late", FOR_SITE("blog"));
    receive(*state, "a charge of an invoice",
            OBJECT("1", "1", "charge.succeeded", IS("charge", "ch_1") ",\"invoice\":\"in_1\""));
    receive(*state, "another of it is the shop's, who leaves the first",
            OBJECT("2", "2", "charge.succeeded",
                   IS("charge", "ch_2") OF("shop") ",\"invoice\":\"in_1\""));
    receive(*state, "a customer has a charge of the blog",
            OBJECT("3", "3", "charge.succeeded",
                   IS("charge", "ch_3") OF("blog") ",\"customer\":\"cus_1\""));
    receive(*state, "and the first one, which is the shop's by its invoice",
            OBJECT("4", "4", "charge.updated", IS("charge", "ch_1") ",\"customer\":\"cus_1\""));
    receive(*state, "the invoice is shared: now he decides",
            OBJECT("5", "5", "charge.succeeded",
                   IS("charge", "ch_4") OF("blog") ",\"invoice\":\"in_1\""));
    assert_told(*state, "1 one site wants nothing late\n"
                        "2 a charge of an invoice\n"
                        "  event 2: evt_1 charge.succeeded live, unclaimed: ignored\n"
                        "3 another of it is the shop's, who leaves the first\n"
                        "  event 3: evt_2 charge.succeeded live, site 1: ignored\n"
                        "4 a customer has a charge of the blog\n"
                        "  delivery 1: event 4 to 1: due, at 4.0 s\n"
                        "  event 4: evt_3 charge.succeeded live, site 2: pending\n"
                        "5 and the first one, which is the shop's by its invoice\n"
                        "  event 5: evt_4 charge.updated live, site 1: ignored\n"
                        "6 the invoice is shared: now he decides\n"
                        "  event 2: evt_1 charge.succeeded live, site 2: pending\n"
                        "  delivery 2: event 2 to 1: due, at 6.0 s\n"
                        "  delivery 3: event 6 to 1: due, at 6.0 s\n"
                        "  event 6: evt_5 charge.succeeded live, site 2: pending\n");
}

static void upwards_all_must_agree(void **state) {
    with(state, TWO_SITES);
    ADOPT(*state, "two sites", FOR_SITE("shop"), FOR_SITE("blog"));
    receive(*state, "a customer", OBJECT("1", "1", "customer.created", IS("customer", "cus_1")));
    receive(*state, "two steps below him, a charge of the shop",
            OBJECT("2", "2", "charge.succeeded",
                   IS("charge", "ch_1") OF("shop") ",\"payment_intent\":{" IS(
                       "payment_intent", "pi_1") ",\"customer\":\"cus_1\"}"));
    receive(*state, "his card is the shop's by him",
            OBJECT("3", "3", "payment_method.attached",
                   IS("payment_method", "pm_1") ",\"customer\":\"cus_1\""));
    receive(*state, "a charge of the blog",
            OBJECT("4", "4", "charge.succeeded",
                   IS("charge", "ch_2") OF("blog") ",\"customer\":\"cus_1\""));
    receive(*state, "from now on he is shared",
            OBJECT("5", "5", "customer.updated", IS("customer", "cus_1")));
    receive(*state, "and so is what is his alone",
            OBJECT("6", "6", "payment_method.updated",
                   IS("payment_method", "pm_1") ",\"customer\":\"cus_1\""));
    receive(*state, "but not what is below the charge",
            OBJECT("7", "7", "refund.created", IS("refund", "re_1") ",\"charge\":\"ch_1\""));
    assert_told(*state, "1 two sites\n"
                        "2 a customer\n"
                        "  event 2: evt_1 customer.created live, unclaimed: ignored\n"
                        "3 two steps below him, a charge of the shop\n"
                        "  delivery 1: event 2 to 1: due, at 3.0 s\n"
                        "  event 2: evt_1 customer.created live, site 1: pending\n"
                        "  delivery 2: event 3 to 1: due, at 3.0 s\n"
                        "  event 3: evt_2 charge.succeeded live, site 1: pending\n"
                        "4 his card is the shop's by him\n"
                        "  delivery 3: event 4 to 1: due, at 4.0 s\n"
                        "  event 4: evt_3 payment_method.attached live, site 1: pending\n"
                        "5 a charge of the blog\n"
                        "  delivery 4: event 5 to 2: due, at 5.0 s\n"
                        "  event 5: evt_4 charge.succeeded live, site 2: pending\n"
                        "6 from now on he is shared\n"
                        "  event 6: evt_5 customer.updated live, unclaimed: ignored\n"
                        "7 and so is what is his alone\n"
                        "  event 7: evt_6 payment_method.updated live, unclaimed: ignored\n"
                        "8 but not what is below the charge\n"
                        "  delivery 5: event 8 to 1: due, at 8.0 s\n"
                        "  event 8: evt_7 refund.created live, site 1: pending\n");
    site_is(*state, "cus_1", "evidence 0, below -1");
    site_is(*state, "pi_1", "evidence 0, below 1");
}

#define SUBSCRIPTION(n_, id_, more_)                                                               \
    OBJECT(n_, n_, "customer.subscription.created",                                                \
           IS("subscription", id_) ",\"customer\":\"cus_1\",\"items\":{\"data\":[{\"price\":"      \
                                   "\"gold\"}]}" more_)
#define PRICED                                                                                     \
    "[" SITE("shop", "route", "{\"prices\":[\"gold\"]}") "," SITE("blog", "route", BY("blog")) "]"
#define PRICED_LAST                                                                                \
    "[" SITE("blog", "route", BY("blog")) "," SITE("shop", "route", "{\"prices\":[\"gold\"]}") "]"

// The site that stands first wins, whichever claim came first; the object's own beats both.
static void the_configuration_decides_contradictions(void **state) {
    const char *customer = OBJECT("9", "9", "customer.created", IS("customer", "cus_1") OF("blog"));
    with(state, PRICED);
    ADOPT(*state, "the shop stands first", FOR_SITE("shop"), FOR_SITE("blog"));
    receive(*state, "a subscription to gold", SUBSCRIPTION("1", "sub_1", ""));
    receive(*state, "its customer is the blog's", customer);
    receive(*state, "another", SUBSCRIPTION("2", "sub_2", ""));
    receive(*state, "one that says so itself", SUBSCRIPTION("3", "sub_3", OF("blog")));
    site_is(*state, "sub_1", "evidence -1, below 0");
    with(state, PRICED_LAST);
    ADOPT(*state, "the blog stands first", FOR_SITE("shop"), FOR_SITE("blog"));
    receive(*state, "another", SUBSCRIPTION("4", "sub_4", ""));
    receive(*state, "of the first one",
            OBJECT("5", "5", "invoice.paid", IS("invoice", "in_1") ",\"subscription\":\"sub_1\""));
    receive(*state, "of the one that said so",
            OBJECT("6", "6", "invoice.paid", IS("invoice", "in_2") ",\"subscription\":\"sub_3\""));
    assert_told(*state, "1 the shop stands first\n"
                        "2 a subscription to gold\n"
                        "  delivery 1: event 2 to 1: due, at 2.0 s\n"
                        "  event 2: evt_1 customer.subscription.created live, site 1: pending\n"
                        "3 its customer is the blog's\n"
                        "  delivery 2: event 3 to 2: due, at 3.0 s\n"
                        "  event 3: evt_9 customer.created live, site 2: pending\n"
                        "4 another\n"
                        "  delivery 3: event 4 to 1: due, at 4.0 s\n"
                        "  event 4: evt_2 customer.subscription.created live, site 1: pending\n"
                        "5 one that says so itself\n"
                        "  delivery 4: event 5 to 2: due, at 5.0 s\n"
                        "  event 5: evt_3 customer.subscription.created live, site 2: pending\n"
                        "6 the blog stands first\n"
                        "7 another\n"
                        "  delivery 5: event 7 to 2: due, at 7.0 s\n"
                        "  event 7: evt_4 customer.subscription.created live, site 2: pending\n"
                        "8 of the first one\n"
                        "  delivery 6: event 8 to 2: due, at 8.0 s\n"
                        "  event 8: evt_5 invoice.paid live, site 2: pending\n"
                        "9 of the one that said so\n"
                        "  delivery 7: event 9 to 2: due, at 9.0 s\n"
                        "  event 9: evt_6 invoice.paid live, site 2: pending\n");
}

static void contradictions_are_counted_where_they_begin(void **state) {
    struct story *s = *state;
    with(state, PRICED);
    ADOPT(s, "the shop by a price, the blog by metadata", FOR_SITE("shop"), FOR_SITE("blog"));
    receive(s, "a customer",
            OBJECT("1", "1", "customer.created", IS("customer", "cus_1") OF("blog")));
    assert_int_equal(s->tellers[0].book.tally.contradictions, 0);
    receive(s, "a subscription to gold, with its invoice",
            SUBSCRIPTION("2", "sub_1", ",\"latest_invoice\":\"in_1\""));
    assert_int_equal(s->tellers[0].book.tally.contradictions, 1);
    receive(s, "again", SUBSCRIPTION("3", "sub_1", ",\"latest_invoice\":\"in_1\""));
    assert_int_equal(s->tellers[0].book.tally.contradictions, 1);
    assert_int_equal(s->tellers[1].book.tally.contradictions, 1);
    site_is(s, "in_1", "evidence -1, below 0");
}

// The newest event of a second says what an object is; which came first does not matter.
static void metadata_that_changes(void **state) {
    with(state, TWO_SITES);
    ADOPT(*state, "two sites", FOR_SITE("shop"), FOR_SITE("blog"));
    receive(*state, "later, the blog's",
            OBJECT("2", "20", "customer.updated", IS("customer", "cus_1") OF("blog")));
    receive(*state, "before that, the shop's",
            OBJECT("1", "10", "customer.created", IS("customer", "cus_1") OF("shop")));
    receive(*state, "silence takes nothing back",
            OBJECT("3", "30", "customer.updated", IS("customer", "cus_1")));
    receive(*state, "back to the shop, in the same second as the next",
            OBJECT("4", "40", "customer.updated", IS("customer", "cus_1") OF("shop")));
    receive(*state, "of one second: the first site wins",
            OBJECT("5", "40", "customer.updated", IS("customer", "cus_1") OF("blog")));
    assert_told(*state, "1 two sites\n"
                        "2 later, the blog's\n"
                        "  delivery 1: event 2 to 2: due, at 2.0 s\n"
                        "  event 2: evt_2 customer.updated live, site 2: pending\n"
                        "3 before that, the shop's\n"
                        "  delivery 2: event 3 to 2: due, at 3.0 s\n"
                        "  event 3: evt_1 customer.created live, site 2: pending\n"
                        "4 silence takes nothing back\n"
                        "  delivery 3: event 4 to 2: due, at 4.0 s\n"
                        "  event 4: evt_3 customer.updated live, site 2: pending\n"
                        "5 back to the shop, in the same second as the next\n"
                        "  delivery 4: event 5 to 1: due, at 5.0 s\n"
                        "  event 5: evt_4 customer.updated live, site 1: pending\n"
                        "6 of one second: the first site wins\n"
                        "  delivery 5: event 6 to 1: due, at 6.0 s\n"
                        "  event 6: evt_5 customer.updated live, site 1: pending\n");
}

// Two objects, each above the other, and one above itself.
static void circles_end(void **state) {
    with(state, TWO_SITES);
    ADOPT(*state, "two sites", FOR_SITE("shop"), FOR_SITE("blog"));
    receive(*state, "an invoice from a revision of itself",
            OBJECT("1", "1", "invoice.created",
                   IS("invoice", "in_1") ",\"from_invoice\":{\"invoice\":\"in_1\"}"));
    receive(*state, "one from another",
            OBJECT("2", "2", "invoice.created",
                   IS("invoice", "in_2") ",\"from_invoice\":{\"invoice\":\"in_3\"}"));
    receive(*state, "and that one from this",
            OBJECT("3", "3", "invoice.created",
                   IS("invoice", "in_3") ",\"from_invoice\":{\"invoice\":\"in_2\"}"));
    receive(*state, "a payment below says whose they are",
            OBJECT("4", "4", "payment_intent.created",
                   IS("payment_intent", "pi_1") OF("blog") ",\"invoice\":\"in_2\""));
    site_is(*state, "in_2", "evidence 0, below 2");
    site_is(*state, "in_3", "evidence 0, below 2");
    receive(*state, "the circle has one of the shop inside",
            OBJECT("5", "5", "invoice.updated", IS("invoice", "in_3") OF("shop")));
    assert_told(*state, "1 two sites\n"
                        "2 an invoice from a revision of itself\n"
                        "  event 2: evt_1 invoice.created live, unclaimed: ignored\n"
                        "3 one from another\n"
                        "  event 3: evt_2 invoice.created live, unclaimed: ignored\n"
                        "4 and that one from this\n"
                        "  event 4: evt_3 invoice.created live, unclaimed: ignored\n"
                        "5 a payment below says whose they are\n"
                        "  delivery 1: event 3 to 2: due, at 5.0 s\n"
                        "  delivery 2: event 4 to 2: due, at 5.0 s\n"
                        "  event 3: evt_2 invoice.created live, site 2: pending\n"
                        "  delivery 3: event 5 to 2: due, at 5.0 s\n"
                        "  event 4: evt_3 invoice.created live, site 2: pending\n"
                        "  event 5: evt_4 payment_intent.created live, site 2: pending\n"
                        "6 the circle has one of the shop inside\n"
                        "  delivery 4: event 6 to 1: due, at 6.0 s\n"
                        "  event 6: evt_5 invoice.updated live, site 1: pending\n");
}

static void a_claim_that_goes_and_one_that_comes(void **state) {
    with(state, PRICED);
    ADOPT(*state, "the shop by a price", FOR_SITE("shop"), FOR_SITE("blog"));
    receive(*state, "a subscription to gold", SUBSCRIPTION("1", "sub_1", ""));
    with(state, TWO_SITES);
    ADOPT(*state, "by metadata now", FOR_SITE("shop"), FOR_SITE("blog"));
    receive(*state, "gold means nothing any more", SUBSCRIPTION("2", "sub_2", ""));
    receive(*state, "neither of the first one",
            OBJECT("3", "3", "invoice.paid", IS("invoice", "in_1") ",\"subscription\":\"sub_1\""));
    with(state, PRICED);
    ADOPT(*state, "and again", FOR_SITE("shop"), FOR_SITE("blog"));
    assert_told(*state, "1 the shop by a price\n"
                        "2 a subscription to gold\n"
                        "  delivery 1: event 2 to 1: due, at 2.0 s\n"
                        "  event 2: evt_1 customer.subscription.created live, site 1: pending\n"
                        "3 by metadata now\n"
                        "4 gold means nothing any more\n"
                        "  event 4: evt_2 customer.subscription.created live, unclaimed: ignored\n"
                        "5 neither of the first one\n"
                        "  event 5: evt_3 invoice.paid live, unclaimed: ignored\n"
                        "6 and again\n"
                        "  delivery 2: event 4 to 1: due, at 6.0 s\n"
                        "  delivery 3: event 5 to 1: due, at 6.0 s\n"
                        "  event 4: evt_2 customer.subscription.created live, site 1: pending\n"
                        "  event 5: evt_3 invoice.paid live, site 1: pending\n");
}

static void by_hand(void **state) {
    with(state, TWO_SITES);
    ADOPT(*state, "two sites", FOR_SITE("shop"), FOR_SITE("blog"));
    receive(*state, "a charge",
            OBJECT("1", "1", "charge.succeeded", IS("charge", "ch_1") ",\"customer\":\"cus_1\""));
    ask(*state, "{\"do\":\"site_assign\",\"object\":9,\"site\":\"shop\"}");
    ask(*state, "{\"do\":\"site_assign\",\"object\":2,\"site\":\"ship\"}");
    ask(*state, "{\"do\":\"site_assign\",\"site\":\"shop\"}");
    ask(*state, "{\"do\":\"site_assign\",\"object\":2,\"site\":\"shop\"}");
    receive(*state, "the blog claims him",
            OBJECT("2", "2", "customer.created", IS("customer", "cus_1") OF("blog")));
    ask(*state, "{\"do\":\"site_assign\",\"object\":2,\"site\":null}");
    receive(*state, "as claims say", OBJECT("3", "3", "customer.updated", IS("customer", "cus_1")));
    site_is(*state, "ch_1", "evidence 2, below 0");
    assert_told(
        *state,
        "1 two sites\n"
        "2 a charge\n"
        "  event 2: evt_1 charge.succeeded live, unclaimed: ignored\n"
        "3 {\"do\":\"site_assign\",\"object\":9,\"site\":\"shop\"}\n"
        "  answer 3: {\"error\":\"no event has named such an object\"}\n"
        "4 {\"do\":\"site_assign\",\"object\":2,\"site\":\"ship\"}\n"
        "  answer 4: {\"error\":\"the configuration has no site of this name; `hookkeep sites "
        "list` shows those that it has\"}\n"
        "5 {\"do\":\"site_assign\",\"site\":\"shop\"}\n"
        "  answer 5: {\"error\":\"object must be a number\"}\n"
        "6 {\"do\":\"site_assign\",\"object\":2,\"site\":\"shop\"}\n"
        "  delivery 1: event 2 to 1: due, at 6.0 s\n"
        "  event 2: evt_1 charge.succeeded live, site 1: pending\n"
        "  answer 6: {\"ok\":true,\"routed\":1}\n"
        "7 the blog claims him\n"
        "  delivery 2: event 7 to 1: due, at 7.0 s\n"
        "  event 7: evt_2 customer.created live, site 1: pending\n"
        "8 {\"do\":\"site_assign\",\"object\":2,\"site\":null}\n"
        "  answer 8: {\"ok\":true,\"routed\":0}\n"
        "9 as claims say\n"
        "  delivery 3: event 9 to 2: due, at 9.0 s\n"
        "  event 9: evt_3 customer.updated live, site 2: pending\n");
}

// What kept a customer from his site was a word about his charge, and that is taken back.
static void another_word_by_hand_frees_what_waited(void **state) {
    with(state, TWO_SITES);
    ADOPT(*state, "two sites", FOR_SITE("shop"), FOR_SITE("blog"));
    receive(*state, "a charge",
            OBJECT("1", "1", "charge.succeeded", IS("charge", "ch_1") ",\"customer\":\"cus_1\""));
    ask(*state, "{\"do\":\"site_assign\",\"object\":1,\"site\":\"shop\"}");
    receive(*state, "another one",
            OBJECT("2", "2", "charge.succeeded",
                   IS("charge", "ch_2") ",\"customer\":\"cus_1\"" OF("blog")));
    receive(*state, "their customer",
            OBJECT("3", "3", "customer.updated", IS("customer", "cus_1")));
    ask(*state, "{\"do\":\"site_assign\",\"object\":1,\"site\":\"blog\"}");
    assert_told(*state, "1 two sites\n"
                        "2 a charge\n"
                        "  event 2: evt_1 charge.succeeded live, unclaimed: ignored\n"
                        "3 {\"do\":\"site_assign\",\"object\":1,\"site\":\"shop\"}\n"
                        "  delivery 1: event 2 to 1: due, at 3.0 s\n"
                        "  event 2: evt_1 charge.succeeded live, site 1: pending\n"
                        "  answer 3: {\"ok\":true,\"routed\":1}\n"
                        "4 another one\n"
                        "  delivery 2: event 4 to 2: due, at 4.0 s\n"
                        "  event 4: evt_2 charge.succeeded live, site 2: pending\n"
                        "5 their customer\n"
                        "  event 5: evt_3 customer.updated live, unclaimed: ignored\n"
                        "6 {\"do\":\"site_assign\",\"object\":1,\"site\":\"blog\"}\n"
                        "  delivery 3: event 5 to 2: due, at 6.0 s\n"
                        "  event 5: evt_3 customer.updated live, site 2: pending\n"
                        "  answer 6: {\"ok\":true,\"routed\":1}\n");
    seen(*state, "shop", 1);
    seen(*state, "blog", 2);
}

static void what_was_stored_before_there_were_sites(void **state) {
    ADOPT(*state, "no sites", {"all", "both", NULL, "1"});
    receive(*state, "a customer",
            OBJECT("1", "1", "customer.created", IS("customer", "cus_1") OF("blog")));
    receive(*state, "a strange one", OBJECT("2", "2", "customer.created", IS("customer", "cus_2")));
    with(state, TWO_SITES);
    ADOPT(*state, "two sites", FOR_SITE("shop"), FOR_SITE("blog"));
    receive(*state, "his charge",
            OBJECT("3", "3", "charge.succeeded", IS("charge", "ch_1") ",\"customer\":\"cus_1\""));
    ask(*state, "{\"do\":\"site_learn\",\"events\":[2,3,99]}");
    assert_told(*state, "1 no sites\n"
                        "2 a customer\n"
                        "  delivery 1: event 2 to 1: due, at 2.0 s\n"
                        "  event 2: evt_1 customer.created live: pending\n"
                        "3 a strange one\n"
                        "  delivery 2: event 3 to 1: due, at 3.0 s\n"
                        "  event 3: evt_2 customer.created live: pending\n"
                        "4 two sites\n"
                        "  delivery 1: event 2 to 1: cancelled, at 4.0 s (its destination left the "
                        "configuration)\n"
                        "  event 2: evt_1 customer.created live: done\n"
                        "  delivery 2: event 3 to 1: cancelled, at 4.0 s (its destination left the "
                        "configuration)\n"
                        "  event 3: evt_2 customer.created live: done\n"
                        "5 his charge\n"
                        "  event 5: evt_3 charge.succeeded live, unclaimed: ignored\n"
                        "6 {\"do\":\"site_learn\",\"events\":[2,3,99]}\n"
                        "  event 2: evt_1 customer.created live, site 2: done\n"
                        "  delivery 3: event 5 to 3: due, at 6.0 s\n"
                        "  event 5: evt_3 charge.succeeded live, site 2: pending\n"
                        "  answer 6: {\"ok\":true,\"learnt\":2,\"routed\":1}\n");
    seen(*state, "blog", 2);
    seen(*state, "shop", 0);
}

#define ACCOUNTS                                                                                   \
    "[" SITE("shop", "route", "{\"accounts\":[\"acct_1\"]}") "," SITE("blog", "route",             \
                                                                      BY("blog")) "]"

static void a_connected_account_is_one_whole(void **state) {
    with(state, ACCOUNTS);
    ADOPT(*state, "the shop is acct_1, the blog says so", FOR_SITE("shop"), FOR_SITE("blog"));
    receive(*state, "in acct_1",
            IN_ACCOUNT("1", "acct_1", "balance.available", "\"object\":\"balance\""));
    receive(*state, "in acct_2",
            IN_ACCOUNT("2", "acct_2", "charge.succeeded",
                       IS("charge", "ch_2") ",\"customer\":\"cus_2\""));
    receive(*state, "it belongs to the blog",
            IN_ACCOUNT("3", "acct_2", "account.updated", IS("account", "acct_2") OF("blog")));
    receive(*state, "both have a price gold",
            IN_ACCOUNT("4", "acct_2", "price.created", IS("price", "gold")));
    receive(*state, "and one application",
            IN_ACCOUNT("5", "acct_1", "account.application.authorized", IS("application", "ca_1")));
    receive(
        *state, "leaves",
        IN_ACCOUNT("6", "acct_2", "account.application.deauthorized", IS("application", "ca_1")));
    receive(*state, "comes back",
            IN_ACCOUNT("7", "acct_2", "account.application.authorized", IS("application", "ca_1")));
    receive(
        *state, "a transfer of the platform to it",
        OBJECT("8", "8", "transfer.created", IS("transfer", "tr_1") ",\"destination\":\"acct_2\""));
    assert_told(*state,
                "1 the shop is acct_1, the blog says so\n"
                "2 in acct_1\n"
                "  delivery 1: event 2 to 1: due, at 2.0 s\n"
                "  event 2: evt_1 balance.available live of acct_1, site 1: pending\n"
                "3 in acct_2\n"
                "  event 3: evt_2 charge.succeeded live of acct_2, unclaimed: ignored\n"
                "4 it belongs to the blog\n"
                "  delivery 2: event 3 to 2: due, at 4.0 s\n"
                "  event 3: evt_2 charge.succeeded live of acct_2, site 2: pending\n"
                "  delivery 3: event 4 to 2: due, at 4.0 s\n"
                "  event 4: evt_3 account.updated live of acct_2, site 2: pending\n"
                "5 both have a price gold\n"
                "  delivery 4: event 5 to 2: due, at 5.0 s\n"
                "  event 5: evt_4 price.created live of acct_2, site 2: pending\n"
                "6 and one application\n"
                "  delivery 5: event 6 to 1: due, at 6.0 s\n"
                "  event 6: evt_5 account.application.authorized live of acct_1, site 1: pending\n"
                "7 leaves\n"
                "  delivery 6: event 7 to 2: due, at 7.0 s\n"
                "  event 7: evt_6 account.application.deauthorized live of acct_2, site 2: "
                "pending\n"
                "8 comes back\n"
                "  delivery 7: event 8 to 2: due, at 8.0 s\n"
                "  event 8: evt_7 account.application.authorized live of acct_2, site 2: pending\n"
                "9 a transfer of the platform to it\n"
                "  delivery 8: event 9 to 2: due, at 9.0 s\n"
                "  event 9: evt_8 transfer.created live, site 2: pending\n");
}

static void long_ids(void **state) {
    OWN(text_drop)
    struct text longest = {0}, too_long = {0}, event = {0};
    for (int i = 0; i < 255; i++)
        text_addc(&longest, 'x');
    text_add(&too_long, text_bytes(&longest));
    text_addc(&too_long, 'x');
    with(state, TWO_SITES);
    ADOPT(*state, "two sites", FOR_SITE("shop"), FOR_SITE("blog"));
    text_addf(
        &event,
        OBJECT("1", "1", "customer.created", "\"object\":\"customer\",\"id\":\"%s\"" OF("shop")),
        text_str(&longest));
    receive(*state, "a customer whose id is as long as may be", text_str(&event));
    text_reset(&event);
    text_addf(&event,
              OBJECT("2", "2", "charge.succeeded", IS("charge", "ch_1") ",\"customer\":\"%s\""),
              text_str(&longest));
    receive(*state, "his charge", text_str(&event));
    text_reset(&event);
    text_addf(&event,
              OBJECT("3", "3", "charge.succeeded", IS("charge", "ch_2") ",\"customer\":\"%s\""),
              text_str(&too_long));
    receive(*state, "one byte more names nobody", text_str(&event));
    text_reset(&event);
    text_addf(
        &event,
        OBJECT("4", "4", "customer.created", "\"object\":\"customer\",\"id\":\"%s\"" OF("shop")),
        text_str(&too_long));
    receive(*state, "an object of too long an id is claimed for its event alone", text_str(&event));
    assert_told(*state, "1 two sites\n"
                        "2 a customer whose id is as long as may be\n"
                        "  delivery 1: event 2 to 1: due, at 2.0 s\n"
                        "  event 2: evt_1 customer.created live, site 1: pending\n"
                        "3 his charge\n"
                        "  delivery 2: event 3 to 1: due, at 3.0 s\n"
                        "  event 3: evt_2 charge.succeeded live, site 1: pending\n"
                        "4 one byte more names nobody\n"
                        "  event 4: evt_3 charge.succeeded live, unclaimed: ignored\n"
                        "5 an object of too long an id is claimed for its event alone\n"
                        "  delivery 3: event 5 to 1: due, at 5.0 s\n"
                        "  event 5: evt_4 customer.created live, site 1: pending\n");
}

// What one record learnt is gone with it when it cannot be booked after all.
static void what_was_undone_was_not_learnt(void **state) {
    struct story *s = *state;
    with(state, TWO_SITES);
    ADOPT(s, "two sites", FOR_SITE("shop"), FOR_SITE("blog"));
    s->generation = 77; // there is none: the receipt cannot be matched, after it was learnt from
    receive(s, "taken under a configuration that is not in the books",
            OBJECT("1", "1", "customer.created", IS("customer", "cus_1") OF("blog")));
    s->generation = 1;
    receive(s, "his charge",
            OBJECT("2", "2", "charge.succeeded", IS("charge", "ch_1") ",\"customer\":\"cus_1\""));
    assert_told(s,
                "1 two sites\n"
                "2 taken under a configuration that is not in the books\n"
                "  cannot be booked: absent\n"
                "  suspense 2: 202 bytes, waiting (the configuration under which it was taken is "
                "not in the books)\n"
                "3 his charge\n"
                "  event 3: evt_2 charge.succeeded live, unclaimed: ignored\n");
}

#define FROM_B                                                                                     \
    "[{\"types\":[],\"accounts\":[],\"sources\":[\"/b\"],\"secrets\":[],\"scope\":\"any\","        \
    "\"where\":[],\"sites\":[\"blog\"]}]"

// An event that came by two sources owes, late, what each of its receipts would have owed.
static void each_receipt_is_routed_late(void **state) {
    const char *charge =
        OBJECT("1", "1", "charge.succeeded", IS("charge", "ch_1") ",\"customer\":\"cus_1\"");
    with(state, TWO_SITES);
    ADOPT(*state, "the blog by /b alone", {"by_b", "both", FROM_B, "1000"});
    receive(*state, "by /a", charge);
    receive_by(*state, "and by /b", "/b", SCOPE_ANY, MODE_BOTH, charge);
    receive_by(*state, "and by /b for the other mode", "/b", SCOPE_ANY, MODE_TEST, charge);
    receive(*state, "the claim",
            OBJECT("2", "2", "customer.created", IS("customer", "cus_1") OF("blog")));
    assert_told(*state, "1 the blog by /b alone\n"
                        "2 by /a\n"
                        "  event 2: evt_1 charge.succeeded live, unclaimed: ignored\n"
                        "3 and by /b\n"
                        "4 and by /b for the other mode\n"
                        "5 the claim\n"
                        "  delivery 1: event 2 to 1: due, owed by receipt 3, at 5.0 s\n"
                        "  event 2: evt_1 charge.succeeded live, site 2: pending\n"
                        "  event 5: evt_2 customer.created live, site 2: ignored\n");
}

// A hub that says again whose it is stirs nothing below it.
static void what_is_said_again_costs_its_row_alone(void **state) {
    struct story *s = *state;
    with(state, TWO_SITES);
    ADOPT(s, "two sites", FOR_SITE("shop"), FOR_SITE("blog"));
    receive(s, "a charge of nobody known",
            OBJECT("1", "1", "charge.succeeded", IS("charge", "ch_0")));
    receive(s, "a customer",
            OBJECT("2", "2", "customer.created", IS("customer", "cus_1") OF("blog")));
    receive(s, "his charge",
            OBJECT("3", "3", "charge.succeeded", IS("charge", "ch_1") ",\"customer\":\"cus_1\""));
    EACH_TELLER(t, s) {
        assert_ok(book_reload(&t->book)); // what is kept in memory is forgotten
        text_reset(&t->trace);
    }
    receive(s, "he says it again",
            OBJECT("4", "4", "customer.updated", IS("customer", "cus_1") OF("blog")));
    EACH_TELLER(t, s) assert_int_equal(book_sites_at_hand(&t->book), 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
#define STORY(test_) cmocka_unit_test_setup_teardown(test_, story_setup, story_teardown)
        STORY(a_claim_teaches_what_is_below),
        STORY(a_late_claim_routes_what_waited),
        STORY(late_leave_leaves),
        STORY(new_claims_are_learnt_before_they_route),
        STORY(what_was_left_may_be_anothers),
        STORY(upwards_all_must_agree),
        STORY(the_configuration_decides_contradictions),
        STORY(contradictions_are_counted_where_they_begin),
        STORY(metadata_that_changes),
        STORY(circles_end),
        STORY(a_claim_that_goes_and_one_that_comes),
        STORY(by_hand),
        STORY(another_word_by_hand_frees_what_waited),
        STORY(what_was_stored_before_there_were_sites),
        STORY(a_connected_account_is_one_whole),
        STORY(long_ids),
        STORY(each_receipt_is_routed_late),
        STORY(what_is_said_again_costs_its_row_alone),
        STORY(what_was_undone_was_not_learnt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
