// SPDX-License-Identifier: Apache-2.0
// Numbers, sizes and key=value lists as users write them.
#ifndef SP_CLI_VALUES_H
#define SP_CLI_VALUES_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/* A decimal, hexadecimal (0x) or octal (0) number of at most `most`, and nothing else. */
bool value_number(const char *text, uint64_t most, uint64_t *out);
/* A size: K, M, G, T are powers of 1024; without a suffix MiB, as in QEMU's -m. */
bool value_size(const char *text, uint64_t *out);
/* A count: K, M, G, T are powers of 1000. */
bool value_count(const char *text, uint64_t *out);

struct value_key { const char *name; uint64_t most; uint64_t *out; };
/* Parses "key=number,key=number"; `what` starts the message on failure. */
bool value_keys(const char *what, const char *text, const struct value_key *keys, size_t count,
                struct sp_error *e);

#endif
