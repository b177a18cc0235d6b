// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "image/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/saved.h"

enum { CHUNK = 65536 };
#define NO_CHUNK UINT64_MAX

/* A piece of the overlay: unknown (the file has it), known to be zeros, or held in memory. */
struct chunk {
    uint8_t *data;
    bool known;
};

struct disk {
    int fd;
    enum disk_mode mode;
    uint64_t size;
    struct chunk *chunk; /* DISK_OVERLAY: one for each CHUNK bytes         */
    uint64_t held, most; /* chunks in memory, and how many there may be    */
};

/* ---- the file ---- */

static bool file_read(const struct disk *d, uint64_t offset, uint8_t *bytes, size_t n)
{
    while (n) {
        ssize_t k = pread(d->fd, bytes, n, (off_t)offset);
        if (k < 0 && errno == EINTR)
            continue;
        if (k <= 0)
            return false; /* also if somebody cut the file */
        bytes += k, offset += (uint64_t)k, n -= (size_t)k;
    }
    return true;
}

static bool file_write(const struct disk *d, uint64_t offset, const uint8_t *bytes, size_t n)
{
    while (n) {
        ssize_t k = pwrite(d->fd, bytes, n, (off_t)offset);
        if (k < 0 && errno == EINTR)
            continue;
        if (k <= 0)
            return false;
        bytes += k, offset += (uint64_t)k, n -= (size_t)k;
    }
    return true;
}

/* A hole where the file system can make one, zeros where it cannot. */
static bool file_zero(const struct disk *d, uint64_t offset, uint64_t n)
{
    static const uint8_t zeros[4096];
    if (!n ||
        !fallocate(d->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset, (off_t)n))
        return true;
    for (uint64_t k; n; offset += k, n -= k) {
        k = n < sizeof zeros ? n : sizeof zeros;
        if (!file_write(d, offset, zeros, k))
            return false;
    }
    return true;
}

/* ---- the overlay ---- */

static uint64_t chunks(const struct disk *d) { return (d->size + CHUNK - 1) / CHUNK; }

static void forget_overlay(struct disk *d)
{
    for (uint64_t k = 0; k < chunks(d); k++) {
        free(d->chunk[k].data);
        d->chunk[k] = (struct chunk){ 0 };
    }
    d->held = 0;
}

/* The part of [offset, offset + n) that lies in offset's chunk. */
static size_t in_chunk(uint64_t offset, uint64_t n)
{
    uint64_t room = CHUNK - offset % CHUNK;
    return n < room ? n : room;
}

/* Brings a chunk into memory. */
static struct chunk *hold(struct disk *d, uint64_t index)
{
    struct chunk *c = &d->chunk[index];
    uint64_t start = index * CHUNK;
    if (c->data)
        return c;
    uint8_t *data = d->held < d->most ? calloc(1, CHUNK) : NULL;
    if (!data || (!c->known && !file_read(d, start, data, in_chunk(start, d->size - start)))) {
        free(data);
        return NULL;
    }
    d->held++;
    *c = (struct chunk){ data, true };
    return c;
}

static bool overlay_read(struct disk *d, uint64_t offset, uint8_t *bytes, size_t n)
{
    for (size_t k; n; bytes += k, offset += k, n -= k) {
        const struct chunk *c = &d->chunk[offset / CHUNK];
        k = in_chunk(offset, n);
        if (c->data)
            memcpy(bytes, c->data + offset % CHUNK, k);
        else if (c->known)
            memset(bytes, 0, k);
        else if (!file_read(d, offset, bytes, k))
            return false;
    }
    return true;
}

static bool overlay_write(struct disk *d, uint64_t offset, const uint8_t *bytes, size_t n)
{
    for (size_t k; n; bytes += k, offset += k, n -= k) {
        struct chunk *c = hold(d, offset / CHUNK);
        k = in_chunk(offset, n);
        if (!c)
            return false;
        memcpy(c->data + offset % CHUNK, bytes, k);
    }
    return true;
}

static bool overlay_zero(struct disk *d, uint64_t offset, uint64_t n)
{
    for (size_t k; n; offset += k, n -= k) {
        struct chunk *c = &d->chunk[offset / CHUNK];
        k = in_chunk(offset, n);
        if (k == CHUNK) {
            d->held -= c->data != NULL;
            free(c->data);
            *c = (struct chunk){ NULL, true };
        } else if (c->data || !c->known) {
            if (!hold(d, offset / CHUNK))
                return false;
            memset(c->data + offset % CHUNK, 0, k);
        }
    }
    return true;
}

/* ---- what the machine sees ---- */

static bool read_disk(void *user, uint64_t offset, void *bytes, size_t n)
{
    struct disk *d = user;
    return d->chunk ? overlay_read(d, offset, bytes, n) : file_read(d, offset, bytes, n);
}

static bool write_disk(void *user, uint64_t offset, const void *bytes, size_t n)
{
    struct disk *d = user;
    return d->chunk ? overlay_write(d, offset, bytes, n) : file_write(d, offset, bytes, n);
}

static bool zero_disk(void *user, uint64_t offset, uint64_t n)
{
    struct disk *d = user;
    return d->chunk ? overlay_zero(d, offset, n) : file_zero(d, offset, n);
}

static bool flush_disk(void *user)
{
    const struct disk *d = user;
    return d->mode != DISK_WRITE_THROUGH || !fdatasync(d->fd);
}

/* Chunks of the overlay, each with its number, then NO_CHUNK. */
static bool save_overlay(struct disk *d, struct saved_stream *s)
{
    uint64_t end = NO_CHUNK;
    for (uint64_t k = 0; k < chunks(d); k++) {
        bool data = d->chunk[k].data;
        if (d->chunk[k].known && (!saved_number(s, &k) || !saved_flag(s, &data) ||
                                  (data && !saved_bytes(s, d->chunk[k].data, CHUNK))))
            return false;
    }
    return saved_number(s, &end);
}

static bool load_chunk(struct disk *d, struct saved_stream *s, uint64_t index)
{
    bool data;
    if (index >= chunks(d))
        return saved_fail(s, "a piece behind the end of a disk");
    d->chunk[index].known = true;
    if (!saved_flag(s, &data) || !data)
        return !s->failed;
    return hold(d, index) ? saved_bytes(s, d->chunk[index].data, CHUNK)
                          : saved_fail(s, "no memory for what was written to a disk");
}

static bool overlay_saved(void *user, struct saved_stream *s)
{
    struct disk *d = user;
    uint64_t index;
    if (!s->loading)
        return save_overlay(d, s);
    forget_overlay(d);
    while (saved_number(s, &index) && index != NO_CHUNK)
        if (!load_chunk(d, s, index))
            return false;
    return !s->failed;
}

struct block_store disk_store(struct disk *d)
{
    return (struct block_store){
        .user = d,
        .size = d->size,
        .read_only = d->mode == DISK_READ_ONLY,
        .read = read_disk,
        .write = write_disk,
        .zero = zero_disk,
        .flush = flush_disk,
        .saved = d->mode == DISK_OVERLAY ? overlay_saved : NULL,
    };
}

/* ---- opening ---- */

static bool find_size(struct disk *d, const char *path, struct sp_error *e)
{
    struct stat st;
    if (fstat(d->fd, &st) < 0)
        return sp_fail(e, SP_EXIT_BAD_IMAGE, "%s: %s", path, strerror(errno));
    if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
        return sp_fail(e, SP_EXIT_BAD_IMAGE, "%s: is neither a regular file nor a block device",
                       path);
    off_t size = lseek(d->fd, 0, SEEK_END);
    if (size < 0)
        return sp_fail(e, SP_EXIT_BAD_IMAGE, "%s: %s", path, strerror(errno));
    if (!size || size % BLOCK_SIZE)
        return sp_fail(e, SP_EXIT_BAD_IMAGE,
                       "%s: a disk's size is a multiple of %d bytes, this file has %lld", path,
                       BLOCK_SIZE, (long long)size);
    d->size = (uint64_t)size;
    return true;
}

static bool open_file(struct disk *d, const char *path, struct sp_error *e)
{
    bool writes = d->mode == DISK_WRITE_THROUGH;
    d->fd = open(path, (writes ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NONBLOCK);
    if (d->fd < 0)
        return sp_fail(e, SP_EXIT_BAD_IMAGE, "%s: %s", path, strerror(errno));
    if (!find_size(d, path, e))
        return false;
    if (!flock(d->fd, (writes ? LOCK_EX : LOCK_SH) | LOCK_NB) || errno != EWOULDBLOCK)
        return true; /* some file systems have no locks */
    return sp_fail(e, SP_EXIT_BAD_IMAGE, "%s: in use: %s", path,
                   writes ? "another machine reads or writes it" : "another machine writes it");
}

/* The overlay may take half of the host's memory; beyond it, writes fail. */
static bool make_overlay(struct disk *d, const char *path, struct sp_error *e)
{
    uint64_t pages = (uint64_t)sysconf(_SC_PHYS_PAGES), page = (uint64_t)sysconf(_SC_PAGESIZE);
    d->most = pages * page / 2 / CHUNK;
    d->chunk = calloc(chunks(d), sizeof *d->chunk);
    return d->chunk || sp_fail(e, SP_EXIT_BAD_IMAGE, "%s: no memory for an overlay", path);
}

struct disk *disk_open(const char *path, enum disk_mode mode, struct sp_error *e)
{
    struct disk *d = calloc(1, sizeof *d);
    if (!d) {
        sp_fail(e, SP_EXIT_BAD_IMAGE, "%s: no memory", path);
        return NULL;
    }
    *d = (struct disk){ .fd = -1, .mode = mode };
    if (open_file(d, path, e) && (mode != DISK_OVERLAY || make_overlay(d, path, e)))
        return d;
    disk_close(d);
    return NULL;
}

void disk_close(struct disk *d)
{
    if (!d)
        return;
    if (d->chunk)
        forget_overlay(d);
    free(d->chunk);
    if (d->fd >= 0) {
        flush_disk(d);
        close(d->fd);
    }
    free(d);
}
