// SPDX-License-Identifier: Apache-2.0
// The public API: life, images, running.
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/internal.h"
#include "image/image.h"
#include "image/ipf.h"
#include "trace/log.h"

bool api_fail(struct sp_machine *m, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(m->failure.message, sizeof m->failure.message, format, args);
    va_end(args);
    return false;
}

struct cpu *api_cpu(struct sp_machine *m, unsigned index)
{
    if (m->ipf) {
        api_fail(m, "an Itanium machine has no such registers");
        return NULL;
    }
    struct cpu *c = machine_cpu(m->machine, index);
    if (!c)
        api_fail(m, "there is no processor %u", index);
    return c;
}

static struct machine_config config_of(const struct sp_config *c)
{
    return (struct machine_config){
        .ram_size = c->ram_size ? c->ram_size : 128 << 20,
        .processors = c->processors ? c->processors : 1,
        .cpu = c->cpu ? c->cpu : "max",
        .seed = c->seed,
        .bare = c->bare,
        .serial = { c->serial_write, c->serial_read, c->user },
        .debugcon = { c->debugcon_write, NULL, c->user },
        .debug_exit_port = c->debug_exit_port,
        .debug_exit_size = 4,
        .smm = c->smm,
        .tlb = c->tlb == SP_TLB_NONE     ? TLB_NONE
               : c->tlb == SP_TLB_STICKY ? TLB_STICKY
                                         : TLB_EXACT,
    };
}

static bool open_disks(struct sp_machine *m, const struct sp_config *c, struct block_disk *out,
                       struct sp_error *e)
{
    if (c->disk_count > API_DISKS_MAX)
        return sp_fail(e, SP_EXIT_USAGE, "a machine has at most %d disks", API_DISKS_MAX);
    for (size_t k = 0; k < c->disk_count; k++) {
        const struct sp_disk *disk = &c->disks[k];
        enum disk_mode mode = disk->read_only       ? DISK_READ_ONLY
                              : disk->write_through ? DISK_WRITE_THROUGH
                                                    : DISK_OVERLAY;
        m->disk[k] = disk_open(disk->file, mode, e);
        if (!m->disk[k])
            return false;
        out[k] = (struct block_disk){ disk_store(m->disk[k]), disk->serial };
    }
    return true;
}

/* What an Itanium machine would be made of later. */
static bool keep_config(struct sp_machine *m, const struct sp_config *c)
{
    m->config = *c;
    m->default_cpu = !c->cpu || !strcmp(c->cpu, "max");
    m->config.cpu = m->config.ssc_folder = NULL;
    m->config.disks = NULL;
    m->ssc_folder = c->ssc_folder ? strdup(c->ssc_folder) : NULL;
    return m->ssc_folder || !c->ssc_folder;
}

struct sp_machine *sp_machine_create(const struct sp_config *config, char *why, size_t why_size)
{
    struct machine_config internal = config_of(config);
    struct block_disk disks[API_DISKS_MAX];
    struct sp_error e = { .message = "no memory" };
    struct sp_machine *m = calloc(1, sizeof *m);
    internal.disks = disks;
    internal.disk_count = config->disk_count;
    if (m && keep_config(m, config) && open_disks(m, config, disks, &e) &&
        (m->machine = machine_create(&internal, &e)))
        return m;
    sp_machine_destroy(m);
    if (why && why_size)
        snprintf(why, why_size, "%s", e.message);
    return NULL;
}

void sp_machine_destroy(struct sp_machine *m)
{
    if (!m)
        return;
    machine_destroy(m->machine);
    ipf_machine_destroy(m->ipf);
    if (m->live)
        trace_log_close(m->live, NULL);
    free(m->ssc_folder);
    for (size_t k = 0; k < API_DISKS_MAX; k++)
        disk_close(m->disk[k]);
    free(m);
}

bool sp_machine_reset(struct sp_machine *m)
{
    if (m->ipf)
        return api_fail(m, "an Itanium machine starts again with sp_load_kernel()");
    machine_reset(m->machine);
    return true;
}

const char *sp_last_failure(const struct sp_machine *m) { return m->failure.message; }

static bool load(struct sp_machine *m, const struct image *kernel, const char *command_line,
                 const struct image_module *modules, size_t count)
{
    if (ipf_image_is(kernel))
        return api_ipf_load(m, kernel, command_line, modules, count);
    return m->ipf ? api_fail(m, "%s: the machine is an Itanium one", kernel->name)
                  : kernel_load(m->machine, kernel, command_line, modules, count, &m->failure);
}

bool sp_load_kernel(struct sp_machine *m, const char *file, const char *command_line,
                    const char *modules)
{
    struct image kernel;
    struct image_module *list = NULL;
    size_t count = 0;
    if (!image_read(&kernel, file, &m->failure))
        return false;
    bool ok = (!modules || image_modules_read(modules, &kernel, &list, &count, &m->failure)) &&
              load(m, &kernel, command_line, list, count);
    image_modules_free(list, count);
    image_free(&kernel);
    return ok;
}

bool sp_load_kernel_bytes(struct sp_machine *m, const char *name, const void *bytes, size_t size,
                          const char *command_line)
{
    struct image kernel;
    if (!image_copy(&kernel, name, bytes, size, &m->failure))
        return false;
    bool ok = load(m, &kernel, command_line, NULL, 0);
    image_free(&kernel);
    return ok;
}

bool sp_load_flat(struct sp_machine *m, const void *bytes, size_t size, uint64_t address)
{
    struct image flat = { .name = (char *)"flat image", .data = (uint8_t *)bytes, .size = size };
    if (m->ipf)
        return sp_mem_write(m, address, bytes, size);
    return flat_load(m->machine, &flat, address, &m->failure);
}

bool sp_load_firmware(struct sp_machine *m, const char *file)
{
    struct image rom;
    if (m->ipf)
        return api_fail(m, "%s: an Itanium machine has its own firmware", file);
    if (!image_read(&rom, file, &m->failure))
        return false;
    bool ok = firmware_load(m->machine, &rom, &m->failure);
    image_free(&rom);
    return ok;
}

static enum sp_stop_reason reason_of(enum machine_stop reason)
{
    switch (reason) {
    case STOP_BUDGET: return SP_STOP_BUDGET;
    case STOP_REQUESTED: return SP_STOP_REQUESTED;
    case STOP_DEBUG_EXIT: return SP_STOP_DEBUG_EXIT;
    case STOP_POWER_OFF: return SP_STOP_POWER_OFF;
    case STOP_RESET: return SP_STOP_RESET;
    case STOP_TRIPLE_FAULT: return SP_STOP_TRIPLE_FAULT;
    case STOP_HALTED: return SP_STOP_HALTED;
    case STOP_VMX_ABORT: return SP_STOP_VMX_ABORT;
    case STOP_NOT_MODELLED: break;
    }
    return SP_STOP_NOT_MODELLED;
}

void sp_run(struct sp_machine *m, const struct sp_limits *limits, struct sp_stop_report *report)
{
    struct machine_limits internal = { 0 };
    struct stop_report stop = { 0 };
    if (limits)
        internal = (struct machine_limits){ limits->max_insns, limits->poll, limits->poll_user };
    m->running = true;
    if (m->ipf)
        ipf_machine_run(m->ipf, &internal, &stop);
    else
        machine_run(m->machine, &internal, &stop);
    m->running = false;
    api_hooks_trace(m);
    report->reason = reason_of(stop.reason);
    report->cpu = stop.cpu;
    report->value = stop.value;
    snprintf(report->text, sizeof report->text, "%s", stop.text);
}

void sp_stop(struct sp_machine *m)
{
    if (m->ipf)
        ipf_machine_stop_request(m->ipf);
    else
        machine_stop_request(m->machine);
}

bool sp_save(struct sp_machine *m, const char *file)
{
    if (m->ipf)
        return api_fail(m, "%s: an Itanium machine cannot be saved", file);
    return machine_save(m->machine, file, &m->failure);
}

bool sp_restore(struct sp_machine *m, const char *file)
{
    if (m->ipf)
        return api_fail(m, "%s: an Itanium machine cannot be restored", file);
    return machine_restore(m->machine, file, &m->failure);
}

uint64_t sp_instructions(const struct sp_machine *m)
{
    return m->ipf ? ipf_machine_insns(m->ipf) : machine_insns(m->machine);
}
uint64_t sp_state_hash(const struct sp_machine *m)
{
    return m->ipf ? ipf_machine_state_hash(m->ipf) : machine_state_hash(m->machine);
}
unsigned sp_processors(const struct sp_machine *m)
{
    return m->ipf ? ipf_machine_cpu_count(m->ipf) : machine_cpu_count(m->machine);
}
