// SPDX-License-Identifier: MIT
// Temporary folders for what a process needs on disk while it lives, in $TMPDIR or /tmp. Whoever
// cannot take his own away, as he was killed, has it taken away by the next of his kind.
#ifndef PORT_FOLDER_H
#define PORT_FOLDER_H

#include "base/text.h"

struct folder;

// Makes one, 0700, whose name begins with `prefix`, and holds a lock in it as long as the process
// lives. Before that it takes away those of this user whose name begins so and whose lock nobody
// holds any more. REFUSED, FULL, IO.
must result folder_open(const char *prefix, struct folder **out);
const char *folder_path(const struct folder *f); // absolute
// Removes it with the files in it; folders inside are left, and then it stays. Null is allowed;
// usable with OWN.
void folder_close(struct folder **f);

#endif
