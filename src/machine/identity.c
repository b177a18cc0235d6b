// SPDX-License-Identifier: Apache-2.0
// The options that a restored machine must have in common with the saved one.  Consoles, logs and
// limits are not among them.
#define _GNU_SOURCE /* open_memstream() */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "machine/saved.h"

enum { IDENTITY_MAX = 1 << 16 };

static uint64_t model_digest(const struct cpu_model *m)
{
    const uint64_t numbers[] = { m->family, m->model, m->stepping, m->physical_bits,
                                 m->linear_bits, m->tsc_hz, m->cores, m->threads };
    uint64_t h = XXH64(numbers, sizeof numbers, 0);
    h = XXH64(m->brand, strnlen(m->brand, sizeof m->brand), h);
    h = XXH64(m->features, sizeof m->features, h);
    return XXH64(m->vmx_capability, sizeof m->vmx_capability, h);
}

static void print_devices(FILE *out, const struct machine_config *c)
{
    fprintf(out, "debug console: port %#x\n", c->debugcon_port ? c->debugcon_port : 0xe9);
    fprintf(out, "isa-debug-exit: port %#x, %u bytes\n", c->debug_exit_port,
            c->debug_exit_port ? c->debug_exit_size : 0);
    fprintf(out, "pc-testdev: %d, pci-testdev: %d\n", c->pc_testdev, c->pci_testdev);
    fprintf(out, "SMIs for firmware (-machine smm): %d\n", c->smm);
    fprintf(out, "boot menu: %d, %u ms\n", c->firmware.boot_menu, c->firmware.boot_menu_wait);
    for (size_t k = 0; k < c->fw_cfg_file_count; k++)
        fprintf(out, "fw_cfg %s: %zu bytes, digest %016" PRIx64 "\n", c->fw_cfg_files[k].name,
                c->fw_cfg_files[k].size,
                (uint64_t)XXH64(c->fw_cfg_files[k].data, c->fw_cfg_files[k].size, 0));
    for (size_t k = 0; k < c->disk_count; k++) {
        const struct block_store *b = &c->disks[k].store;
        fprintf(out, "disk %zu: %" PRIu64 " bytes, %s, serial \"%s\"\n", k, b->size,
                b->read_only ? "read-only" : b->saved ? "changes in memory" : "changes in the file",
                c->disks[k].serial ? c->disks[k].serial : "");
    }
    fprintf(out, "virtio console: %d\n", c->virtio_console);
}

char *machine_identity(const struct machine *m, const struct machine_config *config)
{
    char *text = NULL;
    size_t n;
    FILE *out = open_memstream(&text, &n);
    if (!out)
        return NULL;
    fprintf(out, "RAM (-m): %" PRIu64 " KiB\n", config->ram_size >> 10);
    fprintf(out, "processors (-smp): %u, cores %u, threads %u\n", m->cpus, m->model.cores,
            m->model.threads);
    fprintf(out, "processor (-cpu): %s, digest %016" PRIx64 "\n", m->model.name,
            model_digest(&m->model));
    fprintf(out, "devices: %s\n", config->bare ? "none" : "a PC's");
    if (!config->bare)
        print_devices(out, config);
    if (!fclose(out))
        return text;
    free(text);
    return NULL;
}

/* The first line in which two identities differ: the length of what agrees before it. */
static size_t agree(const char *a, const char *b)
{
    size_t line = 0;
    for (size_t k = 0; a[k] == b[k] && a[k]; k++)
        if (a[k] == '\n')
            line = k + 1;
    return line;
}

static int line_length(const char *text)
{
    return (int)strcspn(text, "\n");
}

static bool compare(const struct machine *m, struct saved_stream *s, const char *there)
{
    const char *here = m->identity;
    if (!strcmp(here, there))
        return true;
    size_t at = agree(here, there);
    s->failed = true;
    return sp_fail(s->error, SP_EXIT_USAGE,
                   "%s: a machine with other options: it has \"%.*s\", this one \"%.*s\"", s->file,
                   line_length(there + at), there + at, line_length(here + at), here + at);
}

bool identity_saved(const struct machine *m, struct saved_stream *s)
{
    uint64_t n = strlen(m->identity);
    if (!s->loading)
        return saved_number(s, &n) && saved_bytes(s, m->identity, n);
    if (!saved_number(s, &n))
        return false;
    if (n > IDENTITY_MAX)
        return saved_fail(s, "options of %llu bytes", (unsigned long long)n);
    char *there = calloc(1, n + 1);
    bool ok = there ? saved_bytes(s, there, n) && compare(m, s, there)
                    : saved_fail(s, "no memory");
    free(there);
    return ok;
}
