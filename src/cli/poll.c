// SPDX-License-Identifier: Apache-2.0
// What the host sees of a run that goes on: consoles, signals, time limit, progress.
#include <signal.h>
#include <unistd.h>

#include "cli/session.h"
#include "cpu/cpu.h"

uint64_t session_insns(const struct session *s)
{
    return s->ipf ? ipf_machine_insns(s->ipf) : machine_insns(s->machine);
}

const char *session_where(const struct session *s, unsigned cpu, char *out, size_t size)
{
    uint64_t at = s->ipf ? ipf_machine_cpu(s->ipf, cpu)->ip : machine_cpu(s->machine, cpu)->rip;
    return symbols_print(s->symbols, at, out, size);
}

static double seconds_since(const struct timespec *from)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)(now.tv_sec - from->tv_sec) + (double)(now.tv_nsec - from->tv_nsec) / 1e9;
}

double session_seconds(const struct session *s) { return seconds_since(&s->start); }

/* One line once a second, when a person looks at it and no guest console shares the terminal. */
static void show_progress(struct session *s)
{
    char where[256];
    if (seconds_since(&s->progress) < 1 || !isatty(STDERR_FILENO) || isatty(STDOUT_FILENO))
        return;
    clock_gettime(CLOCK_MONOTONIC, &s->progress);
    uint64_t insns = session_insns(s);
    fprintf(stderr, "\r%llu million instructions, %.0f MIPS, %s %s\033[K",
            (unsigned long long)(insns / 1000000), (double)insns / session_seconds(s) / 1e6,
            s->ipf ? "ip" : "rip", session_where(s, 0, where, sizeof where));
}

static void stop_signals(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGINT);
    sigaddset(set, SIGTERM);
}

/* On a terminal, time in which every processor waits goes by no faster than on the wall: the
 * guest's timeouts are what the person in front of it expects, and the host can rest. */
static void rest(struct session *s)
{
    enum { WORTH_A_WAIT = 10000000 };
    struct console *c = s->serial.on_terminal ? &s->serial : &s->virtio;
    uint64_t now = s->ipf ? ipf_machine_now(s->ipf) : machine_now(s->machine);
    uint64_t insns = session_insns(s);
    uint64_t passed = now - s->seen_now, busy = insns - s->seen_insns;
    if (!c->on_terminal || passed < busy + WORTH_A_WAIT)
        return;
    s->seen_now = now;
    s->seen_insns = insns;
    console_wait(c, passed - busy);
}

/* Signals are taken here, not in a handler: no global state is needed. */
bool session_poll(void *user)
{
    struct session *s = user;
    const struct timespec no_wait = { 0 };
    sigset_t set;
    console_poll(&s->serial);
    console_poll(&s->debugcon);
    console_poll(&s->virtio);
    rest(s);
    show_progress(s);
    stop_signals(&set);
    int signal = sigtimedwait(&set, NULL, &no_wait);
    s->signal = signal > 0 ? signal : 0;
    s->timed_out = s->options->timeout > 0 && !s->options->replay &&
                   session_seconds(s) >= s->options->timeout;
    s->quit = s->serial.quit || s->virtio.quit;
    if (session_replay_ends(s))
        return true;
    return s->signal || s->timed_out || s->quit;
}

void session_start(struct session *s)
{
    sigset_t set;
    stop_signals(&set);
    sigprocmask(SIG_BLOCK, &set, NULL);
    clock_gettime(CLOCK_MONOTONIC, &s->start);
    s->progress = s->start;
}
