// SPDX-License-Identifier: Apache-2.0
// -record and -replay: what came to a run from outside.
#ifndef SP_CLI_RECORDING_H
#define SP_CLI_RECORDING_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/error.h"

struct session;

/* One byte that a guest's device got: at which of its attempts to read. */
struct recorded_byte { uint64_t attempt; uint8_t byte; };

/* The input of one console. */
struct recorded_input {
    FILE *out;                       /* NULL: nothing is recorded                                */
    const char *name;
    bool replays;                    /* what stands in `bytes`, and nothing else                  */
    uint64_t attempts;
    struct recorded_byte *bytes;
    size_t n, next;
};

/* A byte that was read, or -1: what the device gets, after recording or instead of it. */
int recorded_read(struct recorded_input *r, int byte);

/* Opens the files of -record and -replay; the consoles are open, the machine is not made yet. */
bool session_record(struct session *s, struct sp_error *e);
/* Counts a look of the host at the run; true: the replayed run was ended here from outside. */
bool session_replay_ends(struct session *s);
/* The end of the run; false and *e if the record could not be written. */
bool session_record_end(struct session *s, struct sp_error *e);

#endif
