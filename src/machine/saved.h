// SPDX-License-Identifier: Apache-2.0
// Saved machines: what they hold, and the file that holds them.
//
//    0  "SILVPOOL"
//    8  version of the format, 4 bytes
//   12  layout: a digest of all rows, 4 bytes
//   16  the state, one frame of zstd
//  end  bytes of the frame, bytes of the state, XXH64 of all that stands before: 8 bytes each
//
// All numbers are little-endian.
#ifndef SP_MACHINE_SAVED_H
#define SP_MACHINE_SAVED_H

#include "base/saved.h"
#include "machine/internal.h"

enum { SAVED_VERSION = 1 };

/* A new file, which takes its name when saved_file_end() has written all of it. */
struct saved_file;
struct saved_file *saved_file_create(const char *name, uint32_t layout, struct sp_error *e);
/* An old one: found whole and of this layout before anything is taken from it. */
struct saved_file *saved_file_open(const char *name, uint32_t layout, struct sp_error *e);
struct saved_stream *saved_file_stream(struct saved_file *f);
/* After the last byte.  False: a new file could not be written, an old one holds more. */
bool saved_file_end(struct saved_file *f);
/* Frees f; a new file that was not ended is deleted.  NULL is accepted. */
void saved_file_close(struct saved_file *f);

/* The options that make a machine what it is, one a line; to be freed.  NULL: no memory. */
char *machine_identity(const struct machine *m, const struct machine_config *config);
/* Writes the identity, or compares it with that of the saved machine. */
bool identity_saved(const struct machine *m, struct saved_stream *s);

const struct saved_table *saved_machine(void);

#endif
