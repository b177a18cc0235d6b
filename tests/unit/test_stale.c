// SPDX-License-Identifier: Apache-2.0
// --strict tlb: software that forgets an invalidation is told at the access that may go wrong, and
// software that does not forget it hears nothing.
#include "cpu/hooks.h"
#include "cpu/stale.h"
#include "vmx_modes.h"

enum { PAGE = 0x601000, OTHER = 0x801000, TABLE = 0x230000, PTE = TABLE + 8,
       HOST_PDE = BARE_TABLES + 0x2000 + 8 * (PAGE >> 21),
       EPT_PDE = EPT_TABLES + 0x2000 + 8 * (PAGE >> 21) };

struct heard { unsigned count; struct stale_use last; };

static void on_stale(void *user, struct cpu *c, const struct stale_use *use)
{
    struct heard *h = user;
    h->count++;
    h->last = *use;
}

static void listen(struct machine *m, struct heard *h)
{
    *h = (struct heard){ 0 };
    machine_cpu(m, 0)->stale = stale_create();
    cpu_mode_changed(machine_cpu(m, 0));
    machine_hooks(m)->user = h;
    machine_hooks(m)->stale = on_stale;
}

static void map_small(struct mem *mem)
{
    for (uint64_t k = 0; k < 512; k++)
        mem_write_le(mem, TABLE + 8 * k, 8, (k << 12) | 0x600007);
    mem_write_le(mem, HOST_PDE, 8, TABLE | 7);
}

/* ---- one level of translation ---- */

BARE_PROGRAM(forgets, "mov 0x601000, %eax\n movl $0x801007, 0x230008\n mov 0x601010, %eax\n hlt\n");
BARE_PROGRAM(remembers, "mov 0x601000, %eax\n movl $0x801007, 0x230008\n invlpg 0x601000\n"
                        "mov 0x601010, %eax\n hlt\n");
BARE_PROGRAM(reloads, "mov 0x601000, %eax\n movl $0x801007, 0x230008\n mov %cr3, %rax\n"
                      "mov %rax, %cr3\n mov 0x601010, %eax\n hlt\n");
BARE_PROGRAM(rewrites, "mov 0x601000, %eax\n movl $0x601007, 0x230008\n"
                       "mov %eax, 0x601010\n hlt\n");

static struct heard run(const uint8_t *start, const uint8_t *end, uint64_t first)
{
    struct heard h;
    struct machine *m = bare_machine("max");
    bare_load(m, start, end);
    map_small(machine_mem(m));
    mem_write_le(machine_mem(m), PTE, 8, first);
    listen(m, &h);
    cr_assert_eq(bare_run(m, 100), STOP_HALTED);
    machine_destroy(m);
    return h;
}
#define RUN(program, first) run(program##_start, program##_end, first)

Test(stale, a_forgotten_invlpg)
{
    struct heard h = RUN(forgets, 0x601007);
    cr_assert_eq(h.count, 1);
    cr_expect_eq(h.last.linear, PAGE);
    cr_expect_eq(h.last.old_pa, PAGE);
    cr_expect_eq(h.last.new_pa, OTHER);
    cr_expect(h.last.has_entry && !h.last.entry.ept && !h.last.fails && !h.last.nonroot);
    cr_expect_eq(h.last.entry.pa, PTE);
    cr_expect_eq(h.last.now & ~UINT64_C(0x60), 0x801007);
    cr_expect_eq(h.last.rip, BARE_CODE + 7 + 11);
}

BARE_PROGRAM(is_refused, "xor %ecx, %ecx\n xor %edx, %edx\n mov %eax, 0x601000\n"
                         "mov $8, %eax\n wrpkru\n mov %eax, 0x601010\n hlt\n");
BARE_PROGRAM(allows_less, "mov %eax, 0x601000\n movl $0x601005, 0x230008\n"
                          "mov %eax, 0x601010\n hlt\n");

/* What the old translation would refuse, too, is not due to a forgotten invalidation. */
Test(stale, accesses_that_are_refused)
{
    struct heard h;
    struct machine *m = bare_machine("max");
    struct cpu *c = bare_load(m, is_refused_start, is_refused_end);
    map_small(machine_mem(m));
    mem_write_le(machine_mem(m), PTE, 8, 0x601007 | BIT(59));
    cpu_load_cr4(c, c->cr4 | CR4_PKE);
    cpu_load_cr0(c, c->cr0 | CR0_WP);
    listen(m, &h);
    bare_run(m, 100);
    cr_expect_eq(c->activity, ACTIVITY_SHUTDOWN, "a page fault without a handler");
    cr_expect_eq(h.count, 0);
    machine_destroy(m);
    m = bare_machine("max");
    c = bare_load(m, allows_less_start, allows_less_end);
    map_small(machine_mem(m));
    cpu_load_cr0(c, c->cr0 | CR0_WP);
    listen(m, &h);
    bare_run(m, 100);
    cr_expect_eq(h.count, 1, "the entry has lost its W flag");
    cr_expect(h.last.fails && h.last.has_entry);
    machine_destroy(m);
}

Test(stale, what_invalidates_and_what_need_not)
{
    cr_expect_eq(RUN(remembers, 0x601007).count, 0);
    cr_expect_eq(RUN(reloads, 0x601007).count, 0);
    cr_expect_eq(RUN(rewrites, 0x601067).count, 0, "accessed and dirty flags");
    cr_expect_eq(RUN(rewrites, 0x601005).count, 0, "read-only became writable");
}

/* ---- EPT and VPIDs ---- */

BARE_PROGRAM(reader, "mov 0x601000, %eax\n vmcall\n");

static struct vm reader_vm(struct heard *h)
{
    struct vm v = VM(reader);
    use_ept(&v);
    put_bits(&v, SECONDARY_VM_EXEC_CONTROL, PROC2_ENABLE_VPID);
    put(&v, VIRTUAL_PROCESSOR_ID, 3);
    listen(v.m, h);
    cr_assert_eq(enter_guest(&v), 18);
    cr_assert_eq(h->count, 0);
    put(&v, GUEST_RIP, GUEST_CODE);
    return v;
}

BARE_PROGRAM(invept, "invept 0x250000, %rdi\n hlt\n");

Test(stale, a_forgotten_invept)
{
    struct heard h;
    struct vm v = reader_vm(&h);
    store(&v, EPT_PDE, 8, 0x8000b7);
    cr_expect_eq(enter_guest(&v), 18);
    cr_assert_eq(h.count, 1);
    cr_expect(h.last.entry.ept && h.last.nonroot && !h.last.fails);
    cr_expect_eq(h.last.vpid, 3);
    cr_expect_eq(h.last.entry.pa, EPT_PDE);
    cr_expect_eq(h.last.new_pa, OTHER);
    machine_destroy(v.m);
    v = reader_vm(&h);
    store(&v, EPT_PDE, 8, 0x8000b7);
    store(&v, 0x250000, 8, 0), store(&v, 0x250008, 8, 0);
    v.c->gpr[RDI] = 2;
    mem_write(v.mem, HOST_SNIPPET, invept_start, 16);
    wake_at(&v, HOST_SNIPPET);
    cr_expect_eq(enter_guest(&v), 18);
    cr_expect_eq(h.count, 0);
    machine_destroy(v.m);
}

Test(stale, an_ept_entry_that_allows_less)
{
    struct heard h;
    struct vm v = reader_vm(&h);
    store(&v, EPT_PDE, 8, 0);
    cr_expect_eq(enter_guest(&v), 48);
    cr_assert_eq(h.count, 1);
    cr_expect(h.last.fails && h.last.entry.ept);
    cr_expect_eq(h.last.rip, GUEST_CODE);
    cr_expect_eq(enter_guest(&v), 48, "the violation itself took the translation");
    cr_expect_eq(h.count, 1);
    machine_destroy(v.m);
}

Test(stale, another_cr3_with_the_same_vpid)
{
    struct heard h;
    struct vm v = reader_vm(&h);
    for (uint64_t n = 0; n < 3 * 512; n++)           /* a copy of the guest's tables ... */
        store(&v, 0x400000 + 8 * n, 8, load(&v, BARE_TABLES + 8 * n, 8));
    store(&v, 0x400000, 8, 0x401007), store(&v, 0x401000, 8, 0x402007);
    store(&v, 0x402000 + 8 * (PAGE >> 21), 8, 0x800087);     /* ... but for one page */
    put(&v, GUEST_CR3, 0x400000);
    cr_expect_eq(enter_guest(&v), 18);
    cr_assert_eq(h.count, 1);
    cr_expect_not(h.last.has_entry);
    machine_destroy(v.m);
}

/* ---- HLAT paging and guest-paging verification ---- */

enum { HLAT = 0x140000, HLAT_PTE = HLAT + 0x3008 };

/* HLAT paging of all addresses, which maps PAGE by a PTE and restarts for the rest. */
static struct vm hlat_vm(struct heard *h, const uint8_t *start, const uint8_t *end)
{
    struct vm v = vm_create("max", start, end);
    use_small_ept(&v);
    put_bits(&v, SECONDARY_VM_EXEC_CONTROL, PROC2_ENABLE_VPID);
    put(&v, VIRTUAL_PROCESSOR_ID, 3);
    put_bits(&v, CPU_BASED_VM_EXEC_CONTROL, PROC_TERTIARY_CONTROLS);
    put(&v, TERTIARY_VM_EXEC_CONTROL, PROC3_ENABLE_HLAT);
    put(&v, HLAT_POINTER, HLAT);
    for (unsigned level = 0; level < 3; level++)
        store(&v, HLAT + 0x1000 * level, 8, (HLAT + 0x1000 * (level + 1)) | 7);
    for (unsigned k = 0; k < 512; k++)
        store(&v, HLAT + 0x3000 + 8 * k, 8, 0x801);
    store(&v, HLAT + 0x2000, 8, 0x801);
    store(&v, HLAT + 0x2000 + 8 * (PAGE >> 21), 8, (HLAT + 0x3000) | 7);
    store(&v, HLAT_PTE, 8, PAGE | 7);
    listen(v.m, h);
    return v;
}

Test(stale, hlat_paging)
{
    struct heard h;
    struct vm v = hlat_vm(&h, reader_start, reader_end);
    cr_expect_eq(enter_guest(&v), 18);
    cr_expect_eq(h.count, 0);
    store(&v, HLAT_PTE, 8, OTHER | 7);
    put(&v, GUEST_RIP, GUEST_CODE);
    cr_expect_eq(enter_guest(&v), 18);
    cr_assert_eq(h.count, 1);
    cr_expect(h.last.nonroot && h.last.has_entry && !h.last.entry.ept);
    cr_expect_eq(h.last.entry.pa, HLAT_PTE);
    cr_expect_eq(h.last.new_pa, OTHER);
    store(&v, HLAT_PTE, 8, 0x801);                   /* from now on, ordinary paging */
    put(&v, GUEST_RIP, GUEST_CODE);
    cr_expect_eq(enter_guest(&v), 18);
    cr_expect_eq(h.count, 2);
    cr_expect_eq(h.last.entry.pa, HLAT_PTE);
    cr_expect_eq(h.last.new_pa, PAGE);
    machine_destroy(v.m);
}

Test(stale, another_hlatp_with_the_same_vpid)
{
    struct heard h;
    struct vm v = hlat_vm(&h, reader_start, reader_end);
    cr_expect_eq(enter_guest(&v), 18);
    for (uint64_t n = 0; n < 512; n++)
        store(&v, 0x150000 + 8 * n, 8, 0x801);
    store(&v, HOST_PDE, 8, 0x8000a7);
    put(&v, HLAT_POINTER, 0x150000);
    put(&v, GUEST_RIP, GUEST_CODE);
    cr_expect_eq(enter_guest(&v), 18);
    cr_assert_eq(h.count, 1);
    cr_expect_not(h.last.has_entry);
    cr_expect_eq(h.last.new_pa, OTHER);
    machine_destroy(v.m);
}

/* The PTE that restarts makes the translation one of 4 KBytes, so that INVLPG for another part of
 * the large page of ordinary paging need not take it. */
BARE_PROGRAM(invlpg_beside, "mov 0x601000, %eax\n movl $0x8000a7, 0x3018\n invlpg 0x602000\n"
                            "mov 0x601000, %eax\n vmcall\n");

Test(stale, a_restart_limits_the_size_of_the_page)
{
    static const uint64_t restarts[] = { HLAT_PTE, HLAT + 0x2000 + 8 * (PAGE >> 21) };
    for (unsigned k = 0; k < ARRAY_SIZE(restarts); k++) {
        struct heard h;
        struct vm v = hlat_vm(&h, invlpg_beside_start, invlpg_beside_end);
        store(&v, restarts[k], 8, 0x801);
        cr_expect_eq(enter_guest(&v), 18);
        cr_expect_eq(h.count, k ? 0 : 1, "%u", h.count);
        machine_destroy(v.m);
    }
}

/* An INVEPT is owed for the entry that no longer lets the page directory be updated. */
Test(stale, verification)
{
    struct heard h;
    struct vm v = hlat_vm(&h, reader_start, reader_end);
    put(&v, TERTIARY_VM_EXEC_CONTROL, PROC3_EPT_PAGING_WRITE | PROC3_GUEST_PAGING_VERIFICATION);
    for (uint64_t table = BARE_TABLES; table < BARE_TABLES + 0x3000; table += 0x1000)
        store(&v, ept_pte(table), 8, BIT(58) | table | 0x37);
    store(&v, EPT_PDE, 8, BIT(57) | 0x6000b7);
    cr_expect_eq(enter_guest(&v), 18);
    store(&v, ept_pte(BARE_TABLES + 0x2000), 8, (BARE_TABLES + 0x2000) | 0x37);
    put(&v, GUEST_RIP, GUEST_CODE);
    cr_expect_eq(enter_guest(&v), 48);
    cr_assert_eq(h.count, 1);
    cr_expect(h.last.fails && h.last.has_entry && h.last.entry.ept);
    cr_expect_eq(h.last.entry.pa, ept_pte(BARE_TABLES + 0x2000));
    machine_destroy(v.m);
}
