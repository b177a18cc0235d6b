// SPDX-License-Identifier: Apache-2.0
// The mutants: what generate.py puts around conditions and statements, and who is alive.
#ifndef SP_CONFORMANCE_MUTATE_H
#define SP_CONFORMANCE_MUTATE_H

#include <stdbool.h>

/* Mutants have numbers: those of generate.py first, those of rules.c behind them. */
enum { MUTANTS_MAX = 8192 };
extern int mutate_chosen;                     /* the one that is alive, -1: none */
extern unsigned char mutate_met[MUTANTS_MAX]; /* it had a chance to do something */

static inline bool mutate_off(int n, bool holds)
{
    if (holds)
        mutate_met[n] = 1;
    return holds && mutate_chosen != n;
}

static inline bool mutate_on(int n, bool holds)
{
    if (!holds)
        mutate_met[n] = 1;
    return holds || mutate_chosen == n;
}

static inline bool mutate_keep(int n)
{
    mutate_met[n] = 1;
    return mutate_chosen != n;
}

#define MUTATE_OFF(n, ...) mutate_off(n, !!(__VA_ARGS__))
#define MUTATE_ON(n, ...) mutate_on(n, !!(__VA_ARGS__))
#define MUTATE_KEEP(n) mutate_keep(n)

/* "FILE:FUNCTION:COUNT", "check NAME" ...; NULL beyond the last. */
const char *mutate_name(int n);
/* -1: there is none of this name. */
int mutate_number(const char *name);
/* What it does, in words. */
const char *mutate_about(int n);

#endif
