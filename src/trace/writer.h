// SPDX-License-Identifier: Apache-2.0
// Writing a trace (docs/trace-format.md), one record after the other.  A processor's engine has a
// faster way in: log.h.  Files get chunks as they fill; a file is whole after trace_writer_close().
#ifndef SP_TRACE_WRITER_H
#define SP_TRACE_WRITER_H

#include "trace/reader.h"

struct trace_writer;

/* Begins a file.  Of `h`, `version`, `program`, `first` and `last` are the writer's own; an empty
 * register table stands for that of the architecture.  NULL and *e if the file cannot be made. */
struct trace_writer *trace_writer_open(const char *path, const struct trace_header *h,
                                       struct sp_error *e);

/* Appends an event of any kind, in the order of time.  An instruction's registers and accesses are
 * stored as they are given. */
void trace_writer_event(struct trace_writer *w, const struct trace_event *event);

/* Ends the file with its index.  False and *e if any byte of it could not be written: the file is
 * then not to be used. */
bool trace_writer_close(struct trace_writer *w, struct sp_error *e);

#endif
