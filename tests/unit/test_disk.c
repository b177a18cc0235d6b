// SPDX-License-Identifier: Apache-2.0
// Raw disk images: the overlay never changes the file, write-through does.
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "image/disk.h"

enum { CHUNK = 65536, SIZE = 3 * CHUNK + 512 };

static char path[] = "/tmp/silverpool-disk-XXXXXX";
static uint8_t before[SIZE];

static void put_file(size_t size)
{
    int fd = open(path, O_WRONLY | O_TRUNC);
    cr_assert(fd >= 0 && write(fd, before, size) == (ssize_t)size);
    close(fd);
}

static void set_up(void)
{
    int fd = mkstemp(path);
    cr_assert(fd >= 0);
    close(fd);
    for (size_t k = 0; k < SIZE; k++)
        before[k] = (uint8_t)(k * 13 + k / 512 + 1);
    put_file(SIZE);
}

static void tear_down(void) { unlink(path); }

TestSuite(disk, .init = set_up, .fini = tear_down);

static struct disk *open_disk(enum disk_mode mode)
{
    struct sp_error e;
    struct disk *d = disk_open(path, mode, &e);
    cr_assert(d, "%s", e.message);
    return d;
}

static void expect_file(const uint8_t *bytes)
{
    static uint8_t now[SIZE + 1];
    FILE *f = fopen(path, "r");
    cr_assert_eq(fread(now, 1, sizeof now, f), SIZE);
    fclose(f);
    cr_assert_arr_eq(now, bytes, SIZE);
}

/* The same random reads, writes and zeroings on a disk and on an array. */
static void exercise(struct block_store *s, uint8_t *model)
{
    static uint8_t bytes[SIZE];
    unsigned seed = 1;
    for (unsigned round = 0; round < 2000; round++) {
        uint64_t first = (unsigned)rand_r(&seed) % (SIZE / 512);
        uint64_t sectors = (unsigned)rand_r(&seed) % (SIZE / 512 - first) + 1;
        if (round % 4)
            sectors = sectors % 8 + 1 > SIZE / 512 - first ? 1 : sectors % 8 + 1;
        uint64_t at = first * 512, n = sectors * 512;
        switch (rand_r(&seed) % 3) {
        case 0:
            memset(bytes, (int)round, n);
            memset(model + at, (int)round, n);
            cr_assert(s->write(s->user, at, bytes, n));
            break;
        case 1:
            memset(model + at, 0, n);
            cr_assert(s->zero(s->user, at, n));
            break;
        default: cr_assert(s->read(s->user, at, bytes, n)); cr_assert_arr_eq(bytes, model + at, n);
        }
    }
}

Test(disk, overlay_reads_back_and_leaves_the_file)
{
    static uint8_t model[SIZE];
    struct disk *d = open_disk(DISK_OVERLAY);
    struct block_store s = disk_store(d);
    memcpy(model, before, SIZE);
    cr_assert_eq(s.size, SIZE);
    cr_assert_not(s.read_only);
    exercise(&s, model);
    cr_assert(s.flush(s.user));
    disk_close(d);
    expect_file(before);
}

Test(disk, write_through_changes_the_file)
{
    static uint8_t model[SIZE];
    struct disk *d = open_disk(DISK_WRITE_THROUGH);
    struct block_store s = disk_store(d);
    memcpy(model, before, SIZE);
    exercise(&s, model);
    cr_assert(s.flush(s.user));
    expect_file(model);
    disk_close(d);
    expect_file(model);
}

Test(disk, read_only_says_so)
{
    struct disk *d = open_disk(DISK_READ_ONLY);
    cr_assert(disk_store(d).read_only);
    disk_close(d);
}

static void expect_refused(enum disk_mode mode, const char *text)
{
    struct sp_error e;
    cr_assert_null(disk_open(path, mode, &e));
    cr_assert_eq(e.code, SP_EXIT_BAD_IMAGE);
    cr_assert(strstr(e.message, text), "%s", e.message);
}

Test(disk, file_of_odd_size_is_refused)
{
    put_file(1000);
    expect_refused(DISK_OVERLAY, "multiple of 512 bytes, this file has 1000");
    put_file(0);
    expect_refused(DISK_OVERLAY, "multiple of 512");
}

Test(disk, writer_is_alone)
{
    struct disk *d = open_disk(DISK_WRITE_THROUGH);
    expect_refused(DISK_WRITE_THROUGH, "in use");
    expect_refused(DISK_OVERLAY, "in use");
    disk_close(d);
    struct disk *one = open_disk(DISK_OVERLAY), *two = open_disk(DISK_OVERLAY);
    expect_refused(DISK_WRITE_THROUGH, "in use");
    disk_close(one);
    disk_close(two);
}

Test(disk, file_that_was_cut_gives_errors)
{
    uint8_t bytes[512];
    struct disk *d = open_disk(DISK_OVERLAY);
    struct block_store s = disk_store(d);
    put_file(512);
    cr_assert(s.read(s.user, 0, bytes, 512));
    cr_assert_not(s.read(s.user, 2 * CHUNK, bytes, 512));
    cr_assert_not(s.write(s.user, 2 * CHUNK, bytes, 512), "the rest of its chunk is missing");
    disk_close(d);
}

Test(disk, missing_file_is_named)
{
    unlink(path);
    expect_refused(DISK_OVERLAY, path);
}
