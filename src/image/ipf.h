// SPDX-License-Identifier: Apache-2.0
// Itanium images: ELF executables.
#ifndef SP_IMAGE_IPF_H
#define SP_IMAGE_IPF_H

#include "image/image.h"
#include "machine/ipf_machine.h"

/* Whether the file is an ELF file for Itanium. */
bool ipf_image_is(const struct image *kernel);
/* Places an ELF executable at its physical addresses, firmware with its tables, the command line
 * and an initrd (NULL: none) beside it, and puts the processor at its entry point, in physical
 * mode. */
bool ipf_image_load(struct ipf_machine *m, const struct image *kernel, const char *command_line,
                    const struct image *initrd, struct sp_error *e);

#endif
