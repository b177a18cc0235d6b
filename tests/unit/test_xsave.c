// SPDX-License-Identifier: Apache-2.0
// XSAVE and its kin: what each form writes and loads, the header, every fault, CPUID leaf 0DH.
// Code runs in the hypervisor of vmx_guest.h, whose handlers tell the vector of a fault.
#include "vmx_modes.h"

enum { AREA = BARE_DATA, BV = AREA + 512, COMP = AREA + 520, IA32_XSS = 0xda0 };
#define COMPACTED BIT(63)
#define FILL UINT64_C(0xa5a5a5a5a5a5a5a5)

BARE_PROGRAM(empty, "vmcall\n");
BARE_PROGRAM(saves_standard, "xsave (%rbx)\n hlt\n");
BARE_PROGRAM(saves_optimized, "xsaveopt (%rbx)\n hlt\n");
BARE_PROGRAM(saves_compacted, "xsavec (%rbx)\n hlt\n");
BARE_PROGRAM(saves_supervisor, "xsaves64 (%rbx)\n hlt\n");
BARE_PROGRAM(restores, "xrstor (%rbx)\n hlt\n");
BARE_PROGRAM(restores_supervisor, "xrstors64 (%rbx)\n hlt\n");
BARE_PROGRAM(reads_xcr, "xgetbv\n hlt\n");
BARE_PROGRAM(writes_xcr, "xsetbv\n hlt\n");

/* A host with XSAVE switched on, x87 and SSE in their initial configurations, and an area of FILL
 * with a header of zeros. */
static struct vm with_xsave(const char *cpu)
{
    struct vm v = VM_ON(cpu, empty);
    cpu_load_cr4(v.c, v.c->cr4 | CR4_OSXSAVE);
    v.c->xcr0 = 3;
    v.c->gpr[RBX] = AREA;
    v.c->gpr[RAX] = 3;
    v.c->gpr[RDX] = 0;
    v.c->fpu = (struct fpu){ .control = 0x37f, .mxcsr = 0x1f80 };
    for (unsigned k = 0; k < 4096; k += 8)
        store(&v, AREA + k, 8, k >= 512 && k < 576 ? 0 : FILL);
    return v;
}

static void expect_header(struct vm *v, uint64_t bv, uint64_t comp)
{
    cr_expect_eq(load(v, BV, 8), bv, "XSTATE_BV %#llx", (unsigned long long)load(v, BV, 8));
    cr_expect_eq(load(v, COMP, 8), comp, "XCOMP_BV %#llx", (unsigned long long)load(v, COMP, 8));
}

Test(xsave, init_optimization)
{
    struct vm v = with_xsave("max");
    cr_expect_eq(HOST_RUNS(&v, saves_compacted), -1);
    expect_header(&v, 0, COMPACTED | 3);
    for (unsigned k = 0; k < 512; k += 8)
        cr_expect_eq(load(&v, AREA + k, 8), FILL, "byte %u", k);
    v.c->fpu.xmm[9].q[1] = 5;
    cr_expect_eq(HOST_RUNS(&v, saves_compacted), -1);
    expect_header(&v, 2, COMPACTED | 3);
    cr_expect_eq(load(&v, AREA + 160 + 9 * 16 + 8, 8), 5);
    cr_expect_eq(load(&v, AREA + 24, 8), UINT64_C(0xffff00001f80));
    cr_expect_eq(load(&v, AREA, 8), FILL, "x87 is still initial");
    v.c->fpu.opcode = 0x123;
    v.c->gpr[RAX] = ~UINT64_C(0);
    v.c->gpr[RDX] = ~UINT64_C(0);
    cr_expect_eq(HOST_RUNS(&v, saves_supervisor), -1);
    expect_header(&v, 3, COMPACTED | 3);
    cr_expect_eq(load(&v, AREA, 8), UINT64_C(0x012300000000037f));
    machine_destroy(v.m);
}

/* MXCSR is a part of SSE state for XSAVEC and XSAVES; XSAVE and XSAVEOPT save it by themselves. */
Test(xsave, mxcsr)
{
    struct vm v = with_xsave("max");
    v.c->fpu.mxcsr = 0x1fa0;
    cr_expect_eq(HOST_RUNS(&v, saves_optimized), -1);
    expect_header(&v, 0, 0);
    cr_expect_eq(load(&v, AREA + 24, 8), UINT64_C(0xffff00001fa0));
    cr_expect_eq(load(&v, AREA + 160, 8), FILL);
    cr_expect_eq(HOST_RUNS(&v, saves_compacted), -1);
    expect_header(&v, 2, COMPACTED | 3);
    cr_expect_eq(load(&v, AREA + 160, 8), 0);
    v.c->gpr[RAX] = 1;
    cr_expect_eq(HOST_RUNS(&v, saves_supervisor), -1);
    expect_header(&v, 0, COMPACTED | 1);
    machine_destroy(v.m);
}

/* XSAVE writes components that are initial, too, and leaves bits of the header that are not asked
 * for. */
Test(xsave, standard_format)
{
    struct vm v = with_xsave("max");
    store(&v, BV, 8, 0xff02);
    v.c->gpr[RAX] = 1;
    v.c->fpu.xmm[0].q[0] = 1;
    cr_expect_eq(HOST_RUNS(&v, saves_standard), -1);
    expect_header(&v, 0xff02, 0);
    cr_expect_eq(load(&v, AREA, 8), 0x37f);
    cr_expect_eq(load(&v, AREA + 24, 8), FILL);
    cr_expect_eq(load(&v, AREA + 160, 8), FILL);
    v.c->gpr[RAX] = 3;
    store(&v, AREA, 8, FILL);
    cr_expect_eq(HOST_RUNS(&v, saves_optimized), -1);
    expect_header(&v, 0xff02, 0);
    cr_expect_eq(load(&v, AREA, 8), FILL, "x87 is initial");
    cr_expect_eq(load(&v, AREA + 160, 8), 1);
    machine_destroy(v.m);
}

Test(xsave, what_restoring_loads)
{
    struct vm v = with_xsave("max");
    v.c->fpu.xmm[3].q[0] = 7;
    v.c->fpu.mxcsr = 0x9f80;
    v.c->fpu.control = 0x27f;
    cr_expect_eq(HOST_RUNS(&v, saves_compacted), -1);
    store(&v, BV, 8, 1);
    cr_expect_eq(HOST_RUNS(&v, restores), -1);
    cr_expect_eq(v.c->fpu.xmm[3].q[0], 0);
    cr_expect_eq(v.c->fpu.mxcsr, 0x1f80, "initial: a part of SSE state");
    cr_expect_eq(v.c->fpu.control, 0x27f);
    store(&v, BV, 8, 2);
    cr_expect_eq(HOST_RUNS(&v, restores_supervisor), -1);
    cr_expect_eq(v.c->fpu.xmm[3].q[0], 7);
    cr_expect_eq(v.c->fpu.mxcsr, 0x9f80);
    cr_expect_eq(v.c->fpu.control, 0x37f);
    store(&v, BV, 8, 0);
    store(&v, COMP, 8, COMPACTED); /* a component that the layout lacks becomes initial, too */
    v.c->gpr[RAX] = 2;
    v.c->fpu.control = 0x27f;
    cr_expect_eq(HOST_RUNS(&v, restores), -1);
    cr_expect_eq(v.c->fpu.xmm[3].q[0], 0);
    cr_expect_eq(v.c->fpu.control, 0x27f);
    store(&v, COMP, 8, 0); /* the standard form: MXCSR whatever XSTATE_BV says */
    v.c->fpu.xmm[3].q[0] = 7;
    cr_expect_eq(HOST_RUNS(&v, restores), -1);
    cr_expect_eq(v.c->fpu.xmm[3].q[0], 0);
    cr_expect_eq(v.c->fpu.mxcsr, 0x9f80);
    machine_destroy(v.m);
}

Test(xsave, compacted_header)
{
    struct vm v = with_xsave("max");
    v.c->gpr[RAX] = 0;                                     /* checked whatever is asked for */
    store(&v, COMP, 8, COMPACTED | 3);
    cr_expect_eq(HOST_RUNS(&v, restores), -1);
    cr_expect_eq(HOST_RUNS(&v, restores_supervisor), -1);
    store(&v, COMP, 8, COMPACTED | 7);
    cr_expect_eq(HOST_RUNS(&v, restores), EXC_GP, "a component that XCR0 lacks");
    cr_expect_eq(HOST_RUNS(&v, restores_supervisor), EXC_GP);
    store(&v, COMP, 8, COMPACTED | 1);
    store(&v, BV, 8, 2);
    cr_expect_eq(HOST_RUNS(&v, restores), EXC_GP, "a component that the layout lacks");
    cr_expect_eq(HOST_RUNS(&v, restores_supervisor), EXC_GP);
    store(&v, BV, 8, COMPACTED);
    cr_expect_eq(HOST_RUNS(&v, restores), EXC_GP, "bit 63 of XSTATE_BV");
    for (unsigned k = 16; k < 64; k++) {
        store(&v, BV, 8, 0);
        store(&v, BV + k, 1, 0x80);
        cr_expect_eq(HOST_RUNS(&v, restores), EXC_GP, "byte %u of the header", k);
        cr_expect_eq(HOST_RUNS(&v, restores_supervisor), EXC_GP);
        store(&v, BV + k, 1, 0);
    }
    machine_destroy(v.m);
}

Test(xsave, standard_header)
{
    struct vm v = with_xsave("max");
    cr_expect_eq(HOST_RUNS(&v, restores_supervisor), EXC_GP, "XRSTORS has no standard form");
    store(&v, AREA + 24, 4, 0x1f80);
    cr_expect_eq(HOST_RUNS(&v, restores), -1);
    store(&v, BV, 8, 4);
    cr_expect_eq(HOST_RUNS(&v, restores), EXC_GP, "a component that XCR0 lacks");
    store(&v, BV, 8, 0);
    store(&v, COMP, 8, 1);
    cr_expect_eq(HOST_RUNS(&v, restores), EXC_GP, "XCOMP_BV is not 0");
    store(&v, COMP, 8, 0);
    store(&v, BV + 23, 1, 1);
    cr_expect_eq(HOST_RUNS(&v, restores), EXC_GP, "byte 23 of the header");
    store(&v, BV + 23, 1, 0);
    store(&v, BV + 24, 1, 1);
    cr_expect_eq(HOST_RUNS(&v, restores), -1, "byte 24 does not matter");
    machine_destroy(v.m);
}

Test(xsave, illegal_mxcsr)
{
    struct vm v = with_xsave("max");
    store(&v, AREA + 24, 4, 0x10000);
    v.c->gpr[RAX] = 1;
    cr_expect_eq(HOST_RUNS(&v, restores), -1, "it is not loaded");
    v.c->gpr[RAX] = 2;
    cr_expect_eq(HOST_RUNS(&v, restores), EXC_GP);
    store(&v, COMP, 8, COMPACTED | 2);
    cr_expect_eq(HOST_RUNS(&v, restores), -1, "it is not loaded");
    store(&v, BV, 8, 2);
    cr_expect_eq(HOST_RUNS(&v, restores), EXC_GP);
    cr_expect_eq(HOST_RUNS(&v, restores_supervisor), EXC_GP);
    cr_expect_eq(v.c->fpu.mxcsr, 0x1f80);
    machine_destroy(v.m);
}

/* ---- faults of all of them ---- */

static const struct { const uint8_t *start, *end; } every[] = {
    { saves_standard_start, saves_standard_end },
    { saves_optimized_start, saves_optimized_end },
    { saves_compacted_start, saves_compacted_end },
    { saves_supervisor_start, saves_supervisor_end },
    { restores_start, restores_end },
    { restores_supervisor_start, restores_supervisor_end },
};
static void expect_all(struct vm *v, int vector)
{
    for (unsigned k = 0; k < ARRAY_SIZE(every); k++)
        cr_expect_eq(host_runs(v, every[k].start, every[k].end), vector, "instruction %u", k);
}

Test(xsave, faults_in_their_order)
{
    struct vm v = with_xsave("max");
    store(&v, BARE_TABLES + 0x2000 + 8 * 2, 8, 0); /* 4 to 6 MiB are not mapped */
    cpu_load_cr3(v.c, v.c->cr3);
    v.c->gpr[RBX] = 0x400020;
    v.c->cr0 |= CR0_TS;
    cpu_load_cr4(v.c, v.c->cr4 & ~(uint64_t)CR4_OSXSAVE);
    expect_all(&v, EXC_UD);
    cpu_load_cr4(v.c, v.c->cr4 | CR4_OSXSAVE);
    expect_all(&v, EXC_NM);
    cpu_load_cr0(v.c, v.c->cr0 & ~(uint64_t)CR0_TS);
    expect_all(&v, EXC_GP);
    v.c->gpr[RBX] = 0x400000 - 576 + 64; /* the last byte of the header is behind the end */
    expect_all(&v, EXC_PF);
    cr_expect_eq(v.c->cr2, 0x400000);
    for (unsigned k = 0; k < 512; k += 8)
        cr_expect_eq(load(&v, 0x400000 - 512 + k, 8), 0, "nothing is written");
    machine_destroy(v.m);
}

/* An older processor: none of the forms, and XCOMP_BV's bit 63 is reserved. */
Test(xsave, without_the_features)
{
    struct vm v = with_xsave("max,-xsaveopt,-xsavec,-xgetbv1");
    cr_expect_eq(HOST_RUNS(&v, saves_standard), -1);
    cr_expect_eq(HOST_RUNS(&v, saves_optimized), EXC_UD);
    cr_expect_eq(HOST_RUNS(&v, saves_compacted), EXC_UD);
    cr_expect_eq(HOST_RUNS(&v, saves_supervisor), EXC_UD, "XSAVES needs XSAVEC");
    cr_expect_eq(HOST_RUNS(&v, restores_supervisor), EXC_UD);
    store(&v, COMP, 8, COMPACTED);
    cr_expect_eq(HOST_RUNS(&v, restores), EXC_GP);
    v.c->gpr[RCX] = 1;
    cr_expect_eq(HOST_RUNS(&v, reads_xcr), EXC_GP);
    machine_destroy(v.m);
}

/* ---- XCR0, XINUSE, IA32_XSS ---- */

Test(xsave, extended_control_registers)
{
    struct vm v = with_xsave("max");
    v.c->gpr[RCX] = UINT64_C(0xffffffff00000001);
    v.c->gpr[RDX] = ~UINT64_C(0);
    cr_expect_eq(HOST_RUNS(&v, reads_xcr), -1);
    cr_expect_eq(v.c->gpr[RAX], 0);
    cr_expect_eq(v.c->gpr[RDX], 0);
    v.c->fpu.mxcsr = 0x1f00;
    cr_expect_eq(HOST_RUNS(&v, reads_xcr), -1);
    cr_expect_eq(v.c->gpr[RAX], 2, "MXCSR counts");
    v.c->fpu.st[7].frac = 1;
    v.c->xcr0 = 1;
    cr_expect_eq(HOST_RUNS(&v, reads_xcr), -1);
    cr_expect_eq(v.c->gpr[RAX], 1);
    v.c->gpr[RCX] = 2;
    cr_expect_eq(HOST_RUNS(&v, reads_xcr), EXC_GP);
    v.c->gpr[RCX] = 0;
    v.c->gpr[RAX] = 3;
    cr_expect_eq(HOST_RUNS(&v, writes_xcr), -1);
    cr_expect_eq(v.c->xcr0, 3);
    v.c->gpr[RAX] = 2;
    cr_expect_eq(HOST_RUNS(&v, writes_xcr), EXC_GP, "x87 cannot be left out");
    v.c->gpr[RAX] = 3;
    v.c->gpr[RDX] = 1;
    cr_expect_eq(HOST_RUNS(&v, writes_xcr), EXC_GP);
    machine_destroy(v.m);
}

Test(xsave, supervisor_state_msr)
{
    struct vm v = with_xsave("skylake");
    uint64_t value = 1;
    cr_expect(msr_read(v.c, IA32_XSS, &value) && !value);
    cr_expect(msr_write(v.c, IA32_XSS, 0));
    for (unsigned k = 0; k < 64; k++)
        cr_expect_not(msr_write(v.c, IA32_XSS, BIT(k)), "no supervisor component %u", k);
    machine_destroy(v.m);
    v = with_xsave("max,-xsaves");
    cr_expect_not(msr_read(v.c, IA32_XSS, &value));
    machine_destroy(v.m);
}

/* As a made-up saved machine may have it: bits without a component do nothing. */
Test(xsave, components_that_do_not_exist)
{
    struct vm v = with_xsave("max");
    v.c->xcr0 = v.c->msr.xss = ~BIT(63);
    v.c->gpr[RAX] = v.c->gpr[RDX] = ~UINT64_C(0);
    cr_expect_eq(HOST_RUNS(&v, saves_standard), -1);
    cr_expect_eq(HOST_RUNS(&v, saves_supervisor), -1);
    cr_expect_eq(HOST_RUNS(&v, restores_supervisor), -1);
    cr_expect_eq(HOST_RUNS(&v, reads_xcr), -1);
}

/* Components 11 and 12: IA32_U_CET and IA32_PL3_SSP, then IA32_PL0_SSP to IA32_PL2_SSP. */
Test(xsave, cet_state)
{
    enum { CET_U = 1 << 11, CET_S = 1 << 12, AT = AREA + 576 };
    static const uint64_t image[] = { 0x5000 | 3, 0x1008, 0x2008, 0x3008, 0x4008 };
    static const struct { unsigned word; uint64_t value; } illegal[] = {
        { 0, 1 << 6 }, { 1, 0x1002 }, { 2, 0x2001 }, { 3, BIT(47) }, { 4, 2 },
    };
    struct vm v = with_xsave("max");
    cr_expect(msr_write(v.c, IA32_XSS, CET_U | CET_S));
    v.c->gpr[RAX] = CET_U | CET_S;
    cr_expect_eq(HOST_RUNS(&v, saves_supervisor), -1);
    expect_header(&v, 0, COMPACTED | CET_U | CET_S);
    v.c->msr.u_cet = image[0];
    v.c->msr.pl_ssp[3] = image[1];
    for (unsigned k = 0; k < 3; k++)
        v.c->msr.pl_ssp[k] = image[2 + k];
    cr_expect_eq(HOST_RUNS(&v, saves_supervisor), -1);
    expect_header(&v, CET_U | CET_S, COMPACTED | CET_U | CET_S);
    for (unsigned k = 0; k < 5; k++)
        cr_expect_eq(load(&v, AT + 8 * k, 8), image[k], "word %u", k);
    v.c->msr.u_cet = 0;
    for (unsigned k = 0; k < 4; k++)
        v.c->msr.pl_ssp[k] = 0;
    cr_expect_eq(HOST_RUNS(&v, restores_supervisor), -1);
    cr_expect(v.c->msr.u_cet == image[0] && v.c->msr.pl_ssp[3] == image[1]);
    for (unsigned k = 0; k < 3; k++)
        cr_expect_eq(v.c->msr.pl_ssp[k], image[2 + k]);
    for (unsigned k = 0; k < ARRAY_SIZE(illegal); k++) {
        store(&v, AT + 8 * illegal[k].word, 8, illegal[k].value);
        cr_expect_eq(HOST_RUNS(&v, restores_supervisor), EXC_GP, "%u", k);
        store(&v, AT + 8 * illegal[k].word, 8, image[illegal[k].word]);
    }
    machine_destroy(v.m);
}

/* ---- CPUID ---- */

static void expect_cpuid(struct cpu *c, uint32_t subleaf, uint32_t eax, uint32_t ebx, uint32_t ecx)
{
    uint32_t out[4];
    model_cpuid(c, 0xd, subleaf, out);
    cr_expect(out[0] == eax && out[1] == ebx && out[2] == ecx && !out[3],
              "sub-leaf %u: %#x %#x %#x %#x", subleaf, out[0], out[1], out[2], out[3]);
}

Test(xsave, cpuid)
{
    struct vm v = with_xsave("skylake");
    expect_cpuid(v.c, 0, 3, 576, 576);
    expect_cpuid(v.c, 1, 0xf, 576, 0);
    for (unsigned k = 2; k < 64; k++)
        expect_cpuid(v.c, k, 0, 0, 0);
    machine_destroy(v.m);
    v = with_xsave("skylake,-xsavec");
    expect_cpuid(v.c, 1, 5, 0, 0);
    machine_destroy(v.m);
    v = with_xsave("max");
    expect_cpuid(v.c, 11, 16, 0, 1);
    expect_cpuid(v.c, 12, 24, 0, 1);
    machine_destroy(v.m);
    struct machine *m = bare_machine("nehalem");
    expect_cpuid(machine_cpu(m, 0), 0, 0, 0, 0);
    expect_cpuid(machine_cpu(m, 0), 1, 0, 0, 0);
    machine_destroy(m);
}
