// SPDX-License-Identifier: Apache-2.0
// Saving a machine, and restoring one.
#include "cpu/access.h"
#include "cpu/saved.h"
#include "machine/saved.h"
#include "mem/saved.h"
#include "platform/saved.h"
#include "vmx/saved.h"

#define SAVED_ROWS "machine/saved.def"
#include "base/saved_tables.h"

/* The tables that the state begins with; parts of others belong to them. */
static uint32_t layout(void)
{
    const struct saved_table *const tables[] = {
        saved_machine(),  saved_mem_region(),  saved_cpu(),            saved_vmx(),
        saved_platform(), saved_port_range(),  saved_lapic(),          saved_testdev(),
        saved_virtio_blk(), saved_pci_testdev(), saved_virtio_devices(),
    };
    uint32_t h = SAVED_VERSION;
    for (size_t k = 0; k < ARRAY_SIZE(tables); k++)
        h = saved_layout(tables[k], h);
    return h;
}

static bool processors_saved(struct machine *m, struct saved_stream *s)
{
    for (unsigned k = 0; k < m->cpus; k++)
        if (!saved_object(s, saved_cpu(), m->cpu[k]) ||
            (m->cpu[k]->vmx && !saved_object(s, saved_vmx(), m->cpu[k]->vmx)))
            return false;
    return true;
}

/* All but the identity.  Both directions go the same way. */
static bool state_saved(struct machine *m, struct saved_stream *s)
{
    code_cache_restart(m->code);
    if (s->loading && m->platform)
        platform_forget_windows(m->platform);
    if (!mem_saved(m->mem, s, m->platform ? platform_make_window : NULL, m->platform) ||
        !saved_object(s, saved_machine(), m) || !processors_saved(m, s) ||
        (m->platform && !platform_saved(m->platform, s)))
        return false;
    code_cache_restart(m->code);
    return true;
}

static bool move(struct machine *m, struct saved_file *f)
{
    bool ok = f && identity_saved(m, saved_file_stream(f)) &&
              state_saved(m, saved_file_stream(f)) && saved_file_end(f);
    saved_file_close(f);
    return ok;
}

bool machine_save(struct machine *m, const char *file, struct sp_error *e)
{
    if (m->running)
        return sp_fail(e, SP_EXIT_USAGE, "%s: a machine cannot be saved while it runs", file);
    return move(m, saved_file_create(file, layout(), e));
}

bool machine_restore(struct machine *m, const char *file, struct sp_error *e)
{
    if (m->running)
        return sp_fail(e, SP_EXIT_USAGE, "%s: a machine cannot be restored while it runs", file);
    return move(m, saved_file_open(file, layout(), e));
}
