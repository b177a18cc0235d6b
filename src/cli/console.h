// SPDX-License-Identifier: Apache-2.0
// Where guest consoles go: the terminal or a file.
#ifndef SP_CLI_CONSOLE_H
#define SP_CLI_CONSOLE_H

#include <termios.h>

#include "machine/machine.h"

struct console {
    int out;                         /* -1: nowhere */
    bool owns_out;
    bool reads_input;
    bool has_terminal;               /* `saved` is to be restored */
    struct termios saved;
    uint8_t buffer[4096];
    size_t used;
    uint8_t input[4096];
    size_t input_next, input_end;
};

/* Opens "stdio", "none"/"null" or "file:NAME".  Standard input is read if `reads` and it is a
 * terminal, a pipe or a file; /dev/null gives nothing, so such runs are deterministic. */
bool console_open(struct console *c, const char *spec, bool reads, struct sp_error *e);
void console_close(struct console *c);
struct char_sink console_sink(struct console *c);
/* Writes what is buffered and takes what can be read without waiting; called every few
 * milliseconds. */
void console_poll(struct console *c);

#endif
