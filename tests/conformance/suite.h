// SPDX-License-Identifier: Apache-2.0
// Rules and cases: a case belongs to a rule of rules.def, says what it expects, and is printed as one
// line.
#ifndef CONFORMANCE_SUITE_H
#define CONFORMANCE_SUITE_H

#include "text.h"
#include "vmx.h"

/* CASE("rule", "variant %u", n) { ... }: the block runs once if the case is wanted.  `continue` ends
 * it.  A fault that nobody expects ends it, too, and it has failed. */
#define CASE(rule, ...)                                                                            \
    for (bool run_ = case_begin(rule, __VA_ARGS__); run_; run_ = case_end())                       \
        if (__builtin_setjmp(case_jump))                                                           \
            case_faulted();                                                                        \
        else

extern void *case_jump[5];
bool case_begin(const char *rule, const char *variant, ...) __attribute__((format(printf, 2, 3)));
bool case_end(void);
void case_faulted(void);
/* Gives the case at hand up (from an exception's handler). */
_Noreturn void case_abandon(void);

/* The case is skipped, for want of what is named. */
void skip(const char *needed);
/* Skips the case if the control may not be 1.  True: skipped. */
bool lacks(enum control c);
/* The same, for a condition in words. */
bool lacks_that(bool there, const char *needed);

/* Fails the case, unless it failed already, if the values differ.  True: equal. */
bool expect(const char *what, uint64_t expected, uint64_t observed);
/* The same, with both sides in words. */
bool expect_text(const char *expected, const char *observed);
/* An instruction's ending; `number` is the VM-instruction error or the vector. */
bool expect_result(enum outcome wanted, unsigned number, struct result r);
bool expect_field(enum field f, uint64_t expected);
bool case_failed(void);

/* Words of the command line: filter=GLOB[,GLOB], shard=I/N, from=CASE (cases before it do not run),
 * list, verbose, smp. */
void suite_configure(const char *command_line);
bool suite_word(const char *word);
void suite_head(void);
/* Prints the last line and returns how many cases failed. */
unsigned suite_finish(void);

#endif
