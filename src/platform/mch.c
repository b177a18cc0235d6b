// SPDX-License-Identifier: Apache-2.0
#include "platform/mch.h"

#include <string.h>

#include "base/bits.h"
#include "platform/pci_parts.h"

enum { PCIEXBAR = 0x60, PAM0 = 0x90, PAMS = 7, SMRAM = 0x9d, ESMRAMC = 0x9e };
enum { SMRAM_OPEN = 0x40, SMRAM_CLOSED = 0x20, SMRAM_LOCKED = 0x10, SMRAM_ENABLED = 0x08 };
enum { PAM_READ_RAM = 1, PAM_WRITE_RAM = 2, PAM_BITS = 3, BIOS_SEGMENT = 12 };
#define LEGACY_BASE UINT64_C(0xa0000)
#define LEGACY_SIZE UINT64_C(0x20000)

/* Segments 0 to 11 are the 16 KiB pieces from C0000H on, 12 is F0000H to FFFFFH. */
static uint64_t segment_base(unsigned k) { return MCH_SHADOW_BASE + k * UINT64_C(0x4000); }
static uint64_t segment_size(unsigned k) { return k == BIOS_SEGMENT ? 0x10000 : 0x4000; }

/* PAM0 bits 5:4 rule F0000H; PAM1 to PAM6 two segments each, bits 1:0 the lower one. */
static unsigned segment_attribute(const struct mch *m, unsigned k)
{
    const uint8_t *pam = m->function.config + PAM0;
    return (k == BIOS_SEGMENT ? pam[0] >> 4 : pam[1 + k / 2] >> (k & 1 ? 4 : 0)) & PAM_BITS;
}

static void update_segment(struct mch *m, unsigned k)
{
    unsigned attribute = segment_attribute(m, k);
    uint64_t base = segment_base(k), size = segment_size(k);
    bool reads_ram = attribute & PAM_READ_RAM, writes_ram = attribute & PAM_WRITE_RAM;
    mem_region_write_through(m->mem, m->rom[k], writes_ram);
    mem_region_place(m->mem, m->rom[k], base, reads_ram ? 0 : size);
    mem_region_place(m->mem, m->ram[k], base, reads_ram && !writes_ram ? size : 0);
}

/* PCIEXBAR: bit 0 enables, bits 2:1 say how many buses the window has; the base is a multiple of
 * its size. */
static void update_express(struct mch *m)
{
    uint64_t v =
        pci_get(&m->function, PCIEXBAR, 4) | (uint64_t)pci_get(&m->function, PCIEXBAR + 4, 4) << 32;
    unsigned length = v >> 1 & 3;
    uint64_t size = v & 1 && length < 3 ? MCH_EXPRESS_SIZE >> length : 0;
    uint64_t base = bits(v, 35, 26) << 26 & ~(size - 1);
    mem_region_place(m->mem, m->express, base, size);
    if (size)
        m->express_moved(m->context, base, (unsigned)(size >> 20));
}

/* Compatible SMRAM: G_SMRAME shows the RAM below the legacy VGA range to processors in SMM, D_OPEN
 * to all.  (D_CLS, which would hide it from data accesses, is storage; there is no TSEG.)
 * D_LCK stays until reset, closes D_OPEN for good and makes the other bits read-only. */
static void update_smram(struct mch *m)
{
    struct pci_function *f = &m->function;
    bool locked = f->config[SMRAM] & SMRAM_LOCKED;
    if (locked)
        f->config[SMRAM] &= (uint8_t)~SMRAM_OPEN;
    f->writable[SMRAM] =
        locked ? SMRAM_CLOSED : SMRAM_OPEN | SMRAM_CLOSED | SMRAM_LOCKED | SMRAM_ENABLED;
    bool enabled = f->config[SMRAM] & SMRAM_ENABLED;
    bool open = enabled && (m->smm || f->config[SMRAM] & SMRAM_OPEN);
    mem_region_place(m->mem, m->legacy, LEGACY_BASE, open ? 0 : LEGACY_SIZE);
}

void mch_set_smm(struct mch *m, bool smm)
{
    if (m->smm == smm)
        return;
    m->smm = smm;
    update_smram(m);
}

static bool touches(unsigned offset, unsigned size, unsigned first, unsigned n)
{
    return offset < first + n && first < offset + size;
}

static void written(struct pci_function *f, unsigned offset, unsigned size)
{
    struct mch *m = f->device;
    if (touches(offset, size, PCIEXBAR, 8))
        update_express(m);
    if (touches(offset, size, PAM0, PAMS))
        for (unsigned k = 0; k < MCH_SEGMENTS; k++)
            update_segment(m, k);
    if (touches(offset, size, SMRAM, 1))
        update_smram(m);
}

static bool create_regions(struct mch *m)
{
    static const uint8_t empty[0x10000] = { [0 ... 0xffff] = 0xff };
    bool ok = true;
    for (unsigned k = 0; k < MCH_SEGMENTS; k++) {
        ok &= (m->rom[k] = mem_region_rom(m->mem, empty, segment_size(k))) != NULL;
        ok &= (m->ram[k] = mem_region_rom(m->mem, NULL, 0)) != NULL;
    }
    ok &= (m->legacy = mem_region_hole(m->mem)) != NULL;
    ok &= (m->express = mem_region_mmio(m->mem, &pci_express_config, m->function.bus)) != NULL;
    return ok;
}

bool mch_init(struct mch *m, struct pci *p, struct sp_error *e)
{
    static const struct pci_identity id = {
        .vendor = 0x8086, .device = 0x29c0, .class_code = 0x060000, .revision = 2
    };
    struct pci_function *f = &m->function;
    pci_function_init(f, 0, &id);
    f->device = m;
    f->written = written;
    pci_put(f->writable + PCIEXBAR, 0xfc000007, 4);
    f->writable[PCIEXBAR + 4] = 0x0f;
    memset(f->writable + PAM0, 0x33, PAMS);
    f->writable[PAM0] = 0x30;
    f->config[SMRAM] = 0x02;
    f->config[ESMRAMC] = 0x38;
    m->mem = p->mem;
    if (!pci_add(p, f, e))
        return false;
    if (!create_regions(m))
        return sp_fail(e, SP_EXIT_USAGE, "too many memory regions");
    written(f, 0, PCI_CONFIG_SIZE);
    return true;
}

void mch_set_rom(struct mch *m, const uint8_t *bytes, size_t n)
{
    if (n > MCH_SHADOW_SIZE) {
        bytes += n - MCH_SHADOW_SIZE;
        n = MCH_SHADOW_SIZE;
    }
    uint64_t start = MCH_SHADOW_BASE + MCH_SHADOW_SIZE - n;
    for (unsigned k = 0; k < MCH_SEGMENTS; k++) {
        uint64_t base = segment_base(k), from = base > start ? base : start;
        if (from < base + segment_size(k))
            mem_region_fill(m->rom[k], from - base, bytes + (from - start),
                            base + segment_size(k) - from);
    }
}

void mch_hand_over(struct mch *m)
{
    struct pci_function *f = &m->function;
    pci_put(f->config + PCIEXBAR, (uint32_t)MCH_EXPRESS_BASE | 1, 4);
    memset(f->config + PAM0, 0x33, PAMS);
    f->config[PAM0] = 0x30;
    written(f, 0, PCI_CONFIG_SIZE);
}
