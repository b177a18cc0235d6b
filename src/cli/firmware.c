// SPDX-License-Identifier: Apache-2.0
#include "cli/firmware.h"

#include <string.h>

#include "cli/values.h"

static bool is(const char *setting, size_t n, const char *text)
{
    return n == strlen(text) && !strncmp(setting, text, n);
}

/* One of the settings of -boot; false for one that is not understood. */
static bool boot_setting(struct options *o, const char *s, size_t n, bool *ignored)
{
    uint64_t wait = 0;
    char number[16] = "";
    if (is(s, n, "menu=on") || is(s, n, "menu=off")) {
        o->firmware.boot_menu = is(s, n, "menu=on");
        return true;
    }
    if (strncmp(s, "splash-time=", 12)) {
        *ignored = true; /* the order of disks and such */
        return true;
    }
    if (n - 12 < sizeof number)
        memcpy(number, s + 12, n - 12);
    bool ok = value_number(number, 0xffff, &wait);
    o->firmware.boot_menu_wait = (uint16_t)wait;
    return ok;
}

bool firmware_parse_boot(struct options *o, const char *v, bool *ignored, struct sp_error *e)
{
    while (*v) {
        size_t n = strcspn(v, ",");
        if (!boot_setting(o, v, n, ignored))
            return sp_fail(e, SP_EXIT_USAGE, "-boot %.*s: expected at most 65535 milliseconds",
                           (int)n, v);
        v += n + (v[n] == ',');
    }
    return true;
}

bool firmware_parse_global(struct options *o, const char *v, bool *ignored, struct sp_error *e)
{
    static const char debugcon[] = "isa-debugcon.iobase=";
    uint64_t port;
    if (strncmp(v, debugcon, sizeof debugcon - 1)) {
        *ignored = true;
        return true;
    }
    if (!value_number(v + sizeof debugcon - 1, 0xffff, &port) || !port)
        return sp_fail(e, SP_EXIT_USAGE, "-global %s: expected a port from 1 to 0xffff", v);
    o->debugcon_port = (uint16_t)port;
    return true;
}

bool firmware_parse_fw_cfg(struct options *o, const char *v, struct sp_error *e)
{
    struct fw_cfg_option *f = &o->fw_cfg[o->fw_cfgs];
    if (o->fw_cfgs == FW_CFG_MAX)
        return sp_fail(e, SP_EXIT_USAGE, "-fw_cfg: more than %d files", FW_CFG_MAX);
    if (!strncmp(v, "name=", 5))
        v += 5;
    size_t n = strcspn(v, ",");
    const char *rest = v + n;
    o->fw_cfgs++;
    f->name = strndup(v, n);
    if (!strncmp(rest, ",file=", 6) && rest[6])
        f->file = strdup(rest + 6);
    else if (!strncmp(rest, ",string=", 8))
        f->string = strdup(rest + 8);
    if (!n || n > 55 || !f->name || (!f->file && !f->string))
        return sp_fail(e, SP_EXIT_USAGE,
                       "-fw_cfg %s: expected name=NAME,file=FILE or name=NAME,string=TEXT", v);
    return true;
}
