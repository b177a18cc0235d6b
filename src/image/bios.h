// SPDX-License-Identifier: Apache-2.0
#ifndef SP_IMAGE_BIOS_H
#define SP_IMAGE_BIOS_H

struct machine;

/* Kernels are entered without firmware, yet some go back to real-address mode and ask it (Xen
 * does).  This leaves in memory what they look for: the interrupt vectors, the BIOS data area, and
 * an extended BIOS data area with a handler of INT 15H, function E820H (all other services report
 * failure), and at F000:FFF0 what resets the machine. */
void bios_install(struct machine *m);

#endif
