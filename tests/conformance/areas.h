// SPDX-License-Identifier: Apache-2.0
// The areas of the suite: each is a function that goes through its cases.
#ifndef CONFORMANCE_AREAS_H
#define CONFORMANCE_AREAS_H

#define AREA(name) void area_##name(void);
#include "areas.def"

#endif
