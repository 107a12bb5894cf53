// SPDX-License-Identifier: MIT
// What a process holds in memory beyond what it needs.
#ifndef PORT_RESIDENT_H
#define PORT_RESIDENT_H

// Once a program has started: gives back the heap's free end, and unmaps the pages of programs and
// libraries that starting alone needed. They lie in the system's page cache and come again when
// they are touched; until then the system may use their memory for others. Any thread; takes a
// millisecond or so.
void resident_trim(void);

#endif
