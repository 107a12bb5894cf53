// SPDX-License-Identifier: MIT
#include "cli/chain.h"

#define TEXT_MAX 400

static void add(struct text *out, json v) { text_add_printable(out, json_string(v), TEXT_MAX); }

void chain_object(json object, struct text *out) {
    add(out, json_get(object, "type"));
    text_addc(out, ' ');
    add(out, json_get(object, "id"));
}

// What leads from this step to the next; null: it is the last one.
static const char *leads_on(bytes why) {
    if (bytes_equal(why, B("taught")) || bytes_equal(why, B("learnt_above")))
        return "belongs to ";
    return bytes_equal(why, B("learnt_below")) ? "and all that is known below it agrees, as "
                                               : NULL;
}

void chain_print(json object, const char *indent, struct text *out) {
    json step;
    const char *to = "";
    text_adds(out, indent);
    if (json_size(json_get(object, "chain")) == 0) {
        chain_object(object, out);
        text_adds(out, json_true(json_get(object, "many_below"))
                           ? " has no claim, and what belongs to it is of several sites\n"
                           : " has no claim, nor has anything that it belongs to\n");
        return;
    }
    for (size_t at = 0; json_element(json_get(object, "chain"), &at, &step);) {
        bytes why = json_string(json_get(step, "why"));
        if (to == NULL)
            return;
        text_adds(out, to);
        chain_object(step, out);
        text_addf(out, "\n%s  ", indent);
        to = leads_on(why);
        if (bytes_equal(why, B("by_hand")))
            text_adds(out, "is assigned by hand");
        if (!bytes_equal(why, B("claimed")))
            continue;
        text_adds(out, "is claimed by ");
        add(out, json_get(step, "claim"));
    }
    if (to != NULL)
        text_adds(out, "knows it from others that belong to it");
    text_addc(out, '\n');
}
