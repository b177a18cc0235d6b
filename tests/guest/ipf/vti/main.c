// SPDX-License-Identifier: Apache-2.0
// A VT-i hypervisor: sets up PAL's virtual environment, runs two virtual processors in each of the
// ways below, and checks what PAL says and how often it was called in.
//
// The ways: Xen/ia64's (buffer and Virtual Processor Descriptor under translation registers of
// their own, entry and exit without a host behind them, fast paths for some faults) and KVM/ia64's
// (everything in one region that is mapped for it, CR.IVA changed around each switch, a long VHPT,
// PAL_VPS_THASH and _TTAG); without accelerations and with all.
#include "vmm.h"

enum {
    PAL_VM_SUMMARY = 8,
    PAL_PROC_GET_FEATURES = 17,
    PAL_VP_CREATE = 265,
    PAL_VP_ENV_INFO,
    PAL_VP_EXIT_ENV,
    PAL_VP_INIT_ENV,
    PAL_VP_REGISTER,
    PAL_VP_RESTORE,
    PAL_VP_SAVE,
    PAL_VP_TERMINATE
};
enum { SSC_PUT = 31, SSC_EXIT = 66, CPUS = 2, GUEST_BSS = 0x80000 };
#define CONFIG_FIRST 0x8000000000000303
#define CONFIG_OTHERS 0x8000000000000302
#define VAC_ALL 0x7f
#define VDC_VMSW 1
#define VDC_DISABLED 0x3d // IBR and DBR, PMC, PMD, ITM are the guest's; vmsw is nobody's
#define VPD_PHYSICAL 0x6000000

extern u8 guest_image[], guest_image_end[];
static struct vcpu vcpus[CPUS];
static u8 stacks[CPUS][65536] __attribute__((aligned(16)));
static u8 stores[CPUS][65536] __attribute__((aligned(512)));
static u8 environment[0x40000] __attribute__((aligned(4096)));
static u64 pal, vsa, mode;
u64 va_msb;
static int failed, run_number;
u64 pal_result[3];

static const struct {
    const char *name;
    u64 mode;
} runs[] = {
    { "xen-off", 0 },
    { "xen-on", MODE_ACCELERATED },
    { "kvm-off", MODE_KVM },
    { "kvm-on", MODE_KVM | MODE_ACCELERATED },
    { "disabled", MODE_DISABLED },
};
static const struct {
    const char *name;
    u64 mode;
} bench_runs[] = {
    { "bench-off", MODE_BENCH },
    { "bench-on", MODE_BENCH | MODE_ACCELERATED },
};
static int is_bench;

// ---- the console ----

void print(const char *text)
{
    while (*text)
        ssc((u64)*text++, 0, 0, 0, SSC_PUT);
}
void print_hex(u64 v)
{
    for (int k = 60; k >= 0; k -= 4)
        ssc((u64) "0123456789abcdef"[v >> k & 15], 0, 0, 0, SSC_PUT);
}
static void __attribute__((noreturn)) end(int status)
{
    ssc((u64)status, 0, 0, 0, SSC_EXIT);
    for (;;)
        ;
}
void check(const char *name, int holds)
{
    print(holds ? "ok " : "FAILED ");
    print(is_bench ? bench_runs[run_number].name : runs[run_number].name);
    print(" vmm ");
    print(name);
    print("\n");
    failed |= !holds;
}
static void print_field(const char *name, u64 v)
{
    print(name);
    print_hex(v);
}
void die(struct vcpu *v, const char *why)
{
    print("FAILED ");
    print(why);
    print_field(", vp ", v->number);
    print_field(" vector ", v->vector);
    print_field(" cause ", v->cause);
    print_field(" opcode ", v->opcode);
    print_field("\n  iip ", v->iip);
    print_field(" ipsr ", v->ipsr);
    print_field(" isr ", v->isr);
    print_field(" ifa ", v->ifa);
    print_field("\n  vpsr ", *vpsr(v));
    print_field(" viip ", *vcr(v, 19));
    print_field(" visr ", *vcr(v, 17));
    print_field(" vifa ", *vcr(v, 20));
    print("\n");
    end(1);
}
void own_fault_ends(u64 vector, u64 iip, u64 isr, u64 ifa)
{
    print_field("FAILED a fault of the hypervisor, vector ", vector);
    print_field(" iip ", iip);
    print_field(" isr ", isr);
    print_field(" ifa ", ifa);
    print("\n");
    end(1);
}

// ---- firmware ----

struct efi_system {
    u64 header[3], vendor, revision, consoles[6], runtime, boot, tables;
    struct {
        u64 guid[2], table;
    } * table;
};
#define SAL_GUID_LOW 0x11d32d88eb9d2d32
#define SAL_GUID_HIGH 0x4dc13f279000169a

static void *at(u64 physical) { return (void *)(VMM_OFFSET + physical); }

// PAL's entry point; starts the other processor.
static u64 find_firmware(u64 parameters)
{
    u64 found = 0, rendezvous = 0, vector = 0;
    struct efi_system *system = at(*(u64 *)at(parameters + 8));
    for (u64 k = 0; k < system->tables; k++) {
        u64 *row = (u64 *)at((u64)system->table) + 3 * k;
        if (row[0] != SAL_GUID_LOW || row[1] != SAL_GUID_HIGH)
            continue;
        u8 *sal = at(row[2]);
        for (u8 *entry = sal + 96; entry < sal + *(u32 *)(sal + 4); entry += entry[0] ? 16 : 48) {
            if (entry[0] == 0)
                found = *(u64 *)(entry + 8), rendezvous = *(u64 *)(entry + 16);
            if (entry[0] == 5)
                vector = *(u64 *)(entry + 8);
        }
    }
    if (vector)
        start_other(VMM_OFFSET + rendezvous, vector);
    return VMM_OFFSET + found;
}

// ---- the virtual environment ----

// A KVM-like hypervisor has its buffer and the descriptors in a region of its own.
static u64 buffer_at(void) { return mode & MODE_KVM ? ENV_OTHER + 0x800000 : (u64)environment; }
static u64 vpd_at(unsigned n)
{
    return (mode & MODE_KVM ? ENV_OTHER : VMM_OFFSET + VPD_PHYSICAL) + n * VPD_SIZE;
}
static u64 vp_call(u64 number, u64 a, u64 b, u64 c) { return pal_stacked(pal, number, a, b, c); }

void join(int first)
{
    u64 buffer = buffer_at();
    u64 physical = mode & MODE_KVM ? ENV_BASE + 0x800000 : buffer - VMM_OFFSET;
    u64 config = first ? CONFIG_FIRST : CONFIG_OTHERS;
    if (mode & MODE_KVM)
        pin(TR_ENV, ENV_OTHER, ENV_BASE | 0x661, VMM_PAGE_LOG2 << 2);
    check("PAL_VP_ENV_INFO", !vp_call(PAL_VP_ENV_INFO, 0, 0, 0) && pal_result[0] &&
                                 pal_result[0] <= sizeof environment && pal_result[1] & 0x100);
    check("PAL_VP_INIT_ENV", !vp_call(PAL_VP_INIT_ENV, config, physical, buffer));
    vsa = pal_result[0];
    check("VSA is in the buffer", vsa - buffer < sizeof environment);
}

void leave_environment(void)
{
    check("PAL_VP_EXIT_ENV", !vp_call(PAL_VP_EXIT_ENV, (u64)host_ivt, 0, 0));
    check("PAL_VP_EXIT_ENV sets IVA", read_iva() == (u64)host_ivt);
    if (mode & MODE_KVM)
        unpin(ENV_OTHER, VMM_PAGE_LOG2 << 2);
}

static void *zero(void *p, u64 n)
{
    for (u64 k = 0; k < n / 8; k++)
        ((u64 *)p)[k] = 0;
    return p;
}

static void create_with_pal(struct vcpu *v)
{
    check("PAL_VP_CREATE", !vp_call(PAL_VP_CREATE, v->vpd, (u64)own_ivt, 0));
}

// As a processor leaves reset: physical mode, IVA 0.
static void create(unsigned n)
{
    struct vcpu *v = zero(&vcpus[n], sizeof *v);
    v->number = n;
    v->mode = mode;
    v->base = GUEST_MEMORY + n * GUEST_SIZE;
    v->stack = (u64)stacks[n] + sizeof stacks[n] - 32;
    v->bstore = (u64)stores[n];
    v->fast = !(mode & MODE_KVM);
    v->vsa = vsa;
    v->vpd = vpd_at(n);
    if (!(mode & MODE_KVM))
        pin(TR_VPD, v->vpd, (v->vpd - VMM_OFFSET) | 0x661, 16 << 2);
    zero((void *)v->vpd, VPD_SIZE);
    *vpd(v, VPD_VAC) = mode & MODE_ACCELERATED ? VAC_ALL : 0;
    *vpd(v, VPD_VDC) = mode & MODE_DISABLED ? VDC_DISABLED : VDC_VMSW;
    *vpd(v, VPD_ENV) = buffer_at();
    for (unsigned k = 0; k < 5; k++)
        vpd(v, VPD_VCPUID)[k] = 0x1000 * (n + 1) + k;
    *vpsr(v) = PSR_BN;
    *vcr(v, 64) = (u64)n << 24; // LID
    *vcr(v, 72) = 0x10000;      // ITV, PMV, CMCV: masked
    *vcr(v, 73) = 0x10000;
    *vcr(v, 74) = 0x10000;
    create_with_pal(v);
    if (!(mode & MODE_KVM))
        unpin(v->vpd, 16 << 2);
    u8 *memory = at(v->base + GUEST_ENTRY);
    pin(TR_VPD + 1, (u64)at(v->base), v->base | 0x661, VMM_PAGE_LOG2 << 2);
    for (u64 k = 0; k < (u64)(guest_image_end - guest_image); k++)
        memory[k] = guest_image[k];
    zero(memory + (guest_image_end - guest_image), GUEST_BSS);
    unpin((u64)at(v->base), VMM_PAGE_LOG2 << 2);
    v->ipsr = PSR_IC | PSR_I | PSR_DT | PSR_SI | PSR_RT | PSR_IT | PSR_BN | PSR_VM;
    v->iip = GUEST_ENTRY;
    v->ifs = 1ul << 63;
    v->fpsr = 0x9804c8270033f;
}

u64 service(struct vcpu *v, u64 offset, u64 r26, u64 r27)
{
    return vps_call(vsa + offset, offset == VPS_THASH || offset == VPS_TTAG ? r26 : v->vpd,
                    offset == VPS_THASH || offset == VPS_TTAG ? r27 : r26, *vcr(v, 8));
}

// ---- switching ----

static u64 saved_iva;

void restore(struct vcpu *v)
{
    if (mode & MODE_KVM)
        saved_iva = read_iva();
    else
        pin(TR_VPD, v->vpd, (v->vpd - VMM_OFFSET) | 0x661, 16 << 2);
    // Xen always skips the synchronization, KVM not when a virtual processor starts.
    service(v, VPS_RESTORE, !(mode & MODE_KVM) || v->started, 0);
    v->started = v->here = 1;
    tlb_walk_machine(mode & MODE_KVM);
    tlb_flush_machine();
    load_regions(v);
    program_timer(v);
    pending_changed(v);
}
void save(struct vcpu *v)
{
    service(v, VPS_SAVE, 1, 0);
    v->here = 0;
    write_itv(0x10000);
    tlb_walk_machine(0);
    if (mode & MODE_KVM)
        write_iva(saved_iva);
    else
        unpin(v->vpd, 16 << 2);
}

// Suspends everything: this processor leaves the virtual environment, which ends with it, makes it
// anew, and goes on with the descriptors as they are; by the procedures instead of the services.
static void leave_and_return(struct vcpu *v)
{
    struct vcpu *w = &vcpus[1 - v->number];
    check("PAL_VP_SAVE", !vp_call(PAL_VP_SAVE, v->vpd, 0, 0));
    leave_environment();
    join(1);
    v->vsa = w->vsa = vsa;
    create_with_pal(v);
    if (!(mode & MODE_KVM)) {
        unpin(v->vpd, 16 << 2);
        pin(TR_VPD, w->vpd, (w->vpd - VMM_OFFSET) | 0x661, 16 << 2);
    }
    create_with_pal(w);
    if (!(mode & MODE_KVM)) {
        unpin(w->vpd, 16 << 2);
        pin(TR_VPD, v->vpd, (v->vpd - VMM_OFFSET) | 0x661, 16 << 2);
    }
    check("PAL_VP_REGISTER", !vp_call(PAL_VP_REGISTER, v->vpd, (u64)own_ivt, 0));
    check("PAL_VP_RESTORE", !vp_call(PAL_VP_RESTORE, v->vpd, 0, 0));
    check("PAL_VP_RESTORE sets IVA", read_iva() != (u64)host_ivt);
}

static struct vcpu *other(struct vcpu *v)
{
    struct vcpu *w = &vcpus[1 - v->number];
    return w->done ? v : w;
}
static struct vcpu *switch_to(struct vcpu *v, struct vcpu *w)
{
    if (v != w) {
        save(v);
        restore(w);
    }
    return w;
}

// ---- runs ----

static struct vcpu *start(void)
{
    mode = is_bench ? bench_runs[run_number].mode : runs[run_number].mode;
    join(1);
    join_other();
    for (unsigned n = 0; n < CPUS; n++)
        create(n);
    restore(&vcpus[0]);
    return &vcpus[0];
}

static void terminate(struct vcpu *v)
{
    if (!(mode & MODE_KVM))
        pin(TR_VPD, v->vpd, (v->vpd - VMM_OFFSET) | 0x661, 16 << 2);
    check("PAL_VP_TERMINATE", !vp_call(PAL_VP_TERMINATE, v->vpd, (u64)host_ivt, 0));
    check("PAL_VP_TERMINATE sets IVA", read_iva() == (u64)host_ivt);
    if (!(mode & MODE_KVM))
        unpin(v->vpd, 16 << 2);
}

static struct vcpu *guest_ended(struct vcpu *v)
{
    v->done = 1;
    failed |= v->gr[14] != 0;
    struct vcpu *w = other(v);
    if (w != v)
        return switch_to(v, w);
    save(v);
    for (unsigned n = 0; n < CPUS; n++)
        terminate(&vcpus[n]);
    leave_other();
    leave_environment();
    int count = is_bench ? sizeof bench_runs / sizeof *bench_runs : sizeof runs / sizeof *runs;
    if (++run_number == count) {
        print(failed ? "FAILED\n" : "DONE\n");
        end(failed);
    }
    return start();
}

struct vcpu *hypercall(struct vcpu *v)
{
    u64 argument = v->gr[14], result = 0;
    next_instruction(v);
    switch (v->gr[15]) {
    case CALL_PUT:
        for (; argument; argument >>= 8)
            ssc(argument & 0xff, 0, 0, 0, SSC_PUT);
        break;
    case CALL_MODE: result = mode; break;
    case CALL_COUNT: result = v->count[argument % 48]; break;
    case CALL_NUMBER: result = v->number; break;
    case CALL_INTERRUPT: pend(v, (u8)argument); break;
    case CALL_NMI: pend(v, 2); break;
    case CALL_SEND: pend(&vcpus[1 - v->number], (u8)argument); break;
    case CALL_VIRTUAL: result = v->virtual_interrupts; break;
    case CALL_MOVE:
        v->gr[8] = 0;
        if (processors > 1)
            move(v);
        leave_and_return(v);
        break;
    case CALL_WHERE: result = turn; break;
    case CALL_CPUS: result = (u64)processors; break;
    case CALL_YIELD: v->gr[8] = 0; return switch_to(v, other(v));
    case CALL_END: return guest_ended(v);
    default: die(v, "unknown call");
    }
    v->gr[8] = result;
    return v;
}

static int contains(const char *text, const char *word)
{
    for (; *text; text++) {
        unsigned k = 0;
        while (word[k] && text[k] == word[k])
            k++;
        if (!word[k])
            return 1;
    }
    return 0;
}

void main(u64 parameters)
{
    pal = find_firmware(parameters);
    is_bench = contains(at(*(u64 *)at(parameters)), "bench");
    write_itv(0x10000);
    write_tpr(0);
    u64 status = pal_static(pal, PAL_PROC_GET_FEATURES, 0, 0, 0);
    if (status || !(pal_result[0] >> 40 & 1)) {
        print("no virtualization\n");
        end(3);
    }
    pal_static(pal, PAL_VM_SUMMARY, 0, 0, 0);
    va_msb = pal_result[1] & 0xff;
    enter(start());
}
