// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "cli/console.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/terminal.h"

enum { CTRL_A = 1 };

/* ---- output ---- */

static void flush(struct console *c)
{
    size_t done = 0;
    while (done < c->used) {
        ssize_t n = write(c->out, c->buffer + done, c->used - done);
        if (n < 0 && errno != EINTR && errno != EAGAIN)
            break; /* a full disk or a closed pipe: output is lost */
        done += n > 0 ? (size_t)n : 0;
    }
    c->used = 0;
}

static void console_write(void *user, const uint8_t *bytes, size_t n)
{
    struct console *c = user;
    for (size_t k = 0; k < n; k++) {
        c->buffer[c->used++] = bytes[k];
        if (c->used == sizeof c->buffer || bytes[k] == '\n')
            flush(c);
    }
}

/* ---- input ---- */

static int console_read(void *user)
{
    struct console *c = user;
    return recorded_read(&c->recorded,
                         c->input_next < c->input_end ? c->input[c->input_next++] : -1);
}

void console_help(int fd)
{
    static const char text[] = "\nCtrl-A x  end the simulation\n"
                               "Ctrl-A a  send Ctrl-A to the guest\n"
                               "Ctrl-A h  this help\n";
    if (write(fd, text, sizeof text - 1) < 0)
        return; /* nobody can see it: so be it */
}

/* The key after Ctrl-A; true if it goes to the guest. */
static bool command(struct console *c, uint8_t key)
{
    c->escaped = false;
    c->quit |= key == 'x';
    if (key == 'h' || key == '?')
        console_help(c->out);
    return key == 'a' || key == CTRL_A;
}

/* A byte from the keyboard or the pipe.  What nobody reads is lost once the buffer is full, but
 * Ctrl-A always works. */
static void take(struct console *c, uint8_t byte)
{
    bool wanted = true;
    if (c->escaped) {
        wanted = command(c, byte);
        byte = CTRL_A;
    } else if (c->on_terminal && byte == CTRL_A) {
        c->escaped = true;
        wanted = false;
    }
    if (wanted && c->input_end < sizeof c->input)
        c->input[c->input_end++] = byte;
}

static bool readable(int timeout)
{
    struct pollfd p = { .fd = STDIN_FILENO, .events = POLLIN };
    return poll(&p, 1, timeout) > 0;
}

void console_poll(struct console *c)
{
    uint8_t bytes[sizeof c->input];
    size_t left = c->input_end - c->input_next;
    if (c->used)
        flush(c);
    /* A file or a pipe keeps what was not read yet; keys must be seen. */
    if (!c->reads_input || (left && !c->on_terminal) || !readable(0))
        return;
    memmove(c->input, c->input + c->input_next, left);
    c->input_next = 0;
    c->input_end = left;
    ssize_t n = read(STDIN_FILENO, bytes, sizeof bytes);
    for (ssize_t k = 0; k < n; k++)
        take(c, bytes[k]);
    if (n == 0 || (n < 0 && errno != EINTR && errno != EAGAIN))
        c->reads_input = false; /* the end of a file or pipe, or the terminal is gone */
}

/* Signals are blocked: poll() cannot be interrupted, so it does not sleep for long. */
void console_wait(struct console *c, uint64_t nanoseconds)
{
    enum { SLICE = 50 };
    sigset_t pending;
    for (uint64_t left = nanoseconds / 1000000; left; left -= left < SLICE ? left : SLICE) {
        if (!c->reads_input || readable(left < SLICE ? (int)left : SLICE))
            return;
        if (!sigpending(&pending) &&
            (sigismember(&pending, SIGINT) || sigismember(&pending, SIGTERM)))
            return;
    }
}

/* ---- life ---- */

bool console_open(struct console *c, const struct console_option *o, struct sp_error *e)
{
    *c = (struct console){ .out = -1 };
    if (!strcmp(o->spec, "stdio")) {
        c->out = STDOUT_FILENO;
        c->reads_input = o->reads;
        c->on_terminal = o->reads && terminal_make_raw(o->signals);
    } else if (!strncmp(o->spec, "file:", 5)) {
        c->out = open(o->spec + 5, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
        c->owns_out = true;
        if (c->out < 0)
            return sp_fail(e, SP_EXIT_USAGE, "%s: %s", o->spec + 5, strerror(errno));
    }
    console_poll(c);
    return true;
}

void console_close(struct console *c)
{
    if (c->out >= 0)
        flush(c);
    if (c->owns_out && c->out >= 0)
        close(c->out);
    if (c->on_terminal)
        terminal_restore();
    c->out = -1;
    c->on_terminal = c->reads_input = false;
}

struct char_sink console_sink(struct console *c)
{
    return (struct char_sink){ c->out >= 0 ? console_write : NULL,
                               c->reads_input || c->recorded.replays ? console_read : NULL, c };
}
