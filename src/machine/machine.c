// SPDX-License-Identifier: Apache-2.0
#include "machine/machine.h"

#include <stdlib.h>
#include <string.h>

#include "cpu/access.h"
#include "cpu/kept.h"
#include "cpu/saved.h"
#include "cpu/stale.h"
#include "cpu/trace.h"
#include "machine/internal.h"
#include "machine/saved.h"
#include "mem/saved.h"
#include "platform/acpi_tables.h"
#include "platform/mch.h"
#include "vmx/vmx.h"

enum { PROCESSORS_MAX = 64, CPU_ALIGNMENT = 64 };
enum { FEATURE_LOCKED = 1 << 0, FEATURE_VMX = 1 << 2 }; /* IA32_FEATURE_CONTROL, outside SMX */
#define DEFAULT_CPU "skylake"
#define CONVENTIONAL_END UINT64_C(0x9fc00)     /* below the extended BIOS data area */
#define ONE_MIB UINT64_C(0x100000)
#define FOUR_GIB UINT64_C(0x100000000)

/* --strict tlb uses no translation twice, so that there is nothing to keep. */
static bool create_tlb(struct cpu *c, const struct machine_config *config)
{
    c->no_tlb = config->tlb == TLB_NONE;
    if (config->strict_tlb)
        return (c->stale = stale_create());
    return config->tlb != TLB_STICKY || (c->kept = kept_create());
}

static struct cpu *create_cpu(struct machine *m, unsigned index,
                              const struct machine_config *config)
{
    size_t size = (sizeof(struct cpu) + CPU_ALIGNMENT - 1) & ~(size_t)(CPU_ALIGNMENT - 1);
    struct cpu *c = aligned_alloc(CPU_ALIGNMENT, size);
    if (!c)
        return NULL;
    memset(c, 0, size);
    c->index = index;
    c->mem = m->mem;
    c->code = m->code;
    c->machine = m;
    c->bus = &m->bus;
    c->model = &m->model;
    c->hooks = &m->hooks;
    if (!create_tlb(c, config)) {
        free(c);
        return NULL;
    }
    code_cache_add_cpu(m->code, c);
    return c;
}

static bool create_cpus(struct machine *m, const struct machine_config *config)
{
    unsigned count = config->processors;
    m->code = code_cache_create(m->mem);
    m->cpu = calloc(count, sizeof *m->cpu);
    if (!m->code || !m->cpu)
        return false;
    for (; m->cpus < count; m->cpus++) {
        struct cpu *c = create_cpu(m, m->cpus, config);
        if (!c)
            return false;
        m->cpu[m->cpus] = c;
        if (model_has(&m->model, FEAT_VMX) && !vmx_attach(c))
            return false;
    }
    return true;
}

/* Spreads the seed so that neighbouring processors and seeds differ in all bits (splitmix64's
 * mixer). */
static uint64_t mix(uint64_t v)
{
    v = (v ^ v >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    v = (v ^ v >> 27) * UINT64_C(0x94d049bb133111eb);
    return v ^ v >> 31;
}

static void reset_cpus(struct machine *m)
{
    for (unsigned k = 0; k < m->cpus; k++) {
        struct cpu *c = m->cpu[k];
        cpu_reset(c);
        c->seed = mix(m->seed + (k + 1) * UINT64_C(0x9e3779b97f4a7c15)) | 1;
        if (k)
            c->activity = ACTIVITY_WAIT_SIPI;
    }
    m->turn = 0;
    m->turn_end = 0;
}

/* The local APIC owns IA32_APIC_BASE; the processor's copy is for CPUID. */
static void copy_apic_bases(struct machine *m)
{
    for (unsigned k = 0; k < m->cpus && m->platform; k++)
        m->cpu[k]->msr.apic_base = platform_lapic(m->platform, k)->base;
}

static bool create_platform(struct machine *m, const struct machine_config *config,
                            struct sp_error *e)
{
    struct platform_config p = {
        .mem = m->mem,
        .ram_size = config->ram_size,
        .processors = m->cpus,
        .physical_bits = m->model.physical_bits,
        .x2apic = model_has(&m->model, FEAT_X2APIC),
        .tsc_deadline = model_has(&m->model, FEAT_TSC_DEADLINE),
        .serial = config->serial,
        .debugcon = config->debugcon,
        .debugcon_port = config->debugcon_port ? config->debugcon_port : 0xe9,
        .debug_exit_port = config->debug_exit_port,
        .debug_exit_size = config->debug_exit_size ? config->debug_exit_size : 4,
        .smm = config->smm,
        .pc_testdev = config->pc_testdev,
        .pci_testdev = config->pci_testdev,
        .firmware = config->firmware,
        .files = config->fw_cfg_files,
        .file_count = config->fw_cfg_file_count,
        .disks = config->disks,
        .disk_count = config->disk_count,
        .virtio_console = config->virtio_console,
        .virtio_console_sink = config->virtio_console_sink,
    };
    if (model_has(&m->model, FEAT_VMX))
        p.firmware.feature_control = FEATURE_LOCKED | FEATURE_VMX;
    m->platform = platform_create(&p, &m->host, e);
    return m->platform;
}

static bool add_devices(struct machine *m, const struct machine_config *config, struct sp_error *e)
{
    if (!config->bare && !create_platform(m, config, e))
        return false;
    machine_connect(m);
    copy_apic_bases(m);
    mem_built(m->mem);
    m->identity = machine_identity(m, config);
    return m->identity || sp_fail(e, SP_EXIT_USAGE, "out of host memory");
}

static bool build(struct machine *m, const struct machine_config *config, struct sp_error *e)
{
    if (config->processors < 1 || config->processors > PROCESSORS_MAX)
        return sp_fail(e, SP_EXIT_USAGE, "a machine has 1 to %d processors, not %u", PROCESSORS_MAX,
                       config->processors);
    if (!machine_parse_model(&m->model, config->cpu ? config->cpu : DEFAULT_CPU, e))
        return false;
    m->model.threads = config->threads ? config->threads : 1;
    m->model.cores = config->cores ? config->cores : config->processors / m->model.threads;
    m->ram_size = config->ram_size;
    m->seed = config->seed;
    m->mem = mem_create(config->ram_size, e);
    if (!m->mem)
        return false;
    machine_connect(m);
    if (!create_cpus(m, config))
        return sp_fail(e, SP_EXIT_USAGE, "out of host memory");
    reset_cpus(m);
    return add_devices(m, config, e);
}

struct machine *machine_create(const struct machine_config *config, struct sp_error *e)
{
    struct machine *m = calloc(1, sizeof *m);
    if (!m) {
        sp_fail(e, SP_EXIT_USAGE, "out of host memory");
        return NULL;
    }
    if (build(m, config, e))
        return m;
    machine_destroy(m);
    return NULL;
}

void machine_destroy(struct machine *m)
{
    if (!m)
        return;
    for (unsigned k = 0; k < m->cpus; k++) {
        cpu_trace_end(m->cpu[k]);
        vmx_detach(m->cpu[k]);
        stale_destroy(m->cpu[k]->stale);
        kept_destroy(m->cpu[k]->kept);
        free(m->cpu[k]);
    }
    free(m->cpu);
    platform_destroy(m->platform);
    if (m->code)
        code_cache_destroy(m->code);
    mem_destroy(m->mem);
    free(m->identity);
    free(m);
}

void machine_reset(struct machine *m)
{
    reset_cpus(m);
    if (m->platform)
        platform_reset(m->platform);
    copy_apic_bases(m);
}

/* Machines without a platform have the end of the firmware below 1 MiB as plain ROM. */
bool machine_set_firmware(struct machine *m, const uint8_t *bytes, size_t n)
{
    enum { ALIAS = 128 << 10 };
    size_t low = n < ALIAS ? n : ALIAS;
    if (!mem_map_rom(m->mem, FOUR_GIB - n, bytes, n))
        return false;
    if (!m->platform)
        return mem_map_rom(m->mem, ONE_MIB - low, bytes + n - low, low);
    platform_set_firmware(m->platform, bytes, n);
    return true;
}

void machine_hand_over(struct machine *m)
{
    if (m->platform)
        platform_hand_over(m->platform);
}

void machine_stop_request(struct machine *m) { atomic_store(&m->stop_requested, true); }
bool machine_stop_is_requested(const struct machine *m)
{
    return atomic_load(&m->stop_requested);
}

bool machine_trace(struct machine *m, struct trace_log *log)
{
    bool ok = true;
    for (unsigned k = 0; k < m->cpus; k++)
        cpu_trace_end(m->cpu[k]);
    for (unsigned k = 0; log && k < m->cpus; k++)
        ok = ok && cpu_trace_begin(m->cpu[k], log);
    code_cache_restart(m->code);
    return ok;
}

struct cpu *machine_cpu(struct machine *m, unsigned index)
{
    return index < m->cpus ? m->cpu[index] : NULL;
}
unsigned machine_cpu_count(const struct machine *m) { return m->cpus; }
struct mem *machine_mem(struct machine *m) { return m->mem; }
uint64_t machine_now(const struct machine *m) { return m->running ? cpu_tick(m->running) : m->now; }
struct cpu_hooks *machine_hooks(struct machine *m) { return &m->hooks; }
uint64_t machine_rsdp(const struct machine *m)
{
    return m->platform ? platform_rsdp(m->platform) : 0;
}

uint64_t machine_insns(const struct machine *m)
{
    uint64_t sum = 0;
    for (unsigned k = 0; k < m->cpus; k++)
        sum += m->cpu[k]->retired;
    return m->running ? sum + cpu_tick(m->running) - m->now : sum;
}

enum { E820_RAM = 1, E820_RESERVED = 2, E820_ACPI = 3 };

size_t machine_memory_map(const struct machine *m, struct memory_range *out, size_t capacity)
{
    uint64_t low = mem_low_ram_end(m->mem), high = mem_high_ram_end(m->mem);
    uint64_t acpi = m->platform ? platform_acpi_base(m->platform) : 0;
    uint64_t first = m->platform && low > CONVENTIONAL_END ? CONVENTIONAL_END : low;
    uint64_t extended = !m->platform || low < ONE_MIB ? low : ONE_MIB, top = acpi ? acpi : low;
    const struct memory_range map[] = {
        { 0, first, E820_RAM },
        { CONVENTIONAL_END, acpi ? 0xa0000 - CONVENTIONAL_END : 0, E820_RESERVED },
        { ACPI_RSDP_ADDRESS, acpi ? ONE_MIB - ACPI_RSDP_ADDRESS : 0, E820_RESERVED },
        { extended, first < top && extended < top ? top - extended : 0, E820_RAM },
        { acpi, acpi ? low - acpi : 0, E820_ACPI },
        { MCH_EXPRESS_BASE, acpi ? MCH_EXPRESS_SIZE : 0, E820_RESERVED },
        { FOUR_GIB, high - FOUR_GIB, E820_RAM },
    };
    size_t n = 0;
    for (size_t k = 0; k < ARRAY_SIZE(map); k++)
        if (map[k].size && n++ < capacity)
            out[n - 1] = map[k];
    return n < capacity ? n : capacity;
}
