// SPDX-License-Identifier: Apache-2.0
// Multiboot 1 (specification 0.6.96) and 2 (specification 2.0).
#ifndef SP_IMAGE_MULTIBOOT_H
#define SP_IMAGE_MULTIBOOT_H

#include "image/blob.h"
#include "image/place.h"
#include "image/reader.h"

#define BOOT_LOADER_NAME "silverpool"

struct boot_request {
    const struct image *kernel;
    const char *command_line;           /* what multiboot kernels are told: "FILE ARGS" */
    const char *arguments;              /* what Linux is told: "ARGS"                    */
    const struct image_module *modules;
    size_t module_count;
};

/* Offset of a valid header in the image, or -1. */
int64_t multiboot1_find(const struct image *i);
int64_t multiboot2_find(const struct image *i);

bool multiboot1_load(struct place *p, const struct boot_request *r, int64_t header,
                     struct sp_error *e);
bool multiboot2_load(struct place *p, const struct boot_request *r, int64_t header,
                     struct sp_error *e);

/* ---- shared by both (boot.c) ---- */

/* The addresses with which a header describes an image that is not ELF. */
struct boot_addresses { uint32_t header, load, load_end, bss_end; };
bool boot_load_addresses(struct place *p, const struct image *i, uint64_t header_offset,
                         const struct boot_addresses *a, struct sp_error *e);

struct boot_module { uint32_t start, end; };
/* Places all modules on page boundaries above the kernel; *out is the caller's to free. */
bool boot_load_modules(struct place *p, const struct boot_request *r, struct boot_module **out,
                       struct sp_error *e);
/* KiB of RAM from 0 (at most 640) and from 1 MiB. */
void boot_memory_sizes(const struct place *p, uint32_t *lower, uint32_t *upper);
/* Copies finished boot information to free low memory; its offsets may then be made addresses. */
bool boot_place(struct place *p, const struct blob *b, uint64_t *address, struct sp_error *e);

#endif
