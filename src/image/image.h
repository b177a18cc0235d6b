// SPDX-License-Identifier: Apache-2.0
// Images: files that a user hands to a machine.  Formats are recognised by their content,
// compressed ones are opened on the way.  Every length and offset in a file is untrusted: it is
// refused, never clamped, and the error names the file and the offset.
#ifndef SP_IMAGE_IMAGE_H
#define SP_IMAGE_IMAGE_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct machine;

/* No image may be larger, before or after decompression. */
#define IMAGE_SIZE_MAX (UINT64_C(1) << 30)

/* The bytes of a file, decompressed; owns `name` and `data`. */
struct image {
    char *name;
    uint8_t *data;
    size_t size;
};

/* Reads a file as it is, or opens gzip, xz, zstd and lz4 too.  On failure *image is empty. */
bool image_read_raw(struct image *image, const char *path, struct sp_error *e);
bool image_read(struct image *image, const char *path, struct sp_error *e);
/* image_read() for bytes in memory, which are copied; `name` stands in messages. */
bool image_copy(struct image *image, const char *name, const void *data, size_t size,
                struct sp_error *e);
void image_free(struct image *image);

/* A multiboot module: a file and the text that the kernel gets with it. */
struct image_module {
    struct image image;
    char *text;
};
/* True for kernels that get their modules as they stand in the files, because they open them
 * themselves (Linux does: several archives in one file, too); multiboot kernels get them opened. */
bool kernel_opens_modules(const struct image *kernel);
/* Reads QEMU's list "FILE ARGS,FILE ARGS" (",," stands for a comma in a name), for `kernel`. */
bool image_modules_read(const char *list, const struct image *kernel, struct image_module **modules,
                        size_t *count, struct sp_error *e);
void image_modules_free(struct image_module *modules, size_t count);

/* Places a kernel (multiboot 2, multiboot 1, PVH, Linux bzImage or plain ELF) with its command line
 * and modules in the machine's memory and puts processor 0 at its entry (entry.h says in which
 * state). */
bool kernel_load(struct machine *m, const struct image *kernel, const char *command_line,
                 const struct image_module *modules, size_t count, struct sp_error *e);
/* Leaves in the machine what firmware would have, before flat binaries are copied over it. */
void flat_begin(struct machine *m);
/* Copies a flat binary to RAM at `address`. */
bool flat_load(struct machine *m, const struct image *flat, uint64_t address, struct sp_error *e);
/* Lets processor 0 start in real-address mode at `address` (below 1 MiB + 64 KiB - 16). */
bool flat_enter(struct machine *m, uint64_t address, struct sp_error *e);
/* Maps firmware so that it ends at 4 GiB, and its last 128 KiB also below 1 MiB. */
bool firmware_load(struct machine *m, const struct image *rom, struct sp_error *e);

#endif
