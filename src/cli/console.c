// SPDX-License-Identifier: Apache-2.0
#include "cli/console.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

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

static int console_read(void *user)
{
    struct console *c = user;
    return c->input_next < c->input_end ? c->input[c->input_next++] : -1;
}

/* Keys reach the guest at once and unseen by the terminal; Ctrl-C still ends the run. */
static void make_raw(struct console *c)
{
    struct termios t;
    if (tcgetattr(STDIN_FILENO, &c->saved))
        return;
    t = c->saved;
    t.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
    t.c_iflag &= ~(tcflag_t)(ICRNL | IXON);
    c->has_terminal = !tcsetattr(STDIN_FILENO, TCSANOW, &t);
}

bool console_open(struct console *c, const char *spec, bool reads, struct sp_error *e)
{
    *c = (struct console){ .out = -1 };
    if (!strcmp(spec, "stdio")) {
        c->out = STDOUT_FILENO;
        c->reads_input = reads;
        if (reads && isatty(STDIN_FILENO))
            make_raw(c);
    } else if (!strncmp(spec, "file:", 5)) {
        c->out = open(spec + 5, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
        c->owns_out = true;
        if (c->out < 0)
            return sp_fail(e, SP_EXIT_USAGE, "%s: %s", spec + 5, strerror(errno));
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
    if (c->has_terminal)
        tcsetattr(STDIN_FILENO, TCSANOW, &c->saved);
    c->out = -1;
    c->has_terminal = c->reads_input = false;
}

struct char_sink console_sink(struct console *c)
{
    return (struct char_sink){ c->out >= 0 ? console_write : NULL,
                               c->reads_input ? console_read : NULL, c };
}

void console_poll(struct console *c)
{
    struct pollfd p = { .fd = STDIN_FILENO, .events = POLLIN };
    if (c->used)
        flush(c);
    if (!c->reads_input || c->input_next < c->input_end || poll(&p, 1, 0) <= 0)
        return;
    ssize_t n = read(STDIN_FILENO, c->input, sizeof c->input);
    c->input_next = 0;
    c->input_end = n > 0 ? (size_t)n : 0;
    if (n == 0 || (n < 0 && errno != EINTR && errno != EAGAIN))
        c->input_end = 0, c->reads_input = false;   /* the end of a file or pipe */
}
