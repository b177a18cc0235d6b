// SPDX-License-Identifier: Apache-2.0
#include "cli/terminal.h"

#include <signal.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

#include "base/bits.h"

/* The only state of the program outside `main`: a process has one terminal, and a signal handler
 * and atexit() get no other argument. */
static struct termios saved, raw;
static volatile sig_atomic_t changed;

/* A process in the background would be stopped for touching the terminal, and has no right to. */
static bool in_foreground(void) { return tcgetpgrp(STDIN_FILENO) == getpgrp(); }

void terminal_restore(void)
{
    if (changed && in_foreground())
        tcsetattr(STDIN_FILENO, TCSANOW, &saved);
    changed = 0;
}

/* SA_RESETHAND has put the default action back: the signal comes again after the return. */
static void on_end(int signal)
{
    terminal_restore();
    raise(signal);
}

static void on_pause(int signal)
{
    bool was = changed;
    terminal_restore();
    raise(SIGSTOP);
    if (was && in_foreground())
        changed = !tcsetattr(STDIN_FILENO, TCSANOW, &raw);
}

/* SIGINT and SIGTERM are blocked during a run, which looks for them itself. */
static void catch_signals(void)
{
    static const int ends[] = { SIGHUP,  SIGINT,  SIGQUIT, SIGILL,  SIGTRAP,
                                SIGABRT, SIGBUS,  SIGFPE,  SIGSEGV, SIGPIPE,
                                SIGALRM, SIGTERM, SIGUSR1, SIGUSR2, SIGXCPU };
    struct sigaction end = { .sa_handler = on_end, .sa_flags = (int)SA_RESETHAND };
    struct sigaction stop = { .sa_handler = on_pause, .sa_flags = SA_RESTART };
    for (size_t k = 0; k < ARRAY_SIZE(ends); k++) {
        struct sigaction old;
        if (!sigaction(ends[k], NULL, &old) && old.sa_handler != SIG_IGN)
            sigaction(ends[k], &end, NULL);
    }
    sigaction(SIGTSTP, &stop, NULL);
}

bool terminal_make_raw(bool signals)
{
    if (!isatty(STDIN_FILENO) || !in_foreground() || tcgetattr(STDIN_FILENO, &saved))
        return false;
    raw = saved;
    raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO | IEXTEN | (signals ? 0 : ISIG));
    raw.c_iflag &= ~(tcflag_t)(ICRNL | INLCR | IGNCR | ISTRIP | IXON);
    raw.c_cc[VMIN] = 1;
    raw.c_cc[VTIME] = 0;
    atexit(terminal_restore);
    catch_signals();
    changed = !tcsetattr(STDIN_FILENO, TCSANOW, &raw);
    return changed;
}
