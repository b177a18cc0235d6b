// SPDX-License-Identifier: Apache-2.0
// Protection keys: PKRU for user-mode addresses, IA32_PKRS for supervisor-mode ones, and the TLB
// that knows of both.  Code runs in the hypervisor of vmx_guest.h or in its guest.
#include "vmx_modes.h"

enum { PAGE = 0x600000, PDE = BARE_TABLES + 0x2000 + 8 * (PAGE >> 21), KEY = 5, IA32_PKRS = 0x6e1 };
enum { AD = 1 << 2 * KEY, WD = 2 << 2 * KEY };
enum { P = 1, W = 2, U = 4, I = 16, PK = 32 };       /* of error codes; P, W, U of entries, too */

BARE_PROGRAM(rdpkru, "rdpkru\n vmcall\n");
BARE_PROGRAM(wrpkru, "wrpkru\n vmcall\n");
BARE_PROGRAM(reads, "mov (%rsi), %rbx\n vmcall\n");
BARE_PROGRAM(writes, "movl $7, 8(%rsi)\n vmcall\n");
BARE_PROGRAM(fetches, "jmp *%rsi\n");
BARE_PROGRAM(host_reads, "mov (%rsi), %rbx\n hlt\n");

/* The guest's exit: the vector of the exception that it took, or -1. */
static int run_guest(struct vm *v)
{
    int64_t reason = enter_guest(v);
    cr_assert_eq(reason, 18, "exit %lld", (long long)reason);
    uint64_t at = get(v, GUEST_RIP);
    return at >= GUEST_HANDLERS && at < HANDLER(256) ? (int)(at - GUEST_HANDLERS) / 4 : -1;
}

/* ---- RDPKRU, WRPKRU ---- */

Test(keys, instructions)
{
    struct vm v = VM(wrpkru);
    cr_expect_eq(run_guest(&v), EXC_UD, "CR4.PKE is 0");
    put_bits(&v, GUEST_CR4, CR4_PKE);
    user_guest(&v);
    put(&v, GUEST_RIP, GUEST_CODE);
    v.c->gpr[RAX] = UINT64_C(0xffffffff87654320); /* bits 63:32 of the three are ignored */
    v.c->gpr[RCX] = v.c->gpr[RDX] = UINT64_C(0xffffffff00000000);
    cr_expect_eq(run_guest(&v), -1);
    cr_expect_eq(v.c->pkru, 0x87654320);
    for (unsigned k = 0; k < 2; k++) {
        v.c->gpr[RCX] = k;
        v.c->gpr[RDX] = !k;
        user_guest(&v);
        put(&v, GUEST_RIP, GUEST_CODE);
        cr_expect_eq(run_guest(&v), EXC_GP);
        cr_expect_eq(load(&v, get(&v, GUEST_RSP), 8), 0, "error code");
    }
    cr_expect_eq(v.c->pkru, 0x87654320);
    machine_destroy(v.m);
    v = VM(rdpkru);
    cr_expect_eq(run_guest(&v), EXC_UD);
    put_bits(&v, GUEST_CR4, CR4_PKE);
    put(&v, GUEST_RIP, GUEST_CODE);
    v.c->pkru = 0x87654320;
    v.c->gpr[RDX] = ~UINT64_C(0);
    v.c->gpr[RCX] = BIT(32);
    cr_expect_eq(run_guest(&v), -1);
    cr_expect_eq(v.c->gpr[RAX], 0x87654320);
    cr_expect_eq(v.c->gpr[RDX], 0);
    put(&v, GUEST_RIP, GUEST_CODE);
    v.c->gpr[RCX] = 1;
    cr_expect_eq(run_guest(&v), EXC_GP);
    machine_destroy(v.m);
}

static uint32_t structured_ecx(struct cpu *c)
{
    uint32_t out[4];
    model_cpuid(c, 7, 0, out);
    return out[2];
}

Test(keys, enumeration)
{
    struct machine *m = bare_machine("icelake");
    struct cpu *c = bare_load(m, NULL, NULL);
    uint64_t v;
    cr_expect_eq(structured_ecx(c) & (BIT(31) | BIT(4) | BIT(3)), BIT(3), "PKU, not PKS");
    cr_expect_eq(cr4_reserved(c) & (CR4_PKE | CR4_PKS), CR4_PKS);
    cr_expect_eq(c->model->vmx_capability[CAP_CR4_FIXED1] & (CR4_PKE | CR4_PKS), CR4_PKE);
    cr_expect_not(vmx_can(c->model->vmx_capability, WORD_ENTRY, ENTRY_LOAD_PKRS));
    cr_expect_not(vmx_can(c->model->vmx_capability, WORD_EXIT, EXIT_LOAD_PKRS));
    cr_expect_not(msr_read(c, IA32_PKRS, &v));
    cpu_load_cr4(c, c->cr4 | CR4_PKE);
    cr_expect_eq(structured_ecx(c) & BIT(4), BIT(4), "OSPKE");
    machine_destroy(m);
    m = bare_machine("max");
    c = bare_load(m, NULL, NULL);
    cr_expect_eq(structured_ecx(c) & BIT(31), BIT(31));
    cr_expect_eq(cr4_reserved(c) & (CR4_PKE | CR4_PKS), 0);
    cr_expect(msr_write(c, IA32_PKRS, 0xffffffff));
    cr_expect(msr_read(c, IA32_PKRS, &v) && v == 0xffffffff);
    cr_expect_not(msr_write(c, IA32_PKRS, BIT(32)));
    machine_destroy(m);
    m = bare_machine("skylake");
    c = bare_load(m, NULL, NULL);
    cr_expect_eq(cr4_reserved(c) & (CR4_PKE | CR4_PKS), CR4_PKE | CR4_PKS);
    cr_expect_eq(structured_ecx(c) & (BIT(31) | BIT(3)), 0);
    machine_destroy(m);
}

/* ---- what keys forbid ---- */

struct page_access {
    uint64_t page, cr4;       /* W and U of the page; CR4.PKE, CR4.PKS         */
    uint32_t pkru, pkrs;
    bool user, wp;
    char access;              /* r, w, x                                       */
    int error;                /* error code of the page fault, or -1           */
};

static void expect_access(const struct page_access *a, unsigned row)
{
    struct vm v = a->access == 'r' ? VM(reads) : a->access == 'w' ? VM(writes) : VM(fetches);
    uint64_t stack = a->user ? KERNEL_STACK : GUEST_STACK;
    if (a->user)
        user_guest(&v);
    else /* for SMEP and SMAP: what else the guest uses are supervisor-mode addresses */
        store(&v, BARE_TABLES + 0x2000, 8, 0x80 | P | W);
    put_bits(&v, GUEST_CR4, a->cr4);
    put_bits(&v, GUEST_CR0, a->wp ? CR0_WP : 0);
    put_bits(&v, VM_ENTRY_CONTROLS, ENTRY_LOAD_PKRS);
    put(&v, GUEST_IA32_PKRS, a->pkrs);
    v.c->pkru = a->pkru;
    v.c->gpr[RSI] = PAGE;
    store(&v, PDE, 8, PAGE | (uint64_t)KEY << 59 | 0x80 | P | a->page);
    store(&v, PAGE, 4, 0x90c1010f);                  /* VMCALL */
    int vector = run_guest(&v);
    cr_expect_eq(vector, a->error < 0 ? -1 : EXC_PF, "row %u: vector %d", row, vector);
    if (vector == EXC_PF) {
        int error = (int)load(&v, (stack & ~UINT64_C(15)) - 48, 8);
        cr_expect_eq(error, a->error, "row %u: error code %#x", row, error);
        cr_expect_eq(v.c->cr2, PAGE + (a->access == 'w' ? 8 : 0));
    }
    machine_destroy(v.m);
}

Test(keys, rights)
{
    static const struct page_access rows[] = {
        { W | U, CR4_PKE, AD, 0, true, true, 'r', P | U | PK },
        { W | U, CR4_PKE, AD, 0, true, true, 'w', P | W | U | PK },
        { W | U, CR4_PKE, AD | WD, 0, true, true, 'x', -1 },
        { W | U, CR4_PKE, WD, 0, true, true, 'r', -1 },
        { W | U, CR4_PKE, WD, 0, true, false, 'w', P | W | U | PK },
        { W | U, CR4_PKE, ~(uint32_t)(AD | WD), ~UINT32_C(0), true, true, 'w', -1 },
        { W | U, 0, AD | WD, 0, true, true, 'w', -1 },
        { W | U, CR4_PKS, AD | WD, AD | WD, true, true, 'w', -1 },
        /* Supervisors obey PKRU, too; its write disable only with CR0.WP. */
        { W | U, CR4_PKE, AD, 0, false, false, 'r', P | PK },
        { W | U, CR4_PKE, WD, 0, false, true, 'w', P | W | PK },
        { W | U, CR4_PKE, WD, 0, false, false, 'w', -1 },
        { W | U, CR4_PKE, WD, 0, false, true, 'r', -1 },
        /* Supervisor-mode addresses are IA32_PKRS's. */
        { W, CR4_PKE, AD | WD, AD | WD, false, true, 'w', -1 },
        { W, CR4_PKE | CR4_PKS, AD | WD, 0, false, true, 'w', -1 },
        { W, CR4_PKS, 0, AD, false, true, 'r', P | PK },
        { W, CR4_PKS, 0, AD, false, false, 'w', P | W | PK },
        { W, CR4_PKS, 0, WD, false, true, 'w', P | W | PK },
        { W, CR4_PKS, 0, WD, false, false, 'w', -1 },
        { W, CR4_PKS, 0, AD | WD, false, true, 'x', -1 },
        { W | U, CR4_PKS, 0, AD | WD, false, true, 'w', -1 },
        /* Bit 5 tells of the key whatever else forbids the access. */
        { U, CR4_PKE, WD, 0, true, true, 'w', P | W | U | PK },
        { U, CR4_PKE, 0, 0, true, true, 'w', P | W | U },
        { U, CR4_PKE | CR4_SMAP, AD, 0, false, true, 'r', P | PK },
        { W, CR4_PKE, AD, 0, true, true, 'r', P | U },
        { U | W, CR4_PKE | CR4_SMEP, AD, 0, false, true, 'x', P | I },
    };
    for (unsigned k = 0; k < ARRAY_SIZE(rows); k++)
        expect_access(&rows[k], k);
}

/* An entry that is not present has no key, and neither have those of PAE paging. */
Test(keys, without_a_key)
{
    struct vm v = VM(reads);
    put_bits(&v, GUEST_CR4, CR4_PKE);
    v.c->pkru = ~UINT32_C(3); /* all keys but the stack's */
    v.c->gpr[RSI] = PAGE;
    store(&v, PDE, 8, (uint64_t)KEY << 59 | 0x80 | W | U);
    cr_expect_eq(run_guest(&v), EXC_PF);
    cr_expect_eq(load(&v, GUEST_STACK - 48, 8), 0);
    machine_destroy(v.m);
    v = VM(reads);
    guest_pae(&v);
    put_bits(&v, GUEST_CR4, CR4_PKE);
    v.c->pkru = ~UINT32_C(0);
    v.c->gpr[RSI] = PAGE;
    cr_expect_eq(run_guest(&v), -1);
    machine_destroy(v.m);
}

/* ---- the TLB ---- */

/* Each access follows one that the TLB has; R8 counts those that are allowed. */
BARE_PROGRAM(toggles,
             "xor %ecx, %ecx\n xor %edx, %edx\n xor %r8d, %r8d\n xor %eax, %eax\n"
             "wrpkru\n mov %r8, (%rsi)\n mov (%rsi), %rbx\n inc %r8\n"
             "mov $0x800, %eax\n wrpkru\n mov (%rsi), %rbx\n inc %r8\n" /* writes forbidden */
             "xor %eax, %eax\n wrpkru\n mov %r8, (%rsi)\n inc %r8\n"
             "mov $0x800, %eax\n wrpkru\n mov %r8, (%rsi)\n inc %r8\n vmcall\n");
BARE_PROGRAM(restores_key, "xor %edx, %edx\n mov (%rsi), %rbx\n mov $0x200, %eax\n"
                           "xrstor (%rdi)\n rdpkru\n mov (%rsi), %rbx\n vmcall\n");
BARE_PROGRAM(toggles_supervisor,
             "mov $0x6e1, %ecx\n xor %edx, %edx\n xor %eax, %eax\n wrmsr\n mov %r8, (%rsi)\n"
             "mov $0x800, %eax\n wrmsr\n mov (%rsi), %rbx\n mov %r8, (%rsi)\n vmcall\n");

static struct vm with_page(struct vm v, uint64_t rights, uint64_t cr4)
{
    put_bits(&v, GUEST_CR4, cr4);
    put_bits(&v, GUEST_CR0, CR0_WP);
    v.c->gpr[RSI] = PAGE;
    store(&v, PDE, 8, PAGE | (uint64_t)KEY << 59 | 0x80 | P | rights);
    return v;
}

Test(keys, a_new_value_takes_effect_at_once)
{
    struct vm v = with_page(VM(toggles), W | U, CR4_PKE);
    cr_expect_eq(run_guest(&v), EXC_PF);
    cr_expect_eq(v.c->gpr[R8], 3);
    cr_expect_eq(load(&v, PAGE, 8), 2);
    machine_destroy(v.m);
    v = with_page(VM(toggles), W | U, CR4_PKE);
    user_guest(&v);
    cr_expect_eq(run_guest(&v), EXC_PF);
    cr_expect_eq(v.c->gpr[R8], 3);
    machine_destroy(v.m);
    v = with_page(VM(toggles_supervisor), W, CR4_PKS);
    put_bits(&v, CPU_BASED_VM_EXEC_CONTROL, PROC_USE_MSR_BITMAPS);
    put(&v, MSR_BITMAP, BITMAP);
    v.c->gpr[R8] = 9;
    cr_expect_eq(run_guest(&v), EXC_PF);
    cr_expect_eq(load(&v, PAGE, 8), 9);
    cr_expect_eq(v.c->gpr[RBX], 9);
    machine_destroy(v.m);
}

/* Neither VM entries nor VM exits change PKRU. */
Test(keys, both_sides_of_an_entry_share_pkru)
{
    struct vm v = with_page(VM(wrpkru), W | U, CR4_PKE);
    v.c->gpr[RAX] = AD;
    v.c->gpr[RCX] = v.c->gpr[RDX] = 0;
    cr_expect_eq(run_guest(&v), -1);
    cr_expect_eq(v.c->pkru, AD);
    cr_expect_not(v.c->cr4 & CR4_PKE, "and the host's CR4 says that it does not matter");
    cr_expect_eq(HOST_RUNS(&v, host_reads), -1);
    machine_destroy(v.m);
}

/* ---- the state component ---- */

BARE_PROGRAM(saves_keys, "xsave (%rbx)\n hlt\n");
BARE_PROGRAM(saves_keys_compacted, "xsavec (%rbx)\n hlt\n");
BARE_PROGRAM(restores_keys, "xrstor (%rbx)\n hlt\n");

static void expect_cpuid(struct cpu *c, uint32_t subleaf, uint32_t eax, uint32_t ebx, uint32_t ecx)
{
    uint32_t out[4];
    model_cpuid(c, 0xd, subleaf, out);
    cr_expect(out[0] == eax && out[1] == ebx && out[2] == ecx && !out[3],
              "sub-leaf %u: %#x %#x %#x %#x", subleaf, out[0], out[1], out[2], out[3]);
}

Test(keys, state_component)
{
    struct vm v = VM_ON("icelake", reads);
    enum { AREA = BARE_DATA, STANDARD = AREA + 2688, COMPACT = AREA + 576 };
    expect_cpuid(v.c, 0, 0x203, 576, 2696);
    v.c->xcr0 = 0x203;
    expect_cpuid(v.c, 0, 0x203, 2696, 2696);
    expect_cpuid(v.c, 1, 0xf, 584, 0);
    expect_cpuid(v.c, 9, 8, 2688, 0);
    cpu_load_cr4(v.c, v.c->cr4 | CR4_OSXSAVE);
    v.c->gpr[RBX] = AREA;
    v.c->gpr[RAX] = 0x200;
    v.c->gpr[RDX] = 0;
    store(&v, STANDARD, 8, ~UINT64_C(0));
    store(&v, COMPACT, 8, ~UINT64_C(0));
    cr_expect_eq(HOST_RUNS(&v, saves_keys), -1);
    cr_expect_eq(load(&v, AREA + 512, 8), 0, "PKRU is 0, its initial configuration");
    cr_expect_eq(load(&v, STANDARD, 8), 0);
    v.c->pkru = 0x12345678;
    cr_expect_eq(HOST_RUNS(&v, saves_keys), -1);
    cr_expect_eq(load(&v, AREA + 512, 8), 0x200);
    cr_expect_eq(load(&v, STANDARD, 8), 0x12345678);
    cr_expect_eq(load(&v, COMPACT, 8), ~UINT64_C(0));
    v.c->pkru = 1;
    cr_expect_eq(HOST_RUNS(&v, restores_keys), -1);
    cr_expect_eq(v.c->pkru, 0x12345678);
    cr_expect_eq(HOST_RUNS(&v, saves_keys_compacted), -1);
    cr_expect_eq(load(&v, AREA + 520, 8), BIT(63) | 0x200);
    cr_expect_eq(load(&v, COMPACT, 8), 0x12345678);
    store(&v, COMPACT, 4, 5);
    cr_expect_eq(HOST_RUNS(&v, restores_keys), -1);
    cr_expect_eq(v.c->pkru, 5);
    store(&v, AREA + 512, 8, 0);
    cr_expect_eq(HOST_RUNS(&v, restores_keys), -1);
    cr_expect_eq(v.c->pkru, 0);
    machine_destroy(v.m);
}

Test(keys, restored_rights_take_effect_at_once)
{
    struct vm v = with_page(VM(restores_key), W | U, CR4_PKE | CR4_OSXSAVE);
    v.c->xcr0 = 0x203;
    v.c->gpr[RCX] = 0;
    v.c->gpr[RDI] = BARE_DATA;
    store(&v, BARE_DATA + 512, 8, 0x200);
    store(&v, BARE_DATA + 2688, 8, AD);
    cr_expect_eq(run_guest(&v), EXC_PF);
    cr_expect_eq(v.c->gpr[RAX], AD);
    machine_destroy(v.m);
}

/* The page with the component is accessed only if it is saved or loaded. */
Test(keys, faults_in_the_extended_region)
{
    struct vm v = VM(reads);
    store(&v, BARE_TABLES + 0x2000 + 8 * 2, 8, 0); /* 4 to 6 MiB are not mapped */
    cpu_load_cr3(v.c, v.c->cr3);
    cpu_load_cr4(v.c, v.c->cr4 | CR4_OSXSAVE);
    v.c->xcr0 = 0x203;
    v.c->gpr[RBX] = 0x400000 - 1024;
    v.c->gpr[RAX] = 3;
    v.c->gpr[RDX] = 0;
    v.c->fpu = (struct fpu){ .control = 0x37f, .mxcsr = 0x1f80 };
    cr_expect_eq(HOST_RUNS(&v, saves_keys), -1);
    cr_expect_eq(HOST_RUNS(&v, restores_keys), -1);
    v.c->gpr[RAX] = 0x203;
    cr_expect_eq(HOST_RUNS(&v, restores_keys), -1, "initial: nothing is read");
    v.c->fpu.control = 0x27f;
    cr_expect_eq(HOST_RUNS(&v, saves_keys), EXC_PF);
    cr_expect_eq(v.c->cr2, 0x400000 - 1024 + 2688);
    cr_expect_eq(load(&v, 0x400000 - 1024, 2), 0x37f, "nothing is written");
    store(&v, 0x400000 - 1024 + 512, 8, 0x201);
    cr_expect_eq(HOST_RUNS(&v, restores_keys), EXC_PF);
    cr_expect_eq(v.c->fpu.control, 0x27f, "nothing is loaded");
    machine_destroy(v.m);
}
