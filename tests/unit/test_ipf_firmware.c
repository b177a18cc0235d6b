// SPDX-License-Identifier: Apache-2.0
// The Itanium machine around its processor: what firmware leaves in memory, its procedures, called
// as programs call them, and the devices behind their addresses.
#include <criterion/criterion.h>

#include "ipf/op.h"
#include "machine/ipf_machine.h"
#include "machine/ipf_tables.h"

enum { BASE = 0x10000, RETURN = 0x200000, BUFFER = 0x300000, RAM = 64 << 20 };

static struct ipf_machine *m;
static struct ipf_cpu *c;
static struct mem *mem;
static uint64_t parameters;
static char output[16];
static size_t written;
static const char *input = "";

static void sink_write(void *user, const uint8_t *bytes, size_t n)
{
    for (size_t k = 0; k < n && written < sizeof output - 1; k++)
        output[written++] = (char)bytes[k];
}
static int sink_read(void *user) { return *input ? *input++ : -1; }

static void setup(void)
{
    static const struct ipf_range loaded[] = { { 0x400000, 0x500123 }, { 0x600000, 0x601000 } };
    struct sp_error e;
    const struct ipf_config config = { .ram_size = RAM, .serial = { sink_write, sink_read, NULL } };
    const struct ipf_boot boot = { .base = BASE,
                                   .loaded = loaded,
                                   .loaded_count = 2,
                                   .initrd = { 0x600000, 0x600800 },
                                   .command_line = "one two" };
    m = ipf_machine_create(&config, &e);
    c = ipf_machine_cpu(m, 0);
    mem = ipf_machine_mem(m);
    cr_assert(ipf_machine_boot(m, &boot));
    parameters = c->gr[28].v;
}
static void teardown(void) { ipf_machine_destroy(m); }
TestSuite(ipf_firmware, .init = setup, .fini = teardown);

static uint64_t read8(uint64_t address) { return mem_read_le(mem, address, 8); }
static uint64_t parameter(unsigned offset) { return read8(parameters + offset); }
static unsigned sum(uint64_t address, uint64_t n)
{
    uint8_t total = 0;
    for (uint64_t k = 0; k < n; k++)
        total = (uint8_t)(total + mem_read_le(mem, address + k, 1));
    return total;
}

/* The table that EFI names by the first 8 bytes of its GUID. */
static uint64_t vendor_table(uint64_t guid)
{
    uint64_t system = parameter(8), tables = read8(system + 112);
    for (uint64_t k = 0; k < read8(system + 104); k++)
        if (read8(tables + 24 * k) == guid)
            return read8(tables + 24 * k + 16);
    return 0;
}
static uint64_t sal_table(void) { return vendor_table(0x11d32d88eb9d2d32); }
static uint64_t rsdp(void) { return vendor_table(0x11d3e4f18868e871); }

/* ---- calls, from physical mode ---- */

/* Enters at an entry point with b0 = RETURN; the procedure must come back there. */
static void enter(uint64_t entry)
{
    c->br[0] = RETURN;
    c->ip = entry;
    c->slot = 0;
    for (unsigned k = 0; k < 20 && c->ip != RETURN; k++)
        ipf_run_until(c, c->retired + 1);
    cr_assert_eq(c->ip, RETURN);
}
/* A frame of 8 registers, as a caller with br.call leaves it to a procedure. */
static void frame(uint64_t a, uint64_t b, uint64_t x, uint64_t d)
{
    const uint64_t in[4] = { a, b, x, d };
    c->cfm = (struct ipf_cfm){ .sof = 8 };
    c->ar[AR_PFS] = 8;
    for (unsigned k = 0; k < 4; k++)
        *gr(c, 32 + k) = (struct ipf_gr){ in[k], 0 };
}
static uint64_t pal(uint64_t number, uint64_t a, uint64_t b, uint64_t d)
{
    const uint64_t args[4] = { number, a, b, d };
    for (unsigned k = 0; k < 4; k++)
        c->gr[28 + k].v = args[k];
    if (number & 256)
        frame(number, a, b, d);
    enter(read8(sal_table() + 104));
    return c->gr[8].v;
}
static uint64_t sal(uint64_t number, uint64_t a, uint64_t b, uint64_t d)
{
    frame(number, a, b, d);
    enter(read8(sal_table() + 112));
    return c->gr[8].v;
}
/* A runtime service by its place in the table: a pointer to entry point and gp. */
static uint64_t efi(unsigned service, uint64_t a, uint64_t b, uint64_t x, uint64_t d)
{
    frame(a, b, x, d);
    enter(read8(read8(read8(parameter(8) + 88) + 24 + 8 * service)));
    return c->gr[8].v;
}

/* ---- tables ---- */

Test(ipf_firmware, boot_parameters)
{
    char text[8];
    mem_read(mem, parameter(0), text, sizeof text);
    cr_assert_str_eq(text, "one two");
    cr_assert_eq(parameter(64), 0x600000);
    cr_assert_eq(parameter(72), 0x800);
    cr_assert_eq(read8(parameter(8)), 0x5453595320494249, "IBI SYST");
    cr_assert_eq(c->psr & (PSR_DT | PSR_RT | PSR_IT | PSR_I), 0);
    cr_assert_geq(c->bspstore, BASE);
    cr_assert_lt(c->bspstore, BASE + ipf_tables_size(1));
}

Test(ipf_firmware, memory_map_is_sorted_and_whole)
{
    uint64_t map = parameter(16), size = parameter(24), step = parameter(32), end = 0, ram = 0;
    unsigned pal_code = 0, ports = 0;
    for (uint64_t at = map; at < map + size; at += step) {
        uint64_t type = mem_read_le(mem, at, 4), base = read8(at + 8), pages = read8(at + 24);
        cr_assert_geq(base, end);
        cr_assert_gt(pages, 0);
        cr_assert(base >= RAM || base == end, "a gap in RAM at %#lx", end);
        end = base + (pages << 12);
        ram += read8(at + 32) & 8 ? pages << 12 : 0;
        pal_code += type == 13;
        ports += type == 12;
        if (base <= 0x400000 && 0x400000 < end)
            cr_assert_eq(type, 2, "the kernel's memory is the loader's");
        if (base <= 0x500123 && 0x500123 < end)
            cr_assert_eq(type, 2);
    }
    cr_assert_eq(ram, RAM);
    cr_assert_eq(pal_code, 1);
    cr_assert_eq(ports, 1);
}

Test(ipf_firmware, tables_add_up)
{
    uint64_t xsdt = read8(rsdp() + 24), pcdp = vendor_table(0x42ef620bf951938d);
    cr_assert_eq(sum(rsdp(), 20), 0);
    cr_assert_eq(sum(rsdp(), 36), 0);
    cr_assert_eq(sum(sal_table(), mem_read_le(mem, sal_table() + 4, 4)), 0);
    cr_assert_eq(sum(pcdp, mem_read_le(mem, pcdp + 4, 4)), 0);
    cr_assert_eq(sum(xsdt, mem_read_le(mem, xsdt + 4, 4)), 0);
    for (uint64_t at = xsdt + 36; at < xsdt + mem_read_le(mem, xsdt + 4, 4); at += 8)
        cr_assert_eq(sum(read8(at), mem_read_le(mem, read8(at) + 4, 4)), 0);
    uint64_t fadt = read8(xsdt + 36), dsdt = read8(fadt + 140);
    cr_assert_eq(mem_read_le(mem, dsdt, 4), 0x54445344, "DSDT");
    cr_assert_eq(sum(dsdt, mem_read_le(mem, dsdt + 4, 4)), 0);
}

/* ---- PAL ---- */

Test(ipf_firmware, pal_describes_the_processor)
{
    cr_assert_eq(pal(8, 0, 0, 0), 0, "PAL_VM_SUMMARY");
    cr_assert_eq(bits(c->gr[9].v, 7, 1), IPF_PA_BITS);
    cr_assert_eq(bits(c->gr[9].v, 23, 16), IPF_KEYS - 1);
    cr_assert_eq(bits(c->gr[9].v, 39, 32), IPF_TR - 1);
    cr_assert_eq(bits(c->gr[10].v, 7, 0), c->va_msb);
    cr_assert_eq(bits(c->gr[10].v, 15, 8), IPF_RID_BITS);
    cr_assert_eq(pal(34, 0, 0, 0), 0, "PAL_VM_PAGE_SIZE");
    cr_assert_eq(c->gr[9].v, IPF_PAGE_SIZES);
    cr_assert_eq(pal(19, 0, 0, 0), 0, "PAL_RSE_INFO");
    cr_assert_eq(c->gr[9].v, 96);
    cr_assert_eq(pal(6, 0, 0, 0), 0, "PAL_PTCE_INFO");
    cr_assert_eq(c->gr[10].v, UINT64_C(1) << 32 | 1);
    cr_assert_eq(pal(4, 0, 0, 0), 0, "PAL_CACHE_SUMMARY");
    cr_assert_eq(c->gr[9].v, 3);
    cr_assert_eq(pal(2, 2, 2, 0), 0, "PAL_CACHE_INFO");
    cr_assert_eq(c->gr[10].v & 0xffffffff, 3 << 20);
    cr_assert_eq(pal(2, 2, 1, 0), (uint64_t)-2);
    cr_assert_eq(pal(99, 0, 0, 0), (uint64_t)-1);
}

/* Stacked procedures return to their caller's frame. */
Test(ipf_firmware, pal_stacked_procedure)
{
    cr_assert_eq(pal(257, BUFFER, 0, 0), 0, "PAL_HALT_INFO");
    cr_assert_eq(read8(BUFFER) >> 60 & 1, 1);
    cr_assert_eq(read8(BUFFER + 8), 0);
    cr_assert_eq(pal(274, 0, BUFFER, 0), 0, "PAL_BRAND_INFO");
    cr_assert_eq(c->gr[9].v, 18);
    cr_assert_eq(read8(BUFFER), 0x6f707265766c6953, "Silverpo");
    cr_assert_eq(pal(274, 1, BUFFER, 0), (uint64_t)-6);
    cr_assert_eq(pal(258, BUFFER, 0, 0), 0, "PAL_TEST_PROC");
    cr_assert_eq(c->gr[9].v, 5, "tested, healthy");
    cr_assert_eq(pal(256, BUFFER, 4096, 0), (uint64_t)-3, "PAL_COPY_PAL");
}

Test(ipf_firmware, pal_reads_translation_registers)
{
    const uint64_t pte = 0x123454000 | UINT64_C(1) << 52 | 5 << 9 | 2 << 7 | 0x61 | 4 << 2;
    const struct ipf_translation t = ipf_translation(pte, 14 << 2 | 0x777 << 8, 0x8000, 0x345);
    ipf_tlb_insert_register(c, IPF_DATA, 9, &t);
    cr_assert_eq(pal(261, 9, IPF_DATA, BUFFER), 0, "PAL_VM_TR_READ");
    cr_assert_eq(c->gr[9].v, 15);
    cr_assert_eq(read8(BUFFER), pte);
    cr_assert_eq(read8(BUFFER + 8), 14 << 2 | 0x777 << 8);
    cr_assert_eq(read8(BUFFER + 16), 0x8000 | 1, "valid");
    cr_assert_eq(bits(read8(BUFFER + 24), 31, 8), 0x345);
    cr_assert_eq(pal(261, 9, IPF_INSTRUCTIONS, BUFFER), 0);
    cr_assert_eq(read8(BUFFER + 16), 0, "not valid");
    cr_assert_eq(pal(261, IPF_TR, IPF_DATA, BUFFER), (uint64_t)-2);
    cr_assert_eq(pal(261, 0, 2, BUFFER), (uint64_t)-2);
}

Test(ipf_firmware, light_halt_waits_for_an_interrupt)
{
    struct stop_report r;
    const struct machine_limits limits = { .max_insns = 150 };
    for (unsigned k = 0; k < 64; k++) { /* bundles of nop.m, nop.i, nop.i */
        mem_write_le(mem, RETURN + 16 * k, 8, BIT(32));
        mem_write_le(mem, RETURN + 16 * k + 8, 8, BIT(50) | BIT(9));
    }
    ipf_set_itm(c, 0, ipf_itc(c, 0) + 1000000);
    c->cr[CR_ITV] = 0x40;
    c->gr[28].v = 29;
    c->br[0] = RETURN;
    c->ip = read8(sal_table() + 104);
    c->slot = 0;
    ipf_machine_run(m, &limits, &r);
    cr_assert_geq(c->idle, 900000, "time passed");
    cr_assert_geq(c->ip, RETURN);
    cr_assert_eq(ipf_read_ivr(c), 0x40);
}

/* ---- SAL, EFI ---- */

Test(ipf_firmware, sal_procedures)
{
    cr_assert_eq(sal(0x01000012, 0, 0, 0), 0, "SAL_FREQ_BASE");
    cr_assert_eq(c->gr[9].v, 100000000);
    cr_assert_eq(sal(0x01000010, 0, 4, 0), 0, "SAL_PCI_CONFIG_READ");
    cr_assert_eq(c->gr[9].v, 0xffffffff);
    cr_assert_eq(sal(0x01000010, 0, 3, 0), (uint64_t)-2);
    cr_assert_eq(sal(0x01000001, 0, 0, 0), (uint64_t)-5, "SAL_GET_STATE_INFO");
    cr_assert_eq(sal(0x02000000, 0, 0, 0), (uint64_t)-1);
}

Test(ipf_firmware, efi_time)
{
    c->idle = UINT64_C(86400000000000) + 3723000000000;
    cr_assert_eq(efi(0, BUFFER, 0, 0, 0), 0);
    cr_assert_eq(read8(BUFFER) & 0xffffffffffffff, 0x030201020107d0, "2000-01-02 01:02:03");
    cr_assert_eq(efi(6, BUFFER, 0, 0, 0), BIT(63) | 14, "GetVariable");
}

/* The pointers of the table and of the descriptors move by what the code's memory moves. */
Test(ipf_firmware, efi_virtual_addresses)
{
    uint64_t services = read8(parameter(8) + 88), descriptor = read8(services + 24);
    uint64_t entry = read8(descriptor), map = parameter(16), size = parameter(24);
    const uint64_t moved = UINT64_C(0xe) << 60;
    for (uint64_t at = map; at < map + size; at += 40)
        mem_write_le(mem, at + 16, 8, read8(at + 8) + moved);
    cr_assert_eq(efi(4, size, 40, 1, map), 0, "SetVirtualAddressMap");
    cr_assert_eq(read8(services + 24), descriptor + moved);
    cr_assert_eq(read8(descriptor), entry + moved);
}

Test(ipf_firmware, efi_reset_ends_the_run)
{
    struct stop_report r;
    const struct machine_limits limits = { .max_insns = 1000 };
    frame(2, 0, 0, 0);
    c->br[0] = RETURN;
    c->ip = read8(read8(read8(parameter(8) + 88) + 24 + 80));
    ipf_machine_run(m, &limits, &r);
    cr_assert_eq(r.reason, STOP_POWER_OFF, "%s", r.text);
}

/* The entry points are breaks like any other outside firmware's memory. */
Test(ipf_firmware, breaks_elsewhere_are_no_calls)
{
    mem_write_le(mem, RETURN, 8, BIT(41) | 0x11); /* break.m 0x100000, bit 36 of the slot */
    mem_write_le(mem, RETURN + 8, 8, 0);
    c->cr[CR_IVA] = 0x100000;
    c->ip = RETURN;
    c->slot = 0;
    ipf_run_until(c, c->retired + 1);
    cr_assert_eq(c->ip, 0x102c00);
    c->psr |= PSR_CPL;
    ipf_flush(c);
    c->ip = read8(sal_table() + 104);
    c->slot = 0;
    ipf_run_until(c, c->retired + 1);
    cr_assert_eq(c->ip, 0x102c00, "nor are those of firmware above level 0");
}

/* ---- devices ---- */

static uint64_t port(unsigned p) { return IPF_PORTS | (uint64_t)(p >> 2) << 12 | (p & 0xfff); }

Test(ipf_firmware, serial_port_and_its_interrupt)
{
    mem_write_le(mem, IOSAPIC_BASE, 4, 0x10 + 2 * IPF_COM1_IRQ);
    mem_write_le(mem, IOSAPIC_BASE + 0x10, 4, 0x45); /* edge, vector 45H, to processor 0 */
    mem_write_le(mem, port(IPF_COM1), 1, 'A');
    cr_assert_str_eq(output, "A");
    cr_assert_eq(mem_read_le(mem, port(IPF_COM1 + 5), 1) & 0x60, 0x60, "LSR: empty");
    mem_write_le(mem, port(IPF_COM1 + 4), 1, 0x08); /* OUT2 */
    mem_write_le(mem, port(IPF_COM1 + 1), 1, 0x02); /* interrupt when empty */
    cr_assert_eq(ipf_read_ivr(c), 0x45);
    cr_assert_eq(mem_read_le(mem, port(0x1234), 2), 0xffff, "nobody");
}

/* Interrupt messages: the address names the processor, the data mode and vector. */
Test(ipf_firmware, interrupt_block)
{
    mem_write_le(mem, IPF_INTERRUPT_BLOCK + 0x1000, 8, 0x50);
    cr_assert_eq(ipf_read_ivr(c), 15, "there is no processor 1");
    mem_write_le(mem, IPF_INTERRUPT_BLOCK, 4, 0x50);
    cr_assert_eq(ipf_read_ivr(c), 15, "only 8 bytes send");
    mem_write_le(mem, IPF_INTERRUPT_BLOCK, 8, 0x50);
    cr_assert_eq(ipf_read_ivr(c), 0x50);
    mem_write_le(mem, IPF_INTERRUPT_BLOCK, 8, 4 << 8);
    cr_assert_eq(ipf_read_ivr(c), 2, "NMI");
    cr_assert_eq(mem_read_le(mem, IPF_INTERRUPT_BLOCK + 0x1e0000, 1), 15, "INTA");
}

/* A level that stays makes one interrupt until its EOI, then the next. */
Test(ipf_firmware, level_interrupts_end_by_eoi)
{
    mem_write_le(mem, IOSAPIC_BASE, 4, 0x10 + 2 * IPF_SCI_IRQ);
    mem_write_le(mem, IOSAPIC_BASE + 0x10, 4, 0x8060);
    mem_write_le(mem, port(ACPI_PM_BASE + 2), 2, 1); /* TMR_EN */
    c->idle = UINT64_C(5000000000);                  /* the timer's top bit has changed */
    cr_assert_eq(mem_read_le(mem, port(ACPI_PM_BASE), 2) & 1, 1);
    mem_write_le(mem, port(ACPI_PM_BASE + 2), 2, 1);
    cr_assert_eq(ipf_read_ivr(c), 0x60);
    ipf_end_of_interrupt(c);
    cr_assert_eq(ipf_read_ivr(c), 15, "not again before the EOI");
    mem_write_le(mem, IOSAPIC_BASE + 0x40, 4, 0x60);
    cr_assert_eq(ipf_read_ivr(c), 0x60);
    ipf_end_of_interrupt(c);
    mem_write_le(mem, port(ACPI_PM_BASE), 2, 1);
    mem_write_le(mem, IOSAPIC_BASE + 0x40, 4, 0x60);
    cr_assert_eq(ipf_read_ivr(c), 15, "the status is cleared");
}
