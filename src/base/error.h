// SPDX-License-Identifier: Apache-2.0
// Error reports: one sentence that names the file, offset or address, and the exit code it
// deserves.
#ifndef SP_BASE_ERROR_H
#define SP_BASE_ERROR_H

#include <stdbool.h>

/* Exit codes of the command line (README.md); errors carry the one that fits. */
enum sp_exit_code {
    SP_EXIT_OK = 0,
    SP_EXIT_VIOLATION = 1,
    SP_EXIT_USAGE = 2,
    SP_EXIT_BAD_IMAGE = 4,
    SP_EXIT_NOT_MODELLED = 6,
    SP_EXIT_TRIPLE_FAULT = 100,
    SP_EXIT_BUDGET = 102,
    SP_EXIT_STRICT = 104,
    SP_EXIT_HALTED = 106,
    SP_EXIT_VMX_ABORT = 108,
};

struct sp_error {
    int code;            /* enum sp_exit_code */
    char message[512];   /* one line, no newline at its end */
};

/* Fills *e (may be NULL) with a code and a printf-style sentence; returns false so that callers can
 * write `return sp_fail(e, ...)`. */
bool sp_fail(struct sp_error *e, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
