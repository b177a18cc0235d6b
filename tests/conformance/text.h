// SPDX-License-Identifier: Apache-2.0
// Lines of text on COM1 and port E9H, and how they are put together.
#ifndef CONFORMANCE_TEXT_H
#define CONFORMANCE_TEXT_H

#include <stdarg.h>
#include <stdbool.h>

/* Puts text into `to`, cut off at `size` - 1 characters: %s, %u, %x (unsigned int), %lu and %lx
 * (64 bits).  Returns the length. */
unsigned text_format(char *to, unsigned size, const char *format, va_list arguments);
unsigned text_put(char *to, unsigned size, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Prints. */
void print(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The frame of COM1 becomes 8N1; its rate stays. */
void print_init(void);

bool text_equal(const char *a, const char *b);
/* True if `text` fits `pattern`, in which * stands for any characters and ? for one. `end` ends the
 * pattern. */
bool text_fits(const char *text, const char *pattern, const char *end);

#endif
