// SPDX-License-Identifier: MIT
// Apart from event.c, since it takes memory by the program's policy (base/memory.h).
#include "base/text.h"
#include "stripe/event.h"

result event_parse(bytes body, struct event *out, struct text *why) {
    *out = (struct event){0};
    struct json_doc *doc;
    struct event_fault fault;
    result parsed = json_parse(body, &doc);
    if (parsed != OK) {
        if (why != NULL)
            text_adds(why, parsed->text);
        return parsed;
    }
    result read = event_read(doc, out, &fault);
    if (read != OK && why != NULL)
        text_addf(why, "%s %s", fault.field, fault.problem);
    return read;
}
