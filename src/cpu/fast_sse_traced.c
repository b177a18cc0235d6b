// SPDX-License-Identifier: Apache-2.0
// The fast SSE forms once more; see fast_traced.c.
#define SP_TRACED
#define fast_sse_form fast_sse_form_traced
#include "cpu/trace.h"

#include "cpu/fast_sse.c"
