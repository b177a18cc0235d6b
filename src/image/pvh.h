// SPDX-License-Identifier: Apache-2.0
// PVH: ELF kernels with a note XEN_ELFNOTE_PHYS32_ENTRY (in Xen: docs/misc/pvh.pandoc and
// xen/include/public/arch-x86/hvm/start_info.h).
#ifndef SP_IMAGE_PVH_H
#define SP_IMAGE_PVH_H

#include "image/elf.h"
#include "image/multiboot.h"

/* Places the modules and the start information (version 1: with a memory map), and enters the
 * kernel, whose segments are in memory already, at the note's address.  Each module gets the text
 * behind its file's name; Linux, which looks at one module only, gets all in one. */
bool pvh_load(struct place *p, const struct boot_request *r, const struct elf_info *elf,
              struct sp_error *e);

#endif
