// SPDX-License-Identifier: Apache-2.0
// The fast forms once more, for traced blocks: the same but for what fast_mem.h and run.h make of
// their macros, which put down what is loaded.
#define SP_TRACED
#define fast_form fast_form_traced
#define fast_finish fast_finish_traced
#define fast_sse_form fast_sse_form_traced
#include "cpu/trace.h"

#include "cpu/fast.c"   /* one text, two sets of runners */
