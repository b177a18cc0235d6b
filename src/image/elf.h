// SPDX-License-Identifier: Apache-2.0
// ELF files by libelf, which stands behind this file alone.
#ifndef SP_IMAGE_ELF_H
#define SP_IMAGE_ELF_H

#include "image/place.h"
#include "image/reader.h"

struct elf_info {
    bool is_64;
    uint64_t entry;        /* physical */
    uint64_t lowest;       /* lowest physical address loaded */
    bool is_linux;         /* has notes of Linux */
    bool has_pvh_entry;    /* a note XEN_ELFNOTE_PHYS32_ENTRY gives: */
    uint32_t pvh_entry;
};

enum elf_family { ELF_X86, ELF_ITANIUM };

bool elf_is(const struct image *i);
/* Whether an ELF header, damaged or not, names Itanium. */
bool elf_is_itanium(const struct image *i);
/* Copies all PT_LOAD segments of an executable for these processors to their physical addresses. */
bool elf_load(struct place *p, const struct image *i, enum elf_family family,
              struct elf_info *info, struct sp_error *e);
/* A piece of code in the file: a section with instructions, or an executable segment where there
 * are no sections. */
struct elf_code {
    const char *name;
    uint64_t address, size;
    const uint8_t *bytes;
};
/* Calls `each` for every one of an executable for these processors. */
bool elf_each_code(const struct image *i, enum elf_family family,
                   void (*each)(void *user, const struct elf_code *code, bool is_64), void *user,
                   struct sp_error *e);
/* Calls `each` for every function and label of the symbol table; without one, not at all. */
void elf_symbols(const struct image *i,
                 void (*each)(void *user, const char *name, uint64_t value, uint64_t size),
                 void *user);

#endif
