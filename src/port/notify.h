// SPDX-License-Identifier: MIT
// Telling the service manager how we are: sd_notify's datagram protocol (man sd_notify(3)), without
// its library.
#ifndef PORT_NOTIFY_H
#define PORT_NOTIFY_H

// "READY=1", "STOPPING=1", … ; nothing happens when $NOTIFY_SOCKET is unset.
void notify_manager(const char *state);

#endif
