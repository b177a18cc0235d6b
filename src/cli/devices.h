// SPDX-License-Identifier: Apache-2.0
// -device, -drive and -chardev: parsed one by one, in any order, and put together at the end.
#ifndef SP_CLI_DEVICES_H
#define SP_CLI_DEVICES_H

#include "base/error.h"

enum { DRIVES_MAX = 16, CHARDEVS_MAX = 8 };

struct options;

struct drive_option {
    char *file, *id;
    char *interface, *format; /* what the user wrote, NULL: nothing */
    bool snapshot, read_only;
    bool used;
};
struct disk_option {
    char *drive, *serial;
    const struct drive_option *source;
};
struct chardev_option {
    char *id, *path;
    char *spec;
    bool signals;
};

struct device_options {
    struct drive_option drive[DRIVES_MAX];
    struct disk_option disk[DRIVES_MAX]; /* in the order of their PCI slots */
    struct chardev_option chardev[CHARDEVS_MAX];
    unsigned drives, disks, chardevs;
    bool virtio_serial, virtconsole;
    char *console_chardev;
    const char *console; /* resolved: "stdio", "none" or "file:NAME" */
};

bool devices_add_drive(struct device_options *d, const char *value, struct sp_error *e);
bool devices_add_chardev(struct device_options *d, const char *value, struct sp_error *e);
/* -device */
bool devices_add(struct options *o, const char *value, struct sp_error *e);
/* After all options have been seen: finds what they refer to, and gives the consoles their
 * defaults. */
bool devices_resolve(struct options *o, struct sp_error *e);
void devices_free(struct device_options *d);
/* Prints what -device takes. */
void devices_help(void);

#endif
