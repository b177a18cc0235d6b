// SPDX-License-Identifier: Apache-2.0
#include "image/pvh.h"

#include <assert.h>

#include "image/entry.h"
#include "image/linux.h"

enum { START_MAGIC = 0x336ec578, START_VERSION = 1 };

/* start_info.h: addresses are physical, 0 says that there is nothing. */
struct start_info {
    uint32_t magic, version, flags, module_count;
    uint64_t modules, command_line, rsdp;
    uint64_t memory_map; /* from version 1 on */
    uint32_t memory_map_count, reserved;
};
struct start_module {
    uint64_t address, size, command_line, reserved;
};
struct start_range {
    uint64_t base, size;
    uint32_t type, reserved;
};

static_assert(sizeof(struct start_info) == 56 && sizeof(struct start_module) == 32 &&
                  sizeof(struct start_range) == 24,
              "the layouts of start_info.h");

#define FOUR_GIB UINT64_C(0x100000000)

/* The modules in memory. */
struct modules {
    struct boot_module *at;
    size_t count;
};

static bool place_modules(struct place *p, const struct boot_request *r, bool in_one,
                          struct modules *m, struct sp_error *e)
{
    uint64_t base, size;
    m->count = r->module_count;
    if (!in_one || m->count < 2)
        return boot_load_modules(p, r, &m->at, e);
    m->count = 1;
    m->at = calloc(1, sizeof *m->at);
    if (!m->at)
        return sp_fail(e, SP_EXIT_BAD_IMAGE, "%s: no memory for its modules", p->name);
    if (!linux_place_initrd(p, r, FOUR_GIB, &base, &size, e))
        return false;
    *m->at = (struct boot_module){ (uint32_t)base, (uint32_t)(base + size) };
    return true;
}

/* Where the parts stand from the start of the information on; the texts, one behind the other. */
struct layout {
    size_t modules, memory_map, text;
};

/* "FILE ARGS": the file's name is no part of a command line here. */
static const char *module_arguments(const struct image_module *m)
{
    const char *space = strchr(m->text, ' ');
    return space ? space + 1 : "";
}

static void reserve(struct blob *b, const struct place *p, const struct boot_request *r,
                    const struct modules *m, struct layout *l)
{
    size_t text = strlen(r->arguments) + 1;
    for (size_t k = 0; k < m->count; k++)
        text += strlen(module_arguments(&r->modules[k])) + 1;
    blob_add(b, NULL, sizeof(struct start_info), 1);
    l->modules = blob_add(b, NULL, sizeof(struct start_module) * m->count, 8);
    l->memory_map = blob_add(b, NULL, sizeof(struct start_range) * p->map_count, 8);
    l->text = blob_add(b, NULL, text, 1);
}

/* Copies a text behind the others; returns its offset. */
static size_t put_text(struct blob *b, struct layout *l, const char *text)
{
    size_t at = l->text, size = strlen(text) + 1;
    memcpy(b->bytes + at, text, size);
    l->text += size;
    return at;
}

/* Fills what reserve() made room for; `base` is the information's address. */
static void fill(struct blob *b, struct layout l, const struct place *p,
                 const struct boot_request *r, const struct modules *modules, uint64_t base)
{
    struct start_info info = {
        .magic = START_MAGIC,
        .version = START_VERSION,
        .module_count = (uint32_t)modules->count,
        .modules = modules->count ? base + l.modules : 0,
        .command_line = base + put_text(b, &l, r->arguments),
        .rsdp = machine_rsdp(p->machine),
        .memory_map = base + l.memory_map,
        .memory_map_count = (uint32_t)p->map_count,
    };
    memcpy(b->bytes, &info, sizeof info);
    for (size_t k = 0; k < modules->count; k++) {
        struct start_module m = {
            .address = modules->at[k].start,
            .size = modules->at[k].end - modules->at[k].start,
            .command_line = base + put_text(b, &l, module_arguments(&r->modules[k])),
        };
        memcpy(b->bytes + l.modules + k * sizeof m, &m, sizeof m);
    }
    for (size_t k = 0; k < p->map_count; k++) {
        struct start_range range = { p->map[k].base, p->map[k].size, p->map[k].type, 0 };
        memcpy(b->bytes + l.memory_map + k * sizeof range, &range, sizeof range);
    }
}

bool pvh_load(struct place *p, const struct boot_request *r, const struct elf_info *elf,
              struct sp_error *e)
{
    struct modules modules = { 0 };
    struct blob blob = { 0 };
    struct layout layout;
    uint64_t base;
    bool ok = place_modules(p, r, elf->is_linux, &modules, e);
    if (ok) {
        reserve(&blob, p, r, &modules, &layout);
        ok = boot_place(p, &blob, &base, e);
    }
    if (ok) {
        fill(&blob, layout, p, r, &modules, base);
        mem_write(p->mem, base, blob.bytes, blob.size);
        entry_pvh(p->machine, elf->pvh_entry, (uint32_t)base);
    }
    free(blob.bytes);
    free(modules.at);
    return ok;
}
