// SPDX-License-Identifier: Apache-2.0
// Where guest consoles go: the terminal or a file.
#ifndef SP_CLI_CONSOLE_H
#define SP_CLI_CONSOLE_H

#include "cli/recording.h"
#include "machine/machine.h"

/* What a console is: "stdio", "none"/"null" or "file:NAME". */
struct console_option {
    const char *spec;
    bool reads;   /* takes standard input */
    bool signals; /* Ctrl-C on a terminal ends the run (or goes to the guest) */
};

struct console {
    int out;                         /* -1: nowhere */
    bool owns_out;
    bool reads_input;
    bool on_terminal; /* input comes from keys: Ctrl-A is ours */
    bool escaped;     /* after Ctrl-A */
    bool quit;        /* Ctrl-A x     */
    uint8_t buffer[4096];
    size_t used;
    uint8_t input[4096];
    size_t input_next, input_end;
    struct recorded_input recorded;
};

/* Standard input may be a terminal, a pipe or a file; /dev/null gives nothing, so such runs are
 * deterministic.  A terminal becomes raw (terminal.h). */
bool console_open(struct console *c, const struct console_option *o, struct sp_error *e);
void console_close(struct console *c);
struct char_sink console_sink(struct console *c);
/* Writes what is buffered and takes what can be read without waiting; called every few
 * milliseconds. */
void console_poll(struct console *c);
/* Waits until a key comes, a stop signal is pending or this time is over. */
void console_wait(struct console *c, uint64_t nanoseconds);
/* Prints the keys that the terminal keeps for itself. */
void console_help(int fd);

#endif
