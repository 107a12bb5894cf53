// SPDX-License-Identifier: MIT
// A JSON document that is being made: begun from text, changed by paths, then finished into one
// that is read (base/json.h). Numbers stay as they were written.
#ifndef BASE_JSON_DRAFT_H
#define BASE_JSON_DRAFT_H

#include "base/json.h"

struct json_draft;

// Failures of json_parse; *out is null then.
must result json_draft_open(bytes in, struct json_draft **out);
void json_draft_close(struct json_draft **d); // null is allowed; usable with OWN

// Puts a copy of `value` at a.b.0.c: keys and array indexes separated by dots; there is no way to
// keys with dots. A key that is not there is added behind the others, an object that is missing on
// the way is made; an index may name an element or the one behind the last. INVALID: the path is
// empty or has an empty step, leads through something that is neither object nor array (a null
// becomes an object), or to an element that an array does not have; *at says up to which byte of
// the path it went well. The draft may have got objects on the way by then.
must result json_draft_set(struct json_draft *d, bytes path, json value, size_t *at);

// Takes away what stands there: a key with its value, or an element, behind which the others move
// up. Nothing there: nothing happens.
void json_draft_remove(struct json_draft *d, bytes path);

// What it has become; failures of json_parse, an INVALID draft is nested too deep.
must result json_draft_finish(const struct json_draft *d, struct json_doc **out);

#endif
