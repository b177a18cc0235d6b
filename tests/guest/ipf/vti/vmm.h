// SPDX-License-Identifier: Apache-2.0
// The hypervisor: a virtual processor, and what its parts offer each other, for C and assembly.
#ifndef VMM_H
#define VMM_H

#include "defs.h"

// Addresses.
#define VMM_PAGE_LOG2 24
#define ENV_BASE 0x5000000           // physical: buffer of PAL's virtual environment, as KVM does
#define ENV_OTHER 0xd000000000000000 // where that is mapped then
#define GUEST_MEMORY 0x8000000       // physical: of virtual processor 0; then of the next
#define GUEST_SIZE 0x1000000
#define GUEST_ENTRY 0x100000 // guest-physical
#define VHPT_LOG2 15         // the hypervisor's own hash table

// Translation registers, instruction and data.
#define TR_VMM 0
#define TR_PAL 1
#define TR_VPD 2
#define TR_ENV 6
#define TR_BLOCK 7 // processor interrupt block, while a message is sent

// Region identifiers: 20 bits are the guest's.
#define RID_LOG2 20
#define RID_VMM 7
#define RID_METAPHYSICAL 0xfffff

// struct vcpu.  GR first, aligned to 512 bytes, so that bit n of NAT is that of GR n.
#define V_GR 0
#define V_F 256 // f6 to f11
#define V_B 352
#define V_PR 416
#define V_VECTOR 424
#define V_CAUSE 432
#define V_OPCODE 440
#define V_NAT 448
#define V_UNAT 456
#define V_RSC 464
#define V_PFS 472
#define V_RNAT 480
#define V_BSPSTORE 488
#define V_CCV 496
#define V_FPSR 504
#define V_LC 512
#define V_EC 520
#define V_IPSR 528
#define V_ISR 536
#define V_IIP 544
#define V_IFA 552
#define V_ITIR 560
#define V_IIPA 568
#define V_IFS 576
#define V_IIM 584
#define V_IHA 592
#define V_DIRTY 600
#define V_OWN_RNAT 608
#define V_VPD 616
#define V_STACK 624
#define V_BSTORE 632
#define V_VSA 640
#define V_RR 648
#define V_ITC_OFFSET 712
#define V_FAST 720
#define V_COUNT 728 // of virtualization faults by cause: 48 words
#define V_END 1112

// Virtual Processor Descriptor.
#define VPD_VAC 0
#define VPD_VDC 8
#define VPD_ENV 16
#define VPD_VHPI 256
#define VPD_VGR 1024
#define VPD_VBGR 1152
#define VPD_VNAT 1280
#define VPD_VBNAT 1288
#define VPD_VCPUID 1296
#define VPD_VPSR 1424
#define VPD_VCR 2048
#define VPD_SIZE 0x10000

// PAL's services.
#define VPS_RESUME_NORMAL 0x0000
#define VPS_RESUME_HANDLER 0x0400
#define VPS_SYNC_READ 0x0800
#define VPS_SYNC_WRITE 0x0c00
#define VPS_SET_PENDING_INTERRUPT 0x1000
#define VPS_THASH 0x1400
#define VPS_TTAG 0x1800
#define VPS_RESTORE 0x1c00
#define VPS_SAVE 0x2000

#ifndef __ASSEMBLER__
struct translation {
    u64 va, rid, pte, itir;
    int valid;
};
enum { GUEST_TR = 8, GUEST_TC = 64 };

struct vcpu {
    u64 gr[32];
    u64 f[6][2];
    u64 b[8];
    u64 pr, vector, cause, opcode;
    u64 nat, unat, rsc, pfs, rnat, bspstore, ccv, fpsr, lc, ec;
    u64 ipsr, isr, iip, ifa, itir, iipa, ifs, iim, iha;
    u64 dirty, own_rnat; // what the guest's register stack takes in our backing store
    u64 vpd, stack, bstore, vsa;
    u64 rr[8], itc_offset;
    u64 fast; // the paths in assembly are used
    u64 count[48];

    u64 number, mode, base; // base: of its memory
    u64 pkr[16], ibr[8], dbr[8], pmc[8], pmd[8];
    u64 irr[4], in_service[4];
    u64 virtual_interrupts, result;
    u64 timer_set;           // when the timer was last looked at
    int done, started, here; // here: restored
    struct translation tr[2][GUEST_TR], tc[2][GUEST_TC];
    unsigned next_tc;
} __attribute__((aligned(512)));
#define AT(member, offset)                                                                         \
    _Static_assert(__builtin_offsetof(struct vcpu, member) == offset, #member)
AT(f, V_F);
AT(pr, V_PR);
AT(ec, V_EC);
AT(iha, V_IHA);
AT(bstore, V_BSTORE);
AT(rr, V_RR);
AT(count, V_COUNT);
AT(number, V_END);

static inline u64 *vpd(struct vcpu *v, unsigned offset) { return (u64 *)(v->vpd + offset); }
static inline u64 *vcr(struct vcpu *v, unsigned n) { return vpd(v, VPD_VCR + 8 * n); }
static inline u64 *vpsr(struct vcpu *v) { return vpd(v, VPD_VPSR); }

// entry.S
u64 vps_call(u64 entry, u64 r25, u64 r26, u64 r27); // in a branch register as KVM and Xen do: b6
u64 pal_static(u64 entry, u64 number, u64 a, u64 b, u64 c);
u64 pal_stacked(u64 entry, u64 number, u64 a, u64 b, u64 c);
extern u64 pal_result[3];                      // r9 to r11
void pin(u64 slot, u64 va, u64 pte, u64 itir); // itr.i and itr.d
void unpin(u64 va, u64 itir);
void enter(struct vcpu *v) __attribute__((noreturn));
void idle(u64 me, u64 next) __attribute__((noreturn)); // calls wait_for_turn()
u64 ssc(u64 in0, u64 in1, u64 in2, u64 in3, u64 number);
extern char own_ivt[], host_ivt[], other_start[];

// main.c
void print(const char *text);
void print_hex(u64 v);
void die(struct vcpu *v, const char *why) __attribute__((noreturn));
void check(const char *name, int holds);
void restore(struct vcpu *v); // on this processor, which saves it again
void save(struct vcpu *v);
void join(int first); // this processor enters PAL's virtual environment, or leaves it
void leave_environment(void);
struct vcpu *hypercall(struct vcpu *v);
u64 service(struct vcpu *v, u64 offset, u64 r26, u64 r27);
extern u64 va_msb; // IMPL_VA_MSB of the processor; a guest has one less

// processors.c
void start_other(u64 sal, u64 wake_up); // SAL's entry point, the vector that ends its rendezvous
void move(struct vcpu *v) __attribute__((noreturn)); // to the other processor
void join_other(void);
void leave_other(void);
extern int processors;
extern volatile u64 turn; // the processor that runs the hypervisor and its guests

// emulate.c
void emulate(struct vcpu *v);
void inject(struct vcpu *v, u64 vector, u64 isr);
void next_instruction(struct vcpu *v);
u64 get_gr(struct vcpu *v, unsigned n);
void set_gr(struct vcpu *v, unsigned n, u64 value);
void load_regions(struct vcpu *v);

// interrupt.c
void pend(struct vcpu *v, unsigned vector);
void deliver(struct vcpu *v); // the guest takes the highest interrupt, if it may
u64 read_ivr(struct vcpu *v);
void end_of_interrupt(struct vcpu *v);
void pending_changed(struct vcpu *v);
void external_interrupt(struct vcpu *v);
void program_timer(struct vcpu *v);

// tlb.c
void tlb_miss(struct vcpu *v, int side);
void tlb_insert(struct vcpu *v, int side, int slot, u64 pte); // slot < 0: the cache
void tlb_purge(struct vcpu *v, int side, u64 va, u64 itir, int registers);
void tlb_purge_all(struct vcpu *v);
const struct translation *tlb_find(struct vcpu *v, int side, u64 va);
u64 guest_thash(struct vcpu *v, u64 va);
u64 guest_ttag(struct vcpu *v, u64 va);
void tlb_walk_machine(int on);
void tlb_flush_machine(void); // what the machine has cached for guests

#define READ(name, register)                                                                       \
    static inline u64 name(void)                                                                   \
    {                                                                                              \
        u64 v;                                                                                     \
        __asm__ volatile("mov %0 = " register : "=r"(v)::"memory");                                \
        return v;                                                                                  \
    }
#define WRITE(name, register)                                                                      \
    static inline void name(u64 v)                                                                 \
    {                                                                                              \
        __asm__ volatile("mov " register " = %0 ;; srlz.d" ::"r"(v) : "memory");                   \
    }
READ(read_itc, "ar.itc")
READ(read_iva, "cr.iva")
WRITE(write_iva, "cr.iva")
WRITE(write_itm, "cr.itm")
WRITE(write_itv, "cr.itv")
WRITE(write_tpr, "cr.tpr")
WRITE(write_host_eoi, "cr.eoi")
WRITE(write_pta, "cr.pta")
static inline u64 read_host_ivr(void)
{
    u64 v;
    __asm__ volatile("mov %0 = cr.ivr ;; srlz.d" : "=r"(v)::"memory");
    return v;
}
static inline void write_rr(u64 va, u64 v)
{
    __asm__ volatile("mov rr[%0] = %1 ;; srlz.i ;; srlz.d" ::"r"(va), "r"(v) : "memory");
}
#endif
#endif
