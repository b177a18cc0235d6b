// SPDX-License-Identifier: Apache-2.0
// Options that speak to firmware.
#ifndef SP_CLI_FIRMWARE_H
#define SP_CLI_FIRMWARE_H

#include "cli/options.h"

/* -boot: the boot menu.  *ignored if it also says something that has no effect here. */
bool firmware_parse_boot(struct options *o, const char *v, bool *ignored, struct sp_error *e);
/* -global DRIVER.PROPERTY=VALUE: isa-debugcon.iobase; *ignored for any other property. */
bool firmware_parse_global(struct options *o, const char *v, bool *ignored, struct sp_error *e);
/* -fw_cfg name=N,file=F or name=N,string=S; QEMU also takes the name without "name=". */
bool firmware_parse_fw_cfg(struct options *o, const char *v, struct sp_error *e);

#endif
