// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "machine/ipf_ssc.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "ipf/op.h"

enum { SSC_BREAK = 0x80001, SSC_BREAK_OLD = 0x80000 };
enum { TEXT_MAX = 1024, PIECE = 65536, PIECES_MAX = 1024, REQUESTS_MAX = 1024 };
#define FAILED UINT64_MAX

/* What a call is given and gives. */
struct call {
    struct ipf_ssc *ssc;
    struct ipf_cpu *c;
    uint64_t in[4];
};

/* ---- console, end, time ---- */

static uint64_t nothing(struct call *x) { return 0; }

static uint64_t console_put(struct call *x)
{
    const struct char_sink *s = &x->ssc->console;
    const uint8_t byte = (uint8_t)x->in[0];
    if (s->write)
        s->write(s->user, &byte, 1);
    return 0;
}

/* 0: there is none. */
static uint64_t console_get(struct call *x)
{
    const struct char_sink *s = &x->ssc->console;
    int byte = s->read ? s->read(s->user) : -1;
    return byte > 0 ? (uint64_t)byte : 0;
}

static uint64_t end(struct call *x)
{
    x->c->stop = IPF_EXIT;
    x->c->exit_status = (int)(x->in[0] & 0xff);
    return x->in[0];
}

/* Seconds and microseconds since 1970, which is when a machine starts. */
static uint64_t time_of_day(struct call *x)
{
    uint64_t ns = x->c->retired + x->c->idle;
    mem_write_le(x->ssc->mem, x->in[0], 4, ns / TICKS_PER_SECOND);
    mem_write_le(x->ssc->mem, x->in[0] + 4, 4, ns % TICKS_PER_SECOND / 1000);
    return 0;
}

static uint64_t get_arguments(struct call *x)
{
    size_t length = strnlen(x->ssc->arguments, TEXT_MAX - 1);
    mem_write(x->ssc->mem, x->in[0], x->ssc->arguments, length);
    mem_write_le(x->ssc->mem, x->in[0] + length, 1, 0);
    return length;
}

/* ---- files ---- */

static struct ssc_file *file_of(struct ipf_ssc *s, uint64_t number)
{
    return number < SSC_FILES && s->file[number].fd >= 0 ? &s->file[number] : NULL;
}

/* A regular file inside the folder, for which absolute names begin at the folder. */
static int open_inside(int folder, const char *name, int flags)
{
    struct open_how how = { .flags = (uint64_t)(flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY),
                            .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS };
    struct stat s;
    int fd = (int)syscall(SYS_openat2, folder, name, &how, sizeof how);
    if (fd >= 0 && (fstat(fd, &s) || !S_ISREG(s.st_mode))) {
        close(fd);
        return -1;
    }
    return fd;
}

static uint64_t file_open(struct call *x)
{
    static const int flags[] = { -1, O_RDONLY, O_WRONLY, O_RDWR };
    char name[TEXT_MAX];
    unsigned free_file = 0;
    while (free_file < SSC_FILES && x->ssc->file[free_file].fd >= 0)
        free_file++;
    mem_read(x->ssc->mem, x->in[0], name, sizeof name);
    if (x->ssc->folder < 0 || free_file == SSC_FILES || !memchr(name, 0, sizeof name) ||
        !x->in[1] || x->in[1] >= ARRAY_SIZE(flags))
        return FAILED;
    int fd = open_inside(x->ssc->folder, name, flags[x->in[1]]);
    if (fd < 0)
        return FAILED;
    x->ssc->file[free_file] = (struct ssc_file){ .fd = fd };
    return free_file;
}

static uint64_t file_close(struct call *x)
{
    struct ssc_file *f = file_of(x->ssc, x->in[0]);
    if (!f)
        return FAILED;
    close(f->fd);
    f->fd = -1;
    return 0;
}

/* Copies n bytes between a file and memory; returns how many it could. */
static uint64_t copy(struct ipf_ssc *s, int fd, bool write, uint64_t address, uint64_t n,
                     uint64_t offset)
{
    uint8_t piece[PIECE];
    uint64_t done = 0;
    for (unsigned k = 0; k < PIECES_MAX && done < n; k++) {
        size_t size = n - done < PIECE ? (size_t)(n - done) : PIECE;
        if (write)
            mem_read(s->mem, address + done, piece, size);
        ssize_t moved = write ? pwrite(fd, piece, size, (off_t)(offset + done))
                              : pread(fd, piece, size, (off_t)(offset + done));
        if (moved <= 0)
            break;
        if (!write)
            mem_write(s->mem, address + done, piece, (size_t)moved);
        done += (uint64_t)moved;
    }
    return done;
}

/* in0 file, in1 how many requests of 16 bytes (address, 32 bits of length) stand at in2, in3 where
 * in the file.  A file never grows. */
static uint64_t transfer(struct call *x, bool write)
{
    struct ssc_file *f = file_of(x->ssc, x->in[0]);
    struct stat s;
    uint64_t at = x->in[3], first = at;
    if (!f || x->in[1] > REQUESTS_MAX || fstat(f->fd, &s) || at > (uint64_t)s.st_size)
        return FAILED;
    for (uint64_t k = 0; k < x->in[1]; k++) {
        uint64_t address = mem_read_le(x->ssc->mem, x->in[2] + 16 * k, 8);
        uint64_t n = mem_read_le(x->ssc->mem, x->in[2] + 16 * k + 8, 4);
        uint64_t left = (uint64_t)s.st_size - at;
        uint64_t moved = copy(x->ssc, f->fd, write, address, n < left ? n : left, at);
        at += moved;
        if (moved < n)
            break;
    }
    f->transfer = true;
    f->moved = (uint32_t)(at - first);
    return 0;
}
static uint64_t file_read(struct call *x) { return transfer(x, false); }
static uint64_t file_write(struct call *x) { return transfer(x, true); }

/* A transfer is over when the call that asked for it returns: in0 points at the file's number, and
 * at the number of bytes that is to be filled in. */
static uint64_t complete(struct call *x, uint64_t number)
{
    struct ssc_file *f = file_of(x->ssc, number);
    if (!f || !f->transfer)
        return FAILED;
    mem_write_le(x->ssc->mem, x->in[0], 4, number);
    mem_write_le(x->ssc->mem, x->in[0] + 4, 4, f->moved);
    f->transfer = false;
    return 0;
}
static uint64_t wait_completion(struct call *x)
{
    return complete(x, mem_read_le(x->ssc->mem, x->in[0], 4));
}
static uint64_t get_completion(struct call *x)
{
    for (unsigned k = 0; k < SSC_FILES; k++)
        if (!complete(x, k))
            return 0;
    return FAILED;
}

/* ---- the calls ---- */

static const struct {
    unsigned number;
    uint64_t (*run)(struct call *x);
} calls[] = {
    { 20, nothing },         /* CONSOLE_INIT    */
    { 21, console_get },     /* GETCHAR         */
    { 31, console_put },     /* PUTCHAR         */
    { 50, file_open },       /* OPEN            */
    { 51, file_close },      /* CLOSE           */
    { 52, file_read },       /* READ            */
    { 53, file_write },      /* WRITE           */
    { 54, get_completion },  /* GET_COMPLETION  */
    { 55, wait_completion }, /* WAIT_COMPLETION */
    { 66, end },             /* EXIT            */
    { 69, nothing },         /* LOAD_SYMBOLS    */
    { 74, time_of_day },     /* GET_TOD         */
    { 75, get_arguments },   /* GET_ARGS        */
};

bool ssc_call(void *user, struct ipf_cpu *c, uint64_t number)
{
    struct call x = { .ssc = user, .c = c };
    if (number != SSC_BREAK && number != SSC_BREAK_OLD)
        return false;
    for (unsigned k = 0; k < 4; k++)
        x.in[k] = k < c->cfm.sof ? gr(c, 32 + k)->v : 0;
    for (size_t k = 0; k < ARRAY_SIZE(calls); k++)
        if (calls[k].number == c->gr[15].v) {
            c->gr[8] = (struct ipf_gr){ calls[k].run(&x), 0 };
            alat_clear_all(c);
            return true;
        }
    c->stop = IPF_NOT_MODELLED;
    snprintf(c->stop_text, sizeof c->stop_text, "not modelled: simulator call %llu",
             (unsigned long long)c->gr[15].v);
    return true;
}

/* ---- life ---- */

bool ssc_open(struct ipf_ssc *s, struct mem *mem, struct char_sink console, const char *arguments,
              const char *folder, struct sp_error *e)
{
    *s = (struct ipf_ssc){ mem, console, arguments ? arguments : "", -1, { { 0 } } };
    for (unsigned k = 0; k < SSC_FILES; k++)
        s->file[k].fd = -1;
    if (folder && (s->folder = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC)) < 0)
        return sp_fail(e, SP_EXIT_USAGE, "--ssc=%s: %s", folder, strerror(errno));
    return true;
}

void ssc_close(struct ipf_ssc *s)
{
    for (unsigned k = 0; k < SSC_FILES; k++)
        if (s->file[k].fd >= 0)
            close(s->file[k].fd);
    if (s->folder >= 0)
        close(s->folder);
}
