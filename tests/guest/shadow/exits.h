// SPDX-License-Identifier: Apache-2.0
#ifndef SHADOW_EXITS_H
#define SHADOW_EXITS_H

#include "vt.h"

enum next { RESUME_NEXT, RESUME_SAME, STOP, STOP_BROKEN };

/* Handles the VM exit that has happened: what to do with the instruction that made it. */
enum next handle_exit(struct guest *g);
/* How often each exit occurred; false if one of the kinds that this hypervisor is about did not. */
bool print_exits(void);

#endif
