// SPDX-License-Identifier: Apache-2.0
// The VMX instructions in root operation: faults, error numbers, VMCS states.
#include "vmx_modes.h"

BARE_PROGRAM(nothing, "vmcall\n");
BARE_PROGRAM(host_vmxon, "vmxon (%rdi)\n hlt\n");
BARE_PROGRAM(host_vmxoff, "vmxoff\n hlt\n");
BARE_PROGRAM(host_vmclear, "vmclear (%rdi)\n hlt\n");
BARE_PROGRAM(host_vmptrld, "vmptrld (%rdi)\n hlt\n");
BARE_PROGRAM(host_vmptrst, "vmptrst (%rdi)\n hlt\n");
BARE_PROGRAM(host_vmread, "vmread %rax, %rbx\n hlt\n");
BARE_PROGRAM(host_vmwrite, "vmwrite %rbx, %rax\n hlt\n");
BARE_PROGRAM(host_vmread_mem, "vmread %rax, (%rdi)\n hlt\n");
BARE_PROGRAM(host_vmwrite_mem, "vmwrite (%rdi), %rax\n hlt\n");
BARE_PROGRAM(host_vmlaunch, "vmlaunch\n hlt\n");
BARE_PROGRAM(host_vmresume, "vmresume\n hlt\n");
BARE_PROGRAM(host_vmcall, "vmcall\n hlt\n");
BARE_PROGRAM(host_invept, "invept (%rdi), %rax\n hlt\n");
BARE_PROGRAM(host_invvpid, "invvpid (%rdi), %rax\n hlt\n");
BARE_PROGRAM(host_write_cr4, "mov %rax, %cr4\n hlt\n");
BARE_PROGRAM(host_write_cr0, "mov %rax, %cr0\n hlt\n");
BARE_PROGRAM(host_mov_ss_launch, "mov %ss, %eax\n mov %eax, %ss\n vmlaunch\n hlt\n");

enum { OPERAND = BARE_DATA, OTHER_VMCS = 0x202000, FAR_AWAY = 0x50000000 };

/* Runs an instruction whose operand is 8 bytes of memory. */
static int with_pointer(struct vm *v, const uint8_t *start, const uint8_t *end, uint64_t value)
{
    store(v, OPERAND, 8, value);
    v->c->gpr[RDI] = OPERAND;
    return host_runs(v, start, end);
}
#define WITH_POINTER(v, program, value) with_pointer(v, program##_start, program##_end, value)

static int64_t result_with_pointer(struct vm *v, const uint8_t *start, const uint8_t *end,
                                   uint64_t value)
{
    cr_expect_eq(with_pointer(v, start, end, value), -1);
    return vmx_result(v);
}
#define RESULT(v, program, value) result_with_pointer(v, program##_start, program##_end, value)

static void no_current_vmcs(struct vm *v)
{
    cr_expect_eq(RESULT(v, host_vmclear, VMCS_REGION), 0);
    cr_expect_eq(vmx_current_vmcs(v->c), ~UINT64_C(0));
}

/* ---- VMXON, VMXOFF ---- */

Test(vmx_insn, vmxon_in_root_operation)
{
    struct vm v = VM(nothing);
    cr_expect_eq(RESULT(&v, host_vmxon, VMXON_REGION), 15);
    no_current_vmcs(&v);
    cr_expect_eq(RESULT(&v, host_vmxon, VMXON_REGION), -1);
    machine_destroy(v.m);
}

Test(vmx_insn, vmxon_faults)
{
    struct vm v = VM(nothing);
    cr_expect_eq(HOST_RUNS(&v, host_vmxoff), -1);
    cr_expect_not(v.c->vmx_root);
    v.c->msr.feature_control = 4;                       /* not locked */
    cr_expect_eq(WITH_POINTER(&v, host_vmxon, VMXON_REGION), EXC_GP);
    v.c->msr.feature_control = 1;                       /* locked without VMX */
    cr_expect_eq(WITH_POINTER(&v, host_vmxon, VMXON_REGION), EXC_GP);
    v.c->msr.feature_control = 5;
    cpu_load_cr0(v.c, v.c->cr0 & ~(uint64_t)CR0_NE);
    cr_expect_eq(WITH_POINTER(&v, host_vmxon, VMXON_REGION), EXC_GP);
    cpu_load_cr0(v.c, v.c->cr0 | CR0_NE);
    cpu_set_a20(v.c, false);
    cr_expect_eq(WITH_POINTER(&v, host_vmxon, VMXON_REGION), EXC_GP);
    cpu_set_a20(v.c, true);
    v.c->gpr[RDI] = FAR_AWAY;
    cr_expect_eq(HOST_RUNS(&v, host_vmxon), EXC_PF);
    cpu_load_cr4(v.c, v.c->cr4 & ~(uint64_t)CR4_VMXE);
    cr_expect_eq(WITH_POINTER(&v, host_vmxon, VMXON_REGION), EXC_UD);
    machine_destroy(v.m);
}

Test(vmx_insn, vmxon_pointer_and_revision)
{
    struct vm v = VM(nothing);
    HOST_RUNS(&v, host_vmxoff);
    cr_expect_eq(RESULT(&v, host_vmxon, VMXON_REGION | 8), -1);
    cr_expect_eq(RESULT(&v, host_vmxon, BIT(v.c->physical_bits)), -1);
    store(&v, VMXON_REGION, 4, VMCS_REVISION + 1);
    cr_expect_eq(RESULT(&v, host_vmxon, VMXON_REGION), -1);
    store(&v, VMXON_REGION, 4, VMCS_REVISION | VALID);
    cr_expect_eq(RESULT(&v, host_vmxon, VMXON_REGION), -1);
    cr_expect_not(v.c->vmx_root);
    store(&v, VMXON_REGION, 4, VMCS_REVISION);
    cr_expect_eq(RESULT(&v, host_vmxon, VMXON_REGION), 0);
    cr_expect(v.c->vmx_root);
    machine_destroy(v.m);
}

Test(vmx_insn, capability_msrs)
{
    static const char *const profiles[] = { "prescott-vt", "nehalem", "max", "max,-vmx" };
    for (unsigned n = 0; n < ARRAY_SIZE(profiles); n++) {
        struct machine *m = bare_machine(profiles[n]);
        struct cpu *c = machine_cpu(m, 0);
        const uint64_t *cap = c->model->vmx_capability;
        for (unsigned k = 0; k < 20; k++) {
            uint64_t value;
            bool exists = cap[CAP_BASIC] && vmx_capability_exists(cap, k);
            cr_expect_eq(msr_read(c, 0x480 + k, &value), exists, "%s %#x", profiles[n], 0x480 + k);
            cr_expect(!exists || value == cap[k]);
            cr_expect_not(msr_write(c, 0x480 + k, exists ? cap[k] : 0));
        }
        machine_destroy(m);
    }
}

Test(vmx_insn, undefined_outside_vmx_operation)
{
    struct vm v = VM(nothing);
    HOST_RUNS(&v, host_vmxoff);
    cr_expect_eq(HOST_RUNS(&v, host_vmxoff), EXC_UD);
    cr_expect_eq(WITH_POINTER(&v, host_vmclear, VMCS_REGION), EXC_UD);
    cr_expect_eq(WITH_POINTER(&v, host_vmptrld, VMCS_REGION), EXC_UD);
    cr_expect_eq(WITH_POINTER(&v, host_vmptrst, 0), EXC_UD);
    cr_expect_eq(HOST_RUNS(&v, host_vmread), EXC_UD);
    cr_expect_eq(HOST_RUNS(&v, host_vmwrite), EXC_UD);
    cr_expect_eq(HOST_RUNS(&v, host_vmlaunch), EXC_UD);
    cr_expect_eq(HOST_RUNS(&v, host_vmresume), EXC_UD);
    cr_expect_eq(HOST_RUNS(&v, host_vmcall), EXC_UD);
    cr_expect_eq(WITH_POINTER(&v, host_invept, 0), EXC_UD);
    cr_expect_eq(WITH_POINTER(&v, host_invvpid, 0), EXC_UD);
    machine_destroy(v.m);
}

/* In root operation at CPL 3: #GP(0) for all of them, VMXON among them. */
Test(vmx_insn, privilege)
{
    static const struct { const uint8_t *start, *end; } all[] = {
        { host_vmxon_start, host_vmxon_end },       { host_vmxoff_start, host_vmxoff_end },
        { host_vmclear_start, host_vmclear_end },   { host_vmptrld_start, host_vmptrld_end },
        { host_vmptrst_start, host_vmptrst_end },   { host_vmread_start, host_vmread_end },
        { host_vmwrite_start, host_vmwrite_end },   { host_vmlaunch_start, host_vmlaunch_end },
        { host_vmresume_start, host_vmresume_end }, { host_vmcall_start, host_vmcall_end },
        { host_invept_start, host_invept_end },     { host_invvpid_start, host_invvpid_end },
    };
    struct vm v = VM(nothing);
    store(&v, GUEST_TSS + 4, 8, KERNEL_STACK);
    for (unsigned k = 0; k < ARRAY_SIZE(all); k++) {
        v.c->seg[TR] = (struct segment){ GUEST_TSS, 0x67, 0x8b, 24 };
        v.c->seg[CS] = (struct segment){ 0, 0xffffffff, 0xa0fb, 0x23 };
        v.c->seg[SS] = (struct segment){ 0, 0xffffffff, 0xc0f3, 0x1b };
        v.c->cpl = 3;
        cr_expect_eq(host_runs(&v, all[k].start, all[k].end), EXC_GP, "%u", k);
        cr_expect_eq(load(&v, KERNEL_STACK - 48, 8), 0);
    }
    machine_destroy(v.m);
}

Test(vmx_insn, compatibility_mode)
{
    struct vm v = VM(nothing);
    v.c->seg[CS].access = 0xc09b;
    cr_expect_eq(HOST_RUNS(&v, host_vmxoff), EXC_UD);
    v.c->seg[CS].access = 0xc09b;
    cr_expect_eq(HOST_RUNS(&v, host_vmlaunch), EXC_UD);
    v.c->seg[CS].access = 0xc09b;
    cr_expect_eq(HOST_RUNS(&v, host_vmcall), EXC_UD);
    machine_destroy(v.m);
}

/* ---- control registers and INIT in VMX operation ---- */

Test(vmx_insn, fixed_bits_cannot_change)
{
    struct vm v = VM(nothing);
    v.c->gpr[RAX] = v.c->cr4 & ~(uint64_t)CR4_VMXE;
    cr_expect_eq(HOST_RUNS(&v, host_write_cr4), EXC_GP);
    v.c->gpr[RAX] = v.c->cr0 & ~(uint64_t)CR0_NE;
    cr_expect_eq(HOST_RUNS(&v, host_write_cr0), EXC_GP);
    v.c->gpr[RAX] = v.c->cr0 | CR0_TS;
    cr_expect_eq(HOST_RUNS(&v, host_write_cr0), -1);
    HOST_RUNS(&v, host_vmxoff);
    v.c->gpr[RAX] = v.c->cr4 & ~(uint64_t)CR4_VMXE;
    cr_expect_eq(HOST_RUNS(&v, host_write_cr4), -1);
    machine_destroy(v.m);
}

Test(vmx_insn, init_waits_for_vmxoff)
{
    struct vm v = VM(nothing);
    cpu_set_pending(v.c, PEND_INIT);
    cr_expect_eq(HOST_RUNS(&v, host_vmcall), -1);
    cr_expect(v.c->vmx_root);
    mem_write(v.mem, HOST_SNIPPET, host_vmxoff_start, 4);
    v.c->activity = ACTIVITY_ACTIVE;
    v.c->rip = HOST_SNIPPET;
    bare_run(v.m, 1);
    bare_run(v.m, 1);
    cr_expect_not(v.c->vmx_root);
    cr_expect_not(v.c->cr0 & CR0_PE);                  /* INIT's state */
    machine_destroy(v.m);
}

/* ---- VMPTRLD, VMPTRST, VMCLEAR ---- */

Test(vmx_insn, vmptrld_errors)
{
    struct vm v = VM_ON("max,vmx-shadow-vmcs=off", nothing);
    cr_expect_eq(RESULT(&v, host_vmptrld, OTHER_VMCS | 1), 9);
    cr_expect_eq(RESULT(&v, host_vmptrld, BIT(v.c->physical_bits)), 9);
    cr_expect_eq(RESULT(&v, host_vmptrld, VMXON_REGION), 10);
    cr_expect_eq(RESULT(&v, host_vmptrld, OTHER_VMCS), 11);
    store(&v, OTHER_VMCS, 4, VMCS_REVISION | VALID);   /* a shadow VMCS */
    cr_expect_eq(RESULT(&v, host_vmptrld, OTHER_VMCS), 11);
    cr_expect_eq(vmx_current_vmcs(v.c), VMCS_REGION);
    v.c->gpr[RDI] = FAR_AWAY;
    cr_expect_eq(HOST_RUNS(&v, host_vmptrld), EXC_PF);
    no_current_vmcs(&v);
    cr_expect_eq(RESULT(&v, host_vmptrld, OTHER_VMCS | 1), -1);
    machine_destroy(v.m);
}

Test(vmx_insn, vmclear_errors)
{
    struct vm v = VM(nothing);
    cr_expect_eq(RESULT(&v, host_vmclear, OTHER_VMCS | 0x800), 2);
    cr_expect_eq(RESULT(&v, host_vmclear, ~UINT64_C(0xfff)), 2);
    cr_expect_eq(RESULT(&v, host_vmclear, VMXON_REGION), 3);
    cr_expect_eq(RESULT(&v, host_vmclear, OTHER_VMCS), 0);
    cr_expect_eq(vmx_current_vmcs(v.c), VMCS_REGION);
    machine_destroy(v.m);
}

Test(vmx_insn, vmptrst_stores_the_pointer)
{
    struct vm v = VM(nothing);
    cr_expect_eq(RESULT(&v, host_vmptrst, 0), 0);
    cr_expect_eq(load(&v, OPERAND, 8), VMCS_REGION);
    no_current_vmcs(&v);
    cr_expect_eq(RESULT(&v, host_vmptrst, 0), 0);
    cr_expect_eq(load(&v, OPERAND, 8), ~UINT64_C(0));
    machine_destroy(v.m);
}

Test(vmx_insn, fields_and_launch_state_survive_a_switch)
{
    struct vm v = VM(nothing);
    cr_expect_eq(enter_guest(&v), 18);
    store(&v, OTHER_VMCS, 4, VMCS_REVISION);
    cr_expect_eq(RESULT(&v, host_vmclear, OTHER_VMCS), 0);
    cr_expect_eq(RESULT(&v, host_vmptrld, OTHER_VMCS), 0);
    put(&v, GUEST_RIP, 0x1234);
    cr_expect_eq(HOST_RUNS(&v, host_vmresume), -1);
    cr_expect_eq(vmx_result(&v), 5);                    /* clear, not launched */
    cr_expect_eq(RESULT(&v, host_vmptrld, VMCS_REGION), 0);
    cr_expect_eq(get(&v, GUEST_RIP), GUEST_CODE);
    cr_expect_eq(enter_guest(&v), 18);                  /* still launched */
    cr_expect_eq(HOST_RUNS(&v, host_vmlaunch), -1);
    cr_expect_eq(vmx_result(&v), 4);
    cr_expect_eq(RESULT(&v, host_vmclear, VMCS_REGION), 0);
    cr_expect_eq(RESULT(&v, host_vmptrld, VMCS_REGION), 0);
    v.launched = false;
    cr_expect_eq(enter_guest(&v), 18);                  /* VMCLEAR kept the data */
    machine_destroy(v.m);
}

Test(vmx_insn, vmclear_of_a_vmcs_that_is_not_current)
{
    struct vm v = VM(nothing);
    cr_expect_eq(enter_guest(&v), 18);
    store(&v, OTHER_VMCS, 4, VMCS_REVISION);
    cr_expect_eq(RESULT(&v, host_vmptrld, OTHER_VMCS), 0);
    cr_expect_eq(RESULT(&v, host_vmclear, VMCS_REGION), 0);
    cr_expect_eq(RESULT(&v, host_vmptrld, VMCS_REGION), 0);
    cr_expect_eq(enter_guest(&v), -1);                  /* VMRESUME */
    cr_expect_eq(get(&v, VM_INSTRUCTION_ERROR), 5);
    machine_destroy(v.m);
}

/* ---- VMREAD, VMWRITE ---- */

static int64_t vmread_of(struct vm *v, uint64_t encoding)
{
    v->c->gpr[RAX] = encoding;
    cr_expect_eq(HOST_RUNS(v, host_vmread), -1);
    return vmx_result(v);
}
static int64_t vmwrite_of(struct vm *v, uint64_t encoding, uint64_t value)
{
    v->c->gpr[RAX] = encoding;
    v->c->gpr[RBX] = value;
    cr_expect_eq(HOST_RUNS(v, host_vmwrite), -1);
    return vmx_result(v);
}

Test(vmx_insn, field_widths_and_halves)
{
    struct vm v = VM(nothing);
    const uint64_t ones = UINT64_C(0x123456789abcdef0);
    cr_expect_eq(vmwrite_of(&v, 0x0802, ones), 0);      /* 16 bits */
    vmread_of(&v, 0x0802);
    cr_expect_eq(v.c->gpr[RBX], 0xdef0);
    vmwrite_of(&v, 0x4802, ones);                       /* 32 bits */
    vmread_of(&v, 0x4802);
    cr_expect_eq(v.c->gpr[RBX], 0x9abcdef0);
    vmwrite_of(&v, 0x2010, ones);                       /* 64 bits, full and high */
    vmread_of(&v, 0x2011);
    cr_expect_eq(v.c->gpr[RBX], 0x12345678);
    vmwrite_of(&v, 0x2011, 0xffffffff00000001);
    vmread_of(&v, 0x2010);
    cr_expect_eq(v.c->gpr[RBX], UINT64_C(0x19abcdef0));
    vmwrite_of(&v, 0x6800, ones);                       /* natural width */
    vmread_of(&v, 0x6800);
    cr_expect_eq(v.c->gpr[RBX], ones);
    machine_destroy(v.m);
}

Test(vmx_insn, unsupported_and_read_only_fields)
{
    struct vm v = VM(nothing);
    static const uint64_t absent[] = { 0x0801, 0x6801,  0x4001,
                                       0x0bfe, 0x7802, 0x20000, UINT64_C(1) << 32 };
    for (unsigned k = 0; k < ARRAY_SIZE(absent); k++) {
        cr_expect_eq(vmread_of(&v, absent[k]), 12, "%#llx", (unsigned long long)absent[k]);
        cr_expect_eq(vmwrite_of(&v, absent[k], 0), 12);
    }
    cr_expect_eq(vmwrite_of(&v, 0x4402, 5), 0);         /* "max" may write any field */
    machine_destroy(v.m);

    v = VM_ON("max,vmx-vmwrite-vmexit-fields=off", nothing);
    cr_expect_eq(vmwrite_of(&v, 0x4402, 5), 13);
    cr_expect_eq(vmread_of(&v, 0x4402), 0);
    machine_destroy(v.m);
}

Test(vmx_insn, no_current_vmcs_fails_before_the_operand_is_read)
{
    struct vm v = VM(nothing);
    no_current_vmcs(&v);
    v.c->gpr[RAX] = 0x6800;
    v.c->gpr[RDI] = FAR_AWAY;
    cr_expect_eq(HOST_RUNS(&v, host_vmread_mem), -1);
    cr_expect_eq(vmx_result(&v), -1);
    cr_expect_eq(HOST_RUNS(&v, host_vmwrite_mem), -1);
    cr_expect_eq(vmx_result(&v), -1);
    cr_expect_eq(HOST_RUNS(&v, host_vmlaunch), -1);
    cr_expect_eq(vmx_result(&v), -1);
    cr_expect_eq(HOST_RUNS(&v, host_vmcall), -1);
    cr_expect_eq(vmx_result(&v), -1);
    machine_destroy(v.m);
}

Test(vmx_insn, memory_operands_fault_after_the_field_is_found)
{
    struct vm v = VM(nothing);
    v.c->gpr[RDI] = FAR_AWAY;
    v.c->gpr[RAX] = 0x6800;
    cr_expect_eq(HOST_RUNS(&v, host_vmread_mem), EXC_PF);
    v.c->gpr[RDI] = FAR_AWAY;
    v.c->gpr[RAX] = 0x6800;
    cr_expect_eq(HOST_RUNS(&v, host_vmwrite_mem), EXC_PF);
    v.c->gpr[RAX] = 0x7802;
    cr_expect_eq(HOST_RUNS(&v, host_vmwrite_mem), -1);
    cr_expect_eq(vmx_result(&v), 12);
    machine_destroy(v.m);
}

/* ---- entry ---- */

Test(vmx_insn, launch_behind_mov_ss)
{
    struct vm v = VM(nothing);
    cr_expect_eq(HOST_RUNS(&v, host_mov_ss_launch), -1);
    cr_expect_eq(vmx_result(&v), 26);
    cr_expect_eq(HOST_RUNS(&v, host_vmcall), -1);
    cr_expect_eq(vmx_result(&v), 1);
    machine_destroy(v.m);
}

/* ---- INVEPT, INVVPID ---- */

static int64_t invalidate(struct vm *v, const uint8_t *start, const uint8_t *end, uint64_t type,
                          uint64_t low, uint64_t high)
{
    v->c->gpr[RAX] = type;
    store(v, OPERAND + 8, 8, high);
    return result_with_pointer(v, start, end, low);
}
#define INVEPT(v, type, low, high)                                                                 \
    invalidate(v, host_invept_start, host_invept_end, type, low, high)
#define INVVPID(v, type, low, high) \
    invalidate(v, host_invvpid_start, host_invvpid_end, type, low, high)

Test(vmx_insn, invept_operands)
{
    struct vm v = VM(nothing);
    uint64_t eptp = EPT_TABLES | 3 << 3 | 6;
    cr_expect_eq(INVEPT(&v, 1, eptp, 0), 0);
    cr_expect_eq(INVEPT(&v, 2, 0, 0), 0);
    cr_expect_eq(INVEPT(&v, 0, eptp, 0), 28);
    cr_expect_eq(INVEPT(&v, 3, eptp, 0), 28);
    cr_expect_eq(INVEPT(&v, BIT(32) | 1, eptp, 0), 28);
    cr_expect_eq(INVEPT(&v, 1, eptp | 0x100, 0), 28);
    cr_expect_eq(INVEPT(&v, 1, eptp & ~UINT64_C(7), 0), 0);         /* uncacheable */
    cr_expect_eq(INVEPT(&v, 1, (eptp & ~UINT64_C(7)) | 1, 0), 28);
    cr_expect_eq(INVEPT(&v, 1, eptp, 1), 28);
    v.c->gpr[RDI] = FAR_AWAY;
    v.c->gpr[RAX] = 2;
    cr_expect_eq(HOST_RUNS(&v, host_invept), EXC_PF);
    machine_destroy(v.m);
}

Test(vmx_insn, invvpid_operands)
{
    struct vm v = VM(nothing);
    for (unsigned type = 0; type < 4; type++) {
        cr_expect_eq(INVVPID(&v, type, 1, 0), 0);
        cr_expect_eq(INVVPID(&v, type, 0x10001, 0), 28);
        cr_expect_eq(INVVPID(&v, type, 0, 0), type == 2 ? 0 : 28);
    }
    cr_expect_eq(INVVPID(&v, 4, 1, 0), 28);
    cr_expect_eq(INVVPID(&v, 0, 1, BIT(62)), 28);
    cr_expect_eq(INVVPID(&v, 1, 1, BIT(62)), 0);
    machine_destroy(v.m);
}
