// SPDX-License-Identifier: Apache-2.0
// --cpu-matrix: one image on several processors.
#ifndef SP_CLI_MATRIX_H
#define SP_CLI_MATRIX_H

#include "cli/session.h"

/* Runs the image on each processor that o->matrix names ("": all profiles), one after the other,
 * and prints a table.  The process's exit code: 0 if all runs ended the same way, else 1; that of
 * the run that could not start or that a signal ended. */
int matrix_run(const struct options *o);

#endif
