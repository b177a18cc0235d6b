// SPDX-License-Identifier: Apache-2.0
// Entries to and exits from other modes, 32-bit hosts, MSR lists, VMX aborts.
#include "vmx_modes.h"

BARE_PROGRAM(guest_call, "vmcall\n");

/* ---- 32-bit hosts ---- */

/* Takes the host out of IA-32e mode, as its code could only in several steps. */
static void host_32(struct vm *v, bool pae)
{
    struct cpu *c = v->c;
    for (unsigned k = 0; k < 1024; k++)
        store(v, HOST_TABLES + 4 * k, 4, k << 22 | 0xe7);
    for (unsigned k = 0; pae && k < 4; k++)
        store(v, HOST_TABLES + 8 * k, 8, (HOST_TABLES + 0x1000) | 1);
    for (uint64_t k = 0; pae && k < 512; k++)
        store(v, HOST_TABLES + 0x1000 + 8 * k, 8, k << 21 | 0xe7);
    cpu_load_efer(c, EFER_NXE);
    cpu_load_cr4(c, CR4_VMXE | CR4_OSFXSR | (pae ? CR4_PAE : CR4_PSE));
    cr_assert(!pae || cpu_load_pdptes(c, HOST_TABLES, c->pdpte));
    cpu_load_cr3(c, HOST_TABLES);
    c->seg[CS].access = 0xc09b;
    put(v, HOST_CR3, HOST_TABLES);
    put(v, HOST_CR4, c->cr4);
    clear_bits(v, VM_EXIT_CONTROLS, EXIT_HOST_ADDRESS_SPACE_SIZE);
    clear_bits(v, VM_ENTRY_CONTROLS, ENTRY_IA32E_MODE_GUEST);
    cpu_mode_changed(c);
}

static void round_trip(bool pae)
{
    struct vm v = VM(guest_call);
    guest_32(&v);
    host_32(&v, pae);
    for (unsigned k = 0; k < 3; k++) {
        cr_expect_eq(enter_guest(&v), 18);
        cr_expect_not(in_long_mode(v.c));
        cr_expect_eq(v.c->seg[CS].access, 0xc09b);
        cr_expect_eq(v.c->msr.efer, EFER_NXE);
        cr_expect_eq(v.c->cr4, get(&v, HOST_CR4));
    }
    machine_destroy(v.m);
}
Test(vmx_modes, host_32) { round_trip(false); }
Test(vmx_modes, host_pae) { round_trip(true); }

Test(vmx_modes, host_pdptes_that_are_bad_abort)
{
    struct vm v = VM(guest_call);
    guest_32(&v);
    host_32(&v, true);
    store(&v, HOST_TABLES + 8, 8, 3);
    v.c->rip = HOST_LAUNCH;
    v.c->activity = ACTIVITY_ACTIVE;
    bare_run(v.m, 1000);
    cr_expect_eq(vmx_abort_indicator(v.c), 2);
    cr_expect_eq(load(&v, VMCS_REGION + 4, 4), 2);
    cr_expect_eq(v.c->activity, ACTIVITY_SHUTDOWN);
    machine_destroy(v.m);
}

BARE_PROGRAM(host_fields_32, ".code32\n vmread %eax, (%edi)\n vmread %eax, %ebx\n"
                             " vmwrite %ecx, %eax\n hlt\n .code64\n");
Test(vmx_modes, fields_in_32_bit_mode)
{
    struct vm v = VM(guest_call);
    host_32(&v, false);
    put(&v, TSC_OFFSET, UINT64_C(0x123456789abcdef0));
    store(&v, BARE_DATA, 8, ~UINT64_C(0));
    mem_write(v.mem, HOST_SNIPPET, host_fields_32_start,
              (size_t)(host_fields_32_end - host_fields_32_start));
    v.c->gpr[RAX] = 0x2010;
    v.c->gpr[RCX] = 0x55aa55aa;
    v.c->gpr[RDI] = BARE_DATA;
    wake_at(&v, HOST_SNIPPET);
    cr_expect_eq(load(&v, BARE_DATA, 8), UINT64_C(0xffffffff9abcdef0));
    cr_expect_eq(v.c->gpr[RBX], 0x9abcdef0);
    cr_expect_eq(get(&v, TSC_OFFSET), 0x55aa55aa);      /* the high half becomes 0 */
    machine_destroy(v.m);
}

Test(vmx_modes, address_space_checks)
{
    struct vm v = VM(guest_call);
    guest_32(&v);
    host_32(&v, false);
    put_bits(&v, VM_ENTRY_CONTROLS, ENTRY_IA32E_MODE_GUEST);
    cr_expect_eq(enter_guest(&v), -1);
    cr_expect_eq(get(&v, VM_INSTRUCTION_ERROR), 8);
    clear_bits(&v, VM_ENTRY_CONTROLS, ENTRY_IA32E_MODE_GUEST);
    put(&v, HOST_RIP, UINT64_C(0x100000000));
    cr_expect_eq(enter_guest(&v), -1);
    cr_expect_eq(get(&v, VM_INSTRUCTION_ERROR), 8);
    machine_destroy(v.m);
}

/* A 32-bit guest that goes to IA-32e mode under a 32-bit host. */
BARE_PROGRAM(guest_to_long, ".code32\n mov %ebx, %cr0\n vmcall\n .code64\n");
Test(vmx_modes, exit_from_ia32e_mode_to_a_32_bit_host_aborts)
{
    struct vm v = VM(guest_to_long);
    guest_32(&v);
    host_32(&v, false);
    use_ept(&v);
    put_bits(&v, SECONDARY_VM_EXEC_CONTROL, PROC2_UNRESTRICTED_GUEST);
    put_bits(&v, VM_ENTRY_CONTROLS, ENTRY_LOAD_EFER);
    put(&v, GUEST_IA32_EFER, EFER_LME);
    put(&v, GUEST_CR0, CR0_PE | CR0_NE);
    put(&v, GUEST_CR4, CR4_VMXE | CR4_PAE);
    put(&v, GUEST_CR3, BARE_TABLES);
    v.c->gpr[RBX] = CR0_PE | CR0_NE | CR0_PG;
    v.c->rip = HOST_LAUNCH;
    v.c->activity = ACTIVITY_ACTIVE;
    bare_run(v.m, 1000);
    cr_expect_eq(vmx_abort_indicator(v.c), 6);
    machine_destroy(v.m);
}

/* ---- MSR lists ---- */

static void list_entry(struct vm *v, uint64_t at, uint64_t index, uint64_t value)
{
    store(v, at, 8, index);
    store(v, at + 8, 8, value);
}

Test(vmx_modes, entries_that_cannot_be_loaded)
{
    static const struct { uint64_t index, value; } bad[] = {
        { 0xc0000100, 0 },                    { 0xc0000101, 0 },
        { 0x800, 0 },                         { 0x8ff, 0 },
        { 0x9e, 0 },                          { UINT64_C(1) << 32 | 0x174, 0 },
        { 0x12345, 0 },                       { 0x175, UINT64_C(1) << 62 },
        { 0xc0000080, EFER_SCE | 1 << 1 },    { 0xc0000080, EFER_SCE /* LME would change */ },
        { 0x480, 0 },                         { 0x277, 2 },
    };
    struct vm v = VM(guest_call);
    put(&v, VM_ENTRY_MSR_LOAD_ADDR, LIST);
    list_entry(&v, LIST, 0x174, 8);
    list_entry(&v, LIST + 16, 0x176, 0x1000);
    for (unsigned k = 0; k < ARRAY_SIZE(bad); k++) {
        put(&v, VM_ENTRY_MSR_LOAD_COUNT, 3);
        list_entry(&v, LIST + 32, bad[k].index, bad[k].value);
        cr_expect_eq(enter_guest(&v), 0x80000022, "%u", k);
        cr_expect_eq(get(&v, EXIT_QUALIFICATION), 3);
        cr_expect_not(v.launched);
    }
    put(&v, VM_ENTRY_MSR_LOAD_COUNT, 513);              /* more than IA32_VMX_MISC allows */
    for (unsigned k = 0; k < 513; k++)
        list_entry(&v, LIST + 16 * k, 0x174, 8);
    cr_expect_eq(enter_guest(&v), 0x80000022);
    cr_expect_eq(get(&v, EXIT_QUALIFICATION), 513);
    put(&v, VM_ENTRY_MSR_LOAD_COUNT, 512);
    cr_expect_eq(enter_guest(&v), 18);
    machine_destroy(v.m);
}

Test(vmx_modes, lists_of_the_exit)
{
    struct vm v = VM(guest_call);
    list_entry(&v, LIST, 0x174, 0x10);                  /* for the guest */
    list_entry(&v, LIST + 16, 0xc0000102, 0x1111);
    put(&v, VM_ENTRY_MSR_LOAD_ADDR, LIST);
    put(&v, VM_ENTRY_MSR_LOAD_COUNT, 2);
    list_entry(&v, LIST + 0x100, 0xc0000102, 0);        /* what it left there */
    list_entry(&v, LIST + 0x110, 0x10, 0);
    put(&v, VM_EXIT_MSR_STORE_ADDR, LIST + 0x100);
    put(&v, VM_EXIT_MSR_STORE_COUNT, 2);
    list_entry(&v, LIST + 0x200, 0xc0000102, 0x2222);   /* for the host */
    put(&v, VM_EXIT_MSR_LOAD_ADDR, LIST + 0x200);
    put(&v, VM_EXIT_MSR_LOAD_COUNT, 1);
    put_bits(&v, CPU_BASED_VM_EXEC_CONTROL, PROC_TSC_OFFSETTING);
    put(&v, TSC_OFFSET, UINT64_C(1) << 50);
    cr_expect_eq(enter_guest(&v), 18);
    cr_expect_eq(load(&v, LIST + 0x108, 8), 0x1111);
    cr_expect_eq(load(&v, LIST + 0x118, 8) >> 50, 0);   /* the TSC without the offset */
    cr_expect_eq(v.c->msr.kernel_gs_base, 0x2222);
    machine_destroy(v.m);
}

static void expect_abort(enum vmcs_field address, enum vmcs_field count, uint32_t indicator)
{
    struct vm v = VM(guest_call);
    list_entry(&v, LIST, 0x12345, 0);
    put(&v, address, LIST);
    put(&v, count, 1);
    v.c->rip = HOST_LAUNCH;
    v.c->activity = ACTIVITY_ACTIVE;
    bare_run(v.m, 1000);
    cr_expect_eq(vmx_abort_indicator(v.c), indicator);
    cr_expect_eq(load(&v, VMCS_REGION + 4, 4), indicator);
    cpu_set_pending(v.c, PEND_NMI | PEND_INIT);         /* nothing but RESET leaves it */
    bare_run(v.m, 1000);
    cr_expect_eq(v.c->activity, ACTIVITY_SHUTDOWN);
    machine_destroy(v.m);
}
Test(vmx_modes, aborts)
{
    expect_abort(VM_EXIT_MSR_STORE_ADDR, VM_EXIT_MSR_STORE_COUNT, 1);
    expect_abort(VM_EXIT_MSR_LOAD_ADDR, VM_EXIT_MSR_LOAD_COUNT, 4);
}

/* ---- host state ---- */

Test(vmx_modes, host_state)
{
    struct vm v = VM(guest_call);
    put(&v, HOST_DS_SELECTOR, 0);
    put(&v, HOST_ES_SELECTOR, 0);
    put(&v, HOST_FS_SELECTOR, 0x38);
    put(&v, HOST_FS_BASE, UINT64_C(0xffff800000001000));
    put(&v, HOST_GDTR_BASE, 0x4000);
    put(&v, HOST_IA32_SYSENTER_ESP, 0x1234);
    put(&v, GUEST_DR7, 0x455);
    use_debug_controls(&v);
    put(&v, GUEST_IA32_DEBUGCTL, 1);
    put(&v, GUEST_RFLAGS, 2 | FLAG_IF | FLAG_DF | FLAG_CF);
    put_bits(&v, VM_EXIT_CONTROLS, EXIT_SAVE_PAT | EXIT_LOAD_PAT | EXIT_SAVE_EFER | EXIT_LOAD_EFER);
    put(&v, HOST_IA32_PAT, 0x0606060606060606);
    put(&v, HOST_IA32_EFER, EFER_LME | EFER_LMA | EFER_SCE);
    cr_expect_eq(enter_guest(&v), 18);
    cr_expect(v.c->seg[DS].access & SEG_UNUSABLE);
    cr_expect_eq(v.c->seg[FS].base, UINT64_C(0xffff800000001000));
    cr_expect_eq(v.c->seg[TR].limit, 0x67);
    cr_expect_eq(v.c->gdtr.limit, 0xffff);
    cr_expect_eq(v.c->gdtr.base, 0x4000);
    cr_expect_eq(v.c->msr.sysenter_esp, 0x1234);
    cr_expect_eq(v.c->dr[7], 0x400);
    cr_expect_eq(v.c->msr.debugctl, 0);
    cr_expect_eq(cpu_rflags(v.c), 2);
    cr_expect_eq(v.c->msr.pat, UINT64_C(0x0606060606060606));
    cr_expect_eq(v.c->msr.efer, EFER_LME | EFER_LMA | EFER_SCE);
    cr_expect_eq(get(&v, GUEST_DR7), 0x455);
    cr_expect_eq(get(&v, GUEST_IA32_EFER), EFER_LME | EFER_LMA | EFER_SCE | EFER_NXE);
    cr_expect_eq(get(&v, GUEST_RFLAGS), 2 | FLAG_IF | FLAG_DF | FLAG_CF);
    machine_destroy(v.m);
}

/* ---- guests in real-address and virtual-8086 mode ---- */

BARE_PROGRAM(guest_16, ".code16\n vmlaunch\n vmcall\n .code64\n");
Test(vmx_modes, vmx_instructions_of_a_real_mode_guest)
{
    struct vm v = VM(guest_16);
    guest_real(&v);
    cr_expect_eq(enter_guest(&v), 18);                  /* VMLAUNCH is undefined there */
    cr_expect_eq(get(&v, GUEST_CS_BASE) + get(&v, GUEST_RIP), HANDLER(EXC_UD));
    flat_16(&v, 0x93);
    put(&v, GUEST_RIP, 3);
    cr_expect_eq(enter_guest(&v), 18);                  /* and VMCALL exits */
    cr_expect_eq(get(&v, GUEST_RIP), 3);
    flat_16(&v, 0x93);
    put(&v, EXCEPTION_BITMAP, 1 << EXC_UD);
    cr_expect_eq(enter_guest(&v), 0);
    cr_expect_eq(get(&v, VM_EXIT_INTR_INFO), EVENT(3, EXC_UD));
    machine_destroy(v.m);
}

BARE_PROGRAM(guest_16_pe,
             ".code16\n mov %cr0, %eax\n or $1, %al\n mov %eax, %cr0\n vmcall\n .code64\n");
Test(vmx_modes, unrestricted_guest_switches_to_protected_mode)
{
    struct vm v = VM(guest_16_pe);
    guest_real(&v);
    cr_expect_eq(enter_guest(&v), 18);
    cr_expect(get(&v, GUEST_CR0) & CR0_PE);
    cr_expect_eq(enter_guest(&v), 18);                  /* what was saved passes the checks */
    machine_destroy(v.m);
}

BARE_PROGRAM(guest_16_gp, ".code16\n lgdt (0xfffe)\n .code64\n");
Test(vmx_modes, no_error_codes_in_real_mode)
{
    struct vm v = VM(guest_16_gp);
    guest_real(&v);
    put(&v, EXCEPTION_BITMAP, 1 << EXC_GP);
    cr_expect_eq(enter_guest(&v), 0);
    cr_expect_eq(get(&v, VM_EXIT_INTR_INFO), EVENT(3, EXC_GP));
    put(&v, EXCEPTION_BITMAP, 0);                       /* an IVT that ends before #GP */
    put(&v, GUEST_IDTR_LIMIT, 4 * EXC_DF + 3);
    put(&v, EXCEPTION_BITMAP, 1 << EXC_DF);
    cr_expect_eq(enter_guest(&v), 0);
    cr_expect_eq(get(&v, VM_EXIT_INTR_INFO), EVENT(3, EXC_DF));
    machine_destroy(v.m);
}

BARE_PROGRAM(guest_v86_code, ".code16\n int $0x21\n .code64\n");
Test(vmx_modes, virtual_8086_interrupts)
{
    struct vm v = VM(guest_v86_code);
    guest_v86(&v, 0);
    put(&v, EXCEPTION_BITMAP, 1 << EXC_GP);
    cr_expect_eq(enter_guest(&v), 0);                   /* IOPL < 3: #GP(0), no event in delivery */
    cr_expect_eq(get(&v, VM_EXIT_INTR_INFO), EVENT_CODE(3, EXC_GP));
    cr_expect_eq(get(&v, VM_EXIT_INTR_ERROR_CODE), 0);
    cr_expect_eq(get(&v, IDT_VECTORING_INFO_FIELD), 0);
    cr_expect_eq(get(&v, GUEST_CS_AR_BYTES), 0xf3);
    put_bits(&v, GUEST_RFLAGS, FLAG_IOPL);
    clear_bits(&v, GUEST_RFLAGS, FLAG_RF);
    cr_expect_eq(enter_guest(&v), 0);                   /* the gate's DPL is 0: #GP(vector) */
    cr_expect_eq(get(&v, VM_EXIT_INTR_ERROR_CODE), 0x21 * 8 + 2);
    cr_expect_eq(get(&v, IDT_VECTORING_INFO_FIELD), EVENT(4, 0x21));
    cr_expect_eq(get(&v, VM_EXIT_INSTRUCTION_LEN), 2);
    machine_destroy(v.m);
}
