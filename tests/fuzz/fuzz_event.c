// SPDX-License-Identifier: MIT
// The envelope of an event: what is taken for one keeps the promises of stripe/event.h, and says
// the same when it is written anew.
#include "fuzz.h"
#include "stripe/event.h"

static void check_name(bytes b) {
    ensure(b.n <= EVENT_ID_MAX && bytes_utf8(b));
    for (size_t i = 0; i < b.n; i++)
        ensure(b.p[i] >= ' ' && b.p[i] != 0x7f);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n) {
    OWN(event_drop)
    struct event e = {0};
    OWN(text_drop)
    struct text why = {0};
    if (event_parse(bytes_from(p, n), &e, &why) != OK) {
        ensure(e.doc == NULL && bytes_utf8(text_bytes(&why)));
        return 0;
    }
    ensure(e.id.n > 0 && e.type.n > 0);
    check_name(e.id);
    check_name(e.type);
    check_name(e.account);
    check_name(e.context);
    OWN(text_drop)
    struct text anew = {0};
    json_write(json_root(e.doc), &anew);
    OWN(event_drop)
    struct event again = {0};
    ensure(event_parse(text_bytes(&anew), &again, NULL) == OK);
    ensure(bytes_equal(e.id, again.id) && bytes_equal(e.type, again.type));
    ensure(e.created == again.created && e.livemode == again.livemode);
    ensure(bytes_equal(e.account, again.account) && bytes_equal(e.object_id, again.object_id));
    return 0;
}
