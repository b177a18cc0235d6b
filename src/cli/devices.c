// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "cli/devices.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "cli/options.h"
#include "cli/values.h"

/* ---- "key=value,key=value" ---- */

/* One key: its text goes to *text, or it switches *flag; neither: any value changes nothing. */
struct setting {
    const char *name;
    char **text;
    bool *flag;
};

/* Copies one entry of the list, ",," read as ","; returns what follows it. */
static const char *next_entry(const char *list, char *out)
{
    while (*list && (*list != ',' || list[1] == ',')) {
        list += *list == ',';
        *out++ = *list++;
    }
    *out = 0;
    return *list ? list + 1 : list;
}

static bool set_flag(bool *flag, const char *value)
{
    *flag = !strcmp(value, "on");
    return *flag || !strcmp(value, "off");
}

static bool apply(const char *what, char *entry, const struct setting *settings, size_t count,
                  struct sp_error *e)
{
    char *value = strchr(entry, '=');
    if (value)
        *value++ = 0;
    for (size_t k = 0; value && k < count; k++) {
        const struct setting *s = &settings[k];
        if (strcmp(entry, s->name))
            continue;
        if (s->flag && !set_flag(s->flag, value))
            return sp_fail(e, SP_EXIT_USAGE, "%s: %s=%s: expected on or off", what, entry, value);
        if (s->text) {
            free(*s->text);
            *s->text = strdup(value);
        }
        return !s->text || *s->text || sp_fail(e, SP_EXIT_USAGE, "%s: no memory", what);
    }
    return sp_fail(e, SP_EXIT_USAGE, "%s: bad setting \"%s\"", what, entry);
}

static bool parse(const char *what, const char *list, const struct setting *settings, size_t count,
                  struct sp_error *e)
{
    char *entry = malloc(strlen(list) + 1);
    bool ok = entry || sp_fail(e, SP_EXIT_USAGE, "%s: no memory", what);
    while (ok && *list) {
        list = next_entry(list, entry);
        ok = apply(what, entry, settings, count, e);
    }
    free(entry);
    return ok;
}

/* ---- -drive ---- */

static bool check_drive(const struct drive_option *d, struct sp_error *e)
{
    if (!d->file || !*d->file)
        return sp_fail(e, SP_EXIT_USAGE, "-drive: expected file=FILE");
    if (d->format && strcmp(d->format, "raw"))
        return sp_fail(e, SP_EXIT_NOT_MODELLED,
                       "-drive format=%s: only raw images can be read (qemu-img convert)",
                       d->format);
    if (d->interface && !strcmp(d->interface, "pflash"))
        return sp_fail(e, SP_EXIT_NOT_MODELLED,
                       "-drive if=pflash: flash memory is not modelled: give firmware in one file "
                       "with -bios, such as OVMF.fd");
    if (!d->interface || (strcmp(d->interface, "virtio") && strcmp(d->interface, "none")))
        return sp_fail(e, SP_EXIT_NOT_MODELLED,
                       "-drive if=%s: this disk is not modelled: give if=virtio, or if=none,id=ID "
                       "and -device virtio-blk-pci,drive=ID",
                       d->interface ? d->interface : "ide (the default)");
    return true;
}

bool devices_add_drive(struct device_options *d, const char *value, struct sp_error *e)
{
    struct drive_option *n = &d->drive[d->drives];
    const struct setting settings[] = {
        { "file", &n->file, NULL },
        { "id", &n->id, NULL },
        { "if", &n->interface, NULL },
        { "format", &n->format, NULL },
        { "snapshot", NULL, &n->snapshot },
        { "readonly", NULL, &n->read_only },
        { "read-only", NULL, &n->read_only },
        { "media", NULL, NULL },
        { "cache", NULL, NULL },
        { "aio", NULL, NULL },
        { "index", NULL, NULL },              { "unit", NULL, NULL },
    };
    if (d->drives == DRIVES_MAX)
        return sp_fail(e, SP_EXIT_USAGE, "-drive: more than %d drives", DRIVES_MAX);
    d->drives++;
    n->snapshot = true;
    return parse("-drive", value, settings, ARRAY_SIZE(settings), e) && check_drive(n, e);
}

/* ---- -chardev ---- */

static char *chardev_spec(const struct chardev_option *c, const char *backend)
{
    char *spec = NULL;
    if (!strcmp(backend, "stdio") && !c->path)
        return strdup("stdio");
    if (!strcmp(backend, "null") && !c->path)
        return strdup("none");
    if (!strcmp(backend, "file") && c->path && asprintf(&spec, "file:%s", c->path) > 0)
        return spec;
    return NULL;
}

bool devices_add_chardev(struct device_options *d, const char *value, struct sp_error *e)
{
    struct chardev_option *c = &d->chardev[d->chardevs];
    size_t n = strcspn(value, ",");
    char backend[8] = "";
    bool mux;
    const struct setting settings[] = {
        { "id", &c->id, NULL },
        { "path", &c->path, NULL },
        { "signal", NULL, &c->signals },
        { "mux", NULL, &mux }, /* the keys of the console are there in any case */
    };
    if (d->chardevs == CHARDEVS_MAX)
        return sp_fail(e, SP_EXIT_USAGE, "-chardev: more than %d of them", CHARDEVS_MAX);
    d->chardevs++;
    c->signals = true;
    if (!parse("-chardev", value[n] ? value + n + 1 : "", settings, ARRAY_SIZE(settings), e))
        return false;
    if (n < sizeof backend)
        memcpy(backend, value, n);
    c->spec = chardev_spec(c, backend);
    return (c->id && c->spec) ||
           sp_fail(e, SP_EXIT_USAGE,
                   "-chardev %s: expected stdio,id=ID or null,id=ID or file,id=ID,path=FILE",
                   value);
}

/* ---- -device ---- */

static bool add_disk(struct options *o, const char *what, const char *list, struct sp_error *e)
{
    struct device_options *d = &o->devices;
    struct disk_option *n = &d->disk[d->disks];
    const struct setting settings[] = {
        { "drive", &n->drive, NULL },
        { "serial", &n->serial, NULL },
        { "id", NULL, NULL },
        { "bootindex", NULL, NULL },
    };
    if (d->disks == DRIVES_MAX)
        return sp_fail(e, SP_EXIT_USAGE, "-device %s: more than %d disks", what, DRIVES_MAX);
    d->disks++;
    if (!parse("-device virtio-blk-pci", list, settings, ARRAY_SIZE(settings), e))
        return false;
    if (n->serial && strlen(n->serial) > 20)
        return sp_fail(e, SP_EXIT_USAGE, "-device %s,serial=%s: more than 20 characters", what,
                       n->serial);
    return n->drive || sp_fail(e, SP_EXIT_USAGE, "-device %s: expected drive=ID", what);
}

static bool add_serial(struct options *o, const char *what, const char *list, struct sp_error *e)
{
    struct device_options *d = &o->devices;
    const struct setting settings[] = { { "id", NULL, NULL } };
    if (d->virtio_serial)
        return sp_fail(e, SP_EXIT_NOT_MODELLED, "-device %s: a second one is not modelled", what);
    d->virtio_serial = true;
    return parse("-device virtio-serial-pci", list, settings, ARRAY_SIZE(settings), e);
}

static bool add_console(struct options *o, const char *what, const char *list, struct sp_error *e)
{
    struct device_options *d = &o->devices;
    const struct setting settings[] = {
        { "chardev", &d->console_chardev, NULL },
        { "id", NULL, NULL },
        { "name", NULL, NULL },
        { "bus", NULL, NULL },
    };
    if (d->virtconsole)
        return sp_fail(e, SP_EXIT_NOT_MODELLED, "-device %s: virtio-serial-pci has one port here",
                       what);
    d->virtconsole = true;
    return parse("-device virtconsole", list, settings, ARRAY_SIZE(settings), e);
}

static bool add_debug_exit(struct options *o, const char *what, const char *list,
                           struct sp_error *e)
{
    uint64_t port = 0x501, size = 2; /* QEMU's defaults */
    const struct value_key keys[] = { { "iobase", 0xffff, &port }, { "iosize", 4, &size } };
    if (!value_keys("-device isa-debug-exit", list, keys, ARRAY_SIZE(keys), e))
        return false;
    if (!port || !size)
        return sp_fail(e, SP_EXIT_USAGE, "-device isa-debug-exit: iobase and iosize must not be 0");
    o->debug_exit_port = (uint16_t)port;
    o->debug_exit_size = (uint8_t)size;
    return true;
}

static bool add_testdev(struct options *o, const char *what, const char *list, struct sp_error *e)
{
    o->pc_testdev = true;
    return !*list || sp_fail(e, SP_EXIT_USAGE, "-device %s: takes no settings", what);
}

static bool add_pci_testdev(struct options *o, const char *what, const char *list,
                            struct sp_error *e)
{
    o->pci_testdev = true;
    return !*list || sp_fail(e, SP_EXIT_USAGE, "-device %s: takes no settings", what);
}

static const struct row {
    const char *name, *help; /* help NULL: another name */
    bool (*add)(struct options *o, const char *what, const char *list, struct sp_error *e);
} rows[] = {
    { "isa-debug-exit", ", iobase=PORT, iosize=N", add_debug_exit },
    { "pc-testdev", "", add_testdev },
    { "pci-testdev", "", add_pci_testdev },
    { "virtio-blk-pci", ", drive=ID, serial=TEXT", add_disk },
    { "virtio-blk", NULL, add_disk },
    { "virtio-serial-pci", "", add_serial },
    { "virtio-serial", NULL, add_serial },
    { "virtconsole", ", chardev=ID (the port of virtio-serial-pci)", add_console },
};

bool devices_add(struct options *o, const char *value, struct sp_error *e)
{
    size_t n = strcspn(value, ",");
    for (size_t k = 0; k < ARRAY_SIZE(rows); k++)
        if (strlen(rows[k].name) == n && !strncmp(rows[k].name, value, n))
            return rows[k].add(o, rows[k].name, value[n] ? value + n + 1 : "", e);
    return sp_fail(e, SP_EXIT_NOT_MODELLED,
                   "-device %.*s: this device is not modelled (-device help)", (int)n, value);
}

void devices_help(void)
{
    for (size_t k = 0; k < ARRAY_SIZE(rows); k++)
        if (rows[k].help)
            printf("name \"%s\"%s\n", rows[k].name, rows[k].help);
}

/* ---- putting together ---- */

static bool resolve_disk(struct device_options *d, struct disk_option *disk, struct sp_error *e)
{
    for (unsigned k = 0; k < d->drives; k++) {
        struct drive_option *from = &d->drive[k];
        if (!from->id || strcmp(from->id, disk->drive) || !strcmp(from->interface, "virtio"))
            continue;
        if (from->used)
            return sp_fail(e, SP_EXIT_USAGE, "-drive id=%s: two devices use it", from->id);
        from->used = true;
        disk->source = from;
        return true;
    }
    return sp_fail(e, SP_EXIT_USAGE, "-device virtio-blk-pci: there is no -drive if=none,id=%s",
                   disk->drive);
}

/* if=virtio makes a device for the drive, behind those of -device. */
static bool add_implied_disks(struct device_options *d, struct sp_error *e)
{
    for (unsigned k = 0; k < d->drives; k++) {
        if (strcmp(d->drive[k].interface, "virtio"))
            continue;
        if (d->disks == DRIVES_MAX)
            return sp_fail(e, SP_EXIT_USAGE, "-drive: more than %d disks", DRIVES_MAX);
        d->disk[d->disks++].source = &d->drive[k];
    }
    return true;
}

static const struct chardev_option *find_chardev(const struct device_options *d, const char *id)
{
    for (unsigned k = 0; k < d->chardevs; k++)
        if (!strcmp(d->chardev[k].id, id))
            return &d->chardev[k];
    return NULL;
}

/* "chardev:ID" becomes what that -chardev says. */
static bool resolve_chardev(struct options *o, const char **spec, struct sp_error *e)
{
    if (!*spec || strncmp(*spec, "chardev:", 8))
        return true;
    const struct chardev_option *c = find_chardev(&o->devices, *spec + 8);
    if (!c)
        return sp_fail(e, SP_EXIT_USAGE, "there is no -chardev id=%s", *spec + 8);
    *spec = c->spec;
    o->keys_to_guest |= !c->signals;
    return true;
}

static bool resolve_virtconsole(struct options *o, struct sp_error *e)
{
    struct device_options *d = &o->devices;
    const struct chardev_option *c = NULL;
    d->console = "none";
    if (!d->virtconsole)
        return true;
    if (!d->virtio_serial)
        return sp_fail(e, SP_EXIT_USAGE, "-device virtconsole: needs -device virtio-serial-pci");
    if (!d->console_chardev || !(c = find_chardev(d, d->console_chardev)))
        return sp_fail(e, SP_EXIT_USAGE, "-device virtconsole: expected chardev=ID of a -chardev");
    d->console = c->spec;
    o->keys_to_guest |= !c->signals;
    return true;
}

/* COM1 is on standard input and output unless the virtio console or the user says otherwise. */
static bool resolve_consoles(struct options *o, struct sp_error *e)
{
    if (!resolve_virtconsole(o, e) || !resolve_chardev(o, &o->serial, e) ||
        !resolve_chardev(o, &o->debugcon, e))
        return false;
    bool taken = !strcmp(o->devices.console, "stdio");
    if (taken && o->serial && !strcmp(o->serial, "stdio"))
        return sp_fail(e, SP_EXIT_USAGE,
                       "standard input belongs to one console: COM1 (-serial) or virtconsole");
    o->serial = o->serial ? o->serial : taken ? "none" : "stdio";
    o->debugcon = o->debugcon ? o->debugcon : "none";
    return true;
}

bool devices_resolve(struct options *o, struct sp_error *e)
{
    struct device_options *d = &o->devices;
    for (unsigned k = 0; k < d->disks; k++)
        if (!resolve_disk(d, &d->disk[k], e))
            return false;
    return add_implied_disks(d, e) && resolve_consoles(o, e);
}

void devices_free(struct device_options *d)
{
    for (unsigned k = 0; k < d->drives; k++) {
        free(d->drive[k].file);
        free(d->drive[k].id);
        free(d->drive[k].interface);
        free(d->drive[k].format);
    }
    for (unsigned k = 0; k < d->disks; k++) {
        free(d->disk[k].drive);
        free(d->disk[k].serial);
    }
    for (unsigned k = 0; k < d->chardevs; k++) {
        free(d->chardev[k].id);
        free(d->chardev[k].path);
        free(d->chardev[k].spec);
    }
    free(d->console_chardev);
}
