// SPDX-License-Identifier: Apache-2.0
// Raw mode of the terminal on standard input, and its end in every case: return, exit(), signals.
#ifndef SP_CLI_TERMINAL_H
#define SP_CLI_TERMINAL_H

#include <stdbool.h>

/* Keys reach the guest at once and unseen by the terminal.  With `signals`, Ctrl-C, Ctrl-\ and
 * Ctrl-Z keep their meaning; else they go to the guest, too.  False if standard input is
 * no terminal, or not this process's. */
bool terminal_make_raw(bool signals);
/* Puts the terminal back as it was; harmless at any time. */
void terminal_restore(void);

#endif
