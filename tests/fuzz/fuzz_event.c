// SPDX-License-Identifier: MIT
// The envelope of an event: what is taken for one keeps the promises of stripe/event.h, and says
// the same when it is written anew; half of one is none.
#include "fuzz.h"
#include "stripe/event.h"

const struct fuzz_plant fuzz_plants[] = {
    {"control", PLANT_FUZZED, "an account with control characters passes"},
    {"created", PLANT_FUZZED, "a moment before 1970 is read as another"},
    {"livemode", PLANT_FUZZED, "livemode is read as its opposite from what was written anew"},
    {"half", PLANT_FUZZED, "the last byte need not be there"},
    {0},
};

static void check_name(bytes b) {
    ensure(b.n <= EVENT_ID_MAX && bytes_utf8(b));
    for (size_t i = 0; i < b.n; i++)
        ensure(b.p[i] >= ' ' && b.p[i] != 0x7f);
}

static void check_half(bytes body) {
    OWN(event_drop)
    struct event half = {0};
    while (body.n > 0 && body.p[body.n - 1] != '}')
        body.n--;
    bool taken = event_parse(bytes_slice(body, 0, body.n - 1), &half, NULL) == OK;
    ensure(!taken && !(fuzz_planted("half") && body.n % 7 == 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n) {
    OWN(event_drop)
    struct event e = {0};
    OWN(text_drop)
    struct text why = {0};
    if (event_parse(bytes_from(p, n), &e, &why) != OK) {
        ensure(e.doc == NULL && why.n > 0 && bytes_utf8(text_bytes(&why)));
        return 0;
    }
    ensure(e.id.n > 0 && e.type.n > 0);
    if (fuzz_planted("control") && e.account.n > 0)
        e.account = B("acct\r\n");
    check_name(e.id);
    check_name(e.type);
    check_name(e.account);
    check_name(e.context);
    ensure(!e.thin || e.api_version.n == 0);
    OWN(text_drop)
    struct text anew = {0};
    json_write(json_root(e.doc), &anew);
    OWN(event_drop)
    struct event again = {0};
    ensure(event_parse(text_bytes(&anew), &again, NULL) == OK);
    if (fuzz_planted("created") && again.created < 0)
        again.created++;
    if (fuzz_planted("livemode") && again.livemode)
        again.livemode = false;
    ensure(bytes_equal(e.id, again.id) && bytes_equal(e.type, again.type));
    ensure(e.created == again.created && e.livemode == again.livemode && e.thin == again.thin);
    ensure(bytes_equal(e.account, again.account) && bytes_equal(e.context, again.context));
    ensure(bytes_equal(e.object_id, again.object_id));
    ensure(bytes_equal(e.object_type, again.object_type));
    ensure(bytes_equal(e.snapshot_id, again.snapshot_id));
    ensure(bytes_equal(e.request_id, again.request_id));
    check_half(bytes_from(p, n));
    return 0;
}
