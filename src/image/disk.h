// SPDX-License-Identifier: Apache-2.0
// Disks of a machine: raw images in files.
#ifndef SP_IMAGE_DISK_H
#define SP_IMAGE_DISK_H

#include "machine/machine.h"

enum disk_mode {
    DISK_OVERLAY,       /* writes stay in memory; the file is never changed */
    DISK_WRITE_THROUGH, /* writes go to the file; flush makes them durable  */
    DISK_READ_ONLY      /* the guest sees a disk that it cannot write       */
};

struct disk;

/* Opens a raw image: a regular file or a block device whose size is a multiple of 512.  A file that
 * someone writes to is locked for everybody else (flock).  NULL and *e on failure. */
struct disk *disk_open(const char *path, enum disk_mode mode, struct sp_error *e);
/* What the machine uses; valid until disk_close(). */
struct block_store disk_store(struct disk *d);
/* NULL is accepted. */
void disk_close(struct disk *d);

#endif
