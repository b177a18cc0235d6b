// SPDX-License-Identifier: Apache-2.0
// SDM vol. 3, "Checks on Guest RIP, RFLAGS, and SSP", "Checks on Guest Non-Register State" and "Checks
// on Guest Page-Directory-Pointer-Table Entries": exit reason 33.
#include "areas.h"
#include "values.h"

enum { STI = 1, MOV_SS = 2, SMI = 4, NMI = 8, ENCLAVE = 16 };
enum { ACTIVE, HLT, SHUTDOWN, WAIT_SIPI };
enum { LINK = 4, PDPTE = 2 };            /* exit qualifications */
#define PENDING_BS BIT(14)

/* ---- RIP and RFLAGS ---- */

static void rip(void)
{
    static const enum mode modes[] = { MODE_COMPATIBILITY, MODE_32, MODE_V86, MODE_REAL, MODE_FLAT };
    for (unsigned bit = 32; bit < 64; bit++) {
        CASE("guest.rip", "64-bit-%u", bit)
        {
            vm_reset(MODE_64);
            vmwrite(GUEST_RIP, vmread(GUEST_RIP) | BIT(bit));
            expect_guest(bit < cap.linear_bits, 0);
        }
        for (unsigned k = 0; k < COUNT(modes); k++)
            CASE("guest.rip-high", "%s-bit-%u", mode_name(modes[k]), bit)
            {
                if (lacks_mode(modes[k]))
                    continue;
                vm_reset(modes[k]);
                vmwrite(GUEST_RIP, vmread(GUEST_RIP) | BIT(bit));
                expect_guest(false, 0);
            }
    }
    uint64_t low = BIT(cap.linear_bits) - 1;
    const struct { const char *name; uint64_t value; bool valid; } edges[] = {
        { "last-low", low >> 1, true }, { "just-non-canonical", low, true },
        { "last-bad", ~low - 1, false }, { "first-high", ~low, true }, { "top", -4, true },
    };
    for (unsigned k = 0; k < COUNT(edges); k++)
        CASE("guest.rip", "64-%s", edges[k].name)
        {
            vm_reset(MODE_64);
            vmwrite(GUEST_RIP, edges[k].value);
            expect_guest(edges[k].valid, 0);
        }
}

static void rflags(enum mode m)
{
    bool wide = m == MODE_64 || m == MODE_COMPATIBILITY;
    for (unsigned bit = 0; bit < 64; bit++) {
        bool reserved = bit == 1 || bit == 3 || bit == 5 || bit == 15 || bit >= 22;
        if (bit == 17)
            continue;
        CASE("guest.rflags-reserved", "%s-bit-%u", mode_name(m), bit)
        {
            if (lacks_mode(m))
                continue;
            vm_reset(m);
            vmwrite(GUEST_RFLAGS, vmread(GUEST_RFLAGS) ^ BIT(bit));
            expect_guest(!reserved, 0);
        }
    }
    if (m == MODE_V86 || m == MODE_32)
        return;
    CASE("guest.rflags-vm", "%s", mode_name(m))
    {
        if (lacks_mode(m))
            continue;
        vm_reset(MODE_V86);
        if (wide) {
            vmwrite(GUEST_CR3, GUEST_PML4);
            vmwrite(GUEST_CR4, vmread(GUEST_CR4) | CR4_PAE);
            vmwrite(GUEST_EFER, EFER_LMA | EFER_LME);
            vm_set(IA32E_GUEST);
        } else {
            vm_use_ept();
            vm_set(UNRESTRICTED_GUEST);
            vmwrite(GUEST_CR0, vmread(GUEST_CR0) & ~(CR0_PE | CR0_PG));
        }
        expect_guest(false, 0);
    }
}

static void interrupt_flag(void)
{
    for (unsigned set = 0; set < 2; set++)
        for (unsigned type = 0; type < 7; type++) {
            if (type == 1)
                continue;
            CASE("guest.rflags-if", "if-%u-type-%u", set, type)
            {
                vm_reset(MODE_64);
                vmwrite(GUEST_RFLAGS, set ? 2 | FLAG_IF : 2);
                vmwrite(INJECTION_INFORMATION,
                        EVENT(type, type == EVENT_NMI ? 2 : type == EVENT_HARDWARE ? 6 : 0x30));
                vmwrite(INJECTION_LENGTH, 1);
                expect_guest(set || type != EVENT_EXTERNAL, 0);
            }
        }
}

/* ---- activity state ---- */

static bool activity_there(unsigned a) { return !a || (a < 4 && cap.misc >> (5 + a) & 1); }

/* A guest that sleeps is woken by the window that opens at once. */
static void asleep(unsigned activity)
{
    vm_reset(MODE_64);
    vmwrite(GUEST_ACTIVITY_STATE, activity);
    vmwrite(GUEST_RFLAGS, 2 | FLAG_IF);
    if (activity == HLT)
        vm_set(INTERRUPT_WINDOW_EXITING);
}

static void activity(void)
{
    const uint32_t states[] = { 0, 1, 4, 5, 6, 7, 8, 0x100, 0x80000000, 0xffffffff };
    for (unsigned k = 0; k < COUNT(states); k++)
        CASE("guest.activity", "0x%x", states[k])
        {
            asleep(states[k]);
            expect_guest(activity_there(states[k]), 0);
        }
    for (unsigned state = SHUTDOWN; state <= WAIT_SIPI; state++)
        CASE("guest.activity", "%u-not-reported", state)
        {
            if (lacks_that(!activity_there(state), "an activity state that is not reported"))
                continue;
            asleep(state);
            expect_guest(false, 0);
        }
    for (unsigned dpl = 1; dpl < 4; dpl++)
        CASE("guest.activity-hlt-privilege", "ss-dpl-%u", dpl)
        {
            if (lacks_that(activity_there(HLT), "misc.6:hlt"))
                continue;
            asleep(HLT);
            vm_user();
            vmwrite(GUEST_CS_ACCESS_RIGHTS, 0xa09b | dpl << 5);
            vmwrite(GUEST_SS_ACCESS_RIGHTS, 0xc093 | dpl << 5);
            vmwrite(GUEST_CS_SELECTOR, SEL_USER_CODE64 | dpl);
            vmwrite(GUEST_SS_SELECTOR, SEL_USER_DATA | dpl);
            expect_guest(false, 0);
        }
    for (unsigned state = HLT; state <= WAIT_SIPI; state++)
        for (unsigned blocking = STI; blocking <= MOV_SS; blocking++)
            CASE("guest.activity-blocking", "state-%u-blocking-%u", state, blocking)
            {
                if (lacks_that(activity_there(state), "this activity state in IA32_VMX_MISC"))
                    continue;
                asleep(state);
                vmwrite(GUEST_INTERRUPTIBILITY, blocking);
                expect_guest(false, 0);
            }
}

static bool event_wakes(unsigned state, unsigned type, unsigned vector)
{
    bool nmi_or_mc = type == EVENT_NMI || (type == EVENT_HARDWARE && vector == EXC_MC);
    switch (state) {
    case HLT:
        return nmi_or_mc || type == EVENT_EXTERNAL || type == EVENT_OTHER ||
               (type == EVENT_HARDWARE && vector == EXC_DB);
    case SHUTDOWN: return nmi_or_mc;
    default: return state == ACTIVE;
    }
}

static void activity_injection(void)
{
    static const struct { uint8_t type, vector; bool code; } events[] = {
        { EVENT_EXTERNAL, 0x40, 0 }, { EVENT_NMI, 2, 0 }, { EVENT_HARDWARE, EXC_DE, 0 },
        { EVENT_HARDWARE, EXC_DB, 0 }, { EVENT_HARDWARE, EXC_UD, 0 }, { EVENT_HARDWARE, EXC_DF, 1 },
        { EVENT_HARDWARE, EXC_GP, 1 }, { EVENT_HARDWARE, EXC_PF, 1 }, { EVENT_HARDWARE, EXC_MC, 0 },
        { EVENT_SOFTWARE_INT, 0x80, 0 }, { EVENT_SOFTWARE_INT, EXC_MC, 0 },
        { EVENT_PRIVILEGED, EXC_DB, 0 }, { EVENT_SOFTWARE_EXCEPTION, EXC_BP, 0 },
        { EVENT_SOFTWARE_EXCEPTION, EXC_MC, 0 }, { EVENT_OTHER, 0, 0 },
    };
    for (unsigned state = ACTIVE; state <= WAIT_SIPI; state++)
        for (unsigned k = 0; k < COUNT(events); k++)
            CASE("guest.activity-injection", "state-%u-type-%u-vector-%u", state, events[k].type,
                 events[k].vector)
            {
                if (lacks_that(activity_there(state), "this activity state in IA32_VMX_MISC") ||
                    (events[k].type == EVENT_OTHER && lacks(MONITOR_TRAP_FLAG)))
                    continue;
                asleep(state);
                vmwrite(INJECTION_INFORMATION, EVENT(events[k].type, events[k].vector) |
                                                   (events[k].code ? EVENT_CODE : 0));
                vmwrite(INJECTION_LENGTH, 1);
                expect_guest(event_wakes(state, events[k].type, events[k].vector), 0);
            }
}

/* ---- interruptibility state ---- */

static void interruptibility(void)
{
    for (unsigned bit = 0; bit < 32; bit++)
        CASE("guest.interruptibility", "bit-%u", bit)
        {
            vm_reset(MODE_64);
            vmwrite(GUEST_RFLAGS, 2 | FLAG_IF);
            vmwrite(GUEST_INTERRUPTIBILITY, BIT(bit));
            expect_guest(BIT(bit) == STI || BIT(bit) == MOV_SS || BIT(bit) == NMI, 0);
        }
    for (unsigned flag = 0; flag < 2; flag++)
        for (unsigned v = 0; v < 16; v++)
            CASE("guest.interruptibility-combined", "if-%u-0x%x", flag, v)
            {
                bool valid = (v & 3) != 3 && !(v & SMI) && (flag || !(v & STI));
                vm_reset(MODE_64);
                vmwrite(GUEST_RFLAGS, flag ? 2 | FLAG_IF : 2);
                vmwrite(GUEST_INTERRUPTIBILITY, v);
                expect_guest(valid, 0);
            }
}

static void blocked_nmi(unsigned v, bool with_virtual_nmis)
{
    CASE("guest.interruptibility-nmi", "0x%x%s", v, with_virtual_nmis ? "-virtual-nmis" : "")
    {
        if ((with_virtual_nmis && lacks(VIRTUAL_NMIS)) ||
            lacks_that(!(v & STI), "(blocking of NMIs by STI is the model's own)"))
            continue;
        vm_reset(MODE_64);
        if (with_virtual_nmis)
            vm_set_valid(VIRTUAL_NMIS);
        vmwrite(GUEST_RFLAGS, 2 | FLAG_IF);
        vmwrite(GUEST_INTERRUPTIBILITY, v);
        vmwrite(INJECTION_INFORMATION, EVENT(EVENT_NMI, 2));
        expect_guest(!(v & MOV_SS) && !(with_virtual_nmis && v & NMI), 0);
    }
}

static void injection_blocked(void)
{
    static const uint8_t values[] = { 0, STI, MOV_SS, NMI, NMI | STI, NMI | MOV_SS };
    for (unsigned k = 0; k < COUNT(values); k++) {
        unsigned v = values[k];
        CASE("guest.interruptibility-external", "0x%x", v)
        {
            vm_reset(MODE_64);
            vmwrite(GUEST_RFLAGS, 2 | FLAG_IF);
            vmwrite(GUEST_INTERRUPTIBILITY, v);
            vmwrite(INJECTION_INFORMATION, EVENT(EVENT_EXTERNAL, 0x40));
            expect_guest(!(v & 3), 0);
        }
        blocked_nmi(v, false);
        blocked_nmi(v, true);
        CASE("guest.interruptibility-exception", "0x%x", v)
        {
            vm_reset(MODE_64);
            vmwrite(GUEST_RFLAGS, 2 | FLAG_IF);
            vmwrite(GUEST_INTERRUPTIBILITY, v);
            vmwrite(INJECTION_INFORMATION, EVENT(EVENT_HARDWARE, EXC_UD));
            expect_guest(true, 0);
        }
    }
}

/* ---- pending debug exceptions ---- */

static void pending_debug_bits(void)
{
    bool rtm = cap.leaf7.b & BIT(11), bus_lock = cap.leaf7.c & BIT(24);
    for (unsigned bit = 0; bit < 64; bit++)
        CASE("guest.pending-debug-reserved", "bit-%u", bit)
        {
            bool defined = bit < 4 || bit == 12 || bit == 14 || (bit == 11 && bus_lock);
            if (lacks_that(bit != 16 || !rtm, "a processor without RTM"))
                continue;
            vm_reset(MODE_64);
            vmwrite(GUEST_PENDING_DEBUG, BIT(bit));
            expect_guest(defined, 0);
        }
}

static void pending_debug_step(void)
{
    for (unsigned how = 0; how < 4; how++)
        for (unsigned k = 0; k < 8; k++) {
            bool tf = k & 1, btf = k & 2, bs = k & 4, halted = how == 3;
            CASE("guest.pending-debug-bs", "%s-tf-%u-btf-%u-bs-%u",
                 how == 0 ? "none" : how == STI ? "sti" : how == MOV_SS ? "mov-ss" : "hlt", tf, btf,
                 bs)
            {
                if (halted && lacks_that(activity_there(HLT), "misc.6:hlt"))
                    continue;
                asleep(halted ? HLT : ACTIVE);
                vmwrite(GUEST_INTERRUPTIBILITY, halted ? 0 : how);
                vmwrite(GUEST_RFLAGS, 2 | FLAG_IF | (tf ? FLAG_TF : 0));
                vmwrite(GUEST_DEBUGCTL, btf ? 2 : 0);
                vmwrite(GUEST_PENDING_DEBUG, bs ? PENDING_BS : 0);
                expect_guest(!how || bs == (tf && !btf), 0);
            }
        }
}

static void ia32e_mode(void)
{
    for (unsigned how = 0; how < 2; how++)
        CASE("guest.ia32e-mode", how ? "pae-clear" : "paging-off")
        {
            if (lacks(UNRESTRICTED_GUEST))
                continue;
            vm_reset(MODE_64);
            vm_use_ept();
            vm_set(UNRESTRICTED_GUEST);
            enum field f = how ? GUEST_CR4 : GUEST_CR0;
            vmwrite(f, vmread(f) & ~(how ? CR4_PAE : CR0_PG));
            expect_guest(false, 0);
        }
}

/* ---- the VMCS link pointer ---- */

static void link_pointer(void)
{
    uint64_t address = (uint64_t)&other_vmcs;
    for (unsigned bit = 0; bit < 64; bit += bit == 11 ? 36 - 11 : 1)
        CASE("guest.link-pointer-address", "bit-%u", bit)
        {
            if (lacks_that(bit < 12 || bit >= cap.physical_bits, "a narrower physical address"))
                continue;
            vm_reset(MODE_64);
            other_vmcs.revision = vmcs_region.revision;
            if (bit >= 2 && bit < 12)        /* but for its alignment it would do */
                *dword_at(address | BIT(bit)) = vmcs_region.revision;
            vmwrite(VMCS_LINK_POINTER, address | BIT(bit));
            expect_guest(false, LINK);
        }
    for (unsigned bit = 0; bit < 32; bit++)
        CASE("guest.link-pointer-revision", "bit-%u", bit)
        {
            vm_reset(MODE_64);
            other_vmcs.revision = vmcs_region.revision ^ 1u << bit;
            vmwrite(VMCS_LINK_POINTER, address);
            expect_guest(false, LINK);
        }
    CASE("guest.link-pointer-revision", "right")
    {
        vm_reset(MODE_64);
        other_vmcs.revision = vmcs_region.revision;
        vmwrite(VMCS_LINK_POINTER, address);
        expect_guest(true, 0);
    }
    for (unsigned shadow = 0; shadow < 2; shadow++)
        CASE("guest.link-pointer-shadow", "indicator-%u", shadow)
        {
            if (lacks(VMCS_SHADOWING))
                continue;
            vm_reset(MODE_64);
            vm_set(VMCS_SHADOWING);
            other_vmcs.revision = vmcs_region.revision | shadow << 31;
            vmwrite(VMCS_LINK_POINTER, address);
            expect_guest(shadow, LINK);
        }
    CASE("guest.link-pointer-current", "current")
    {
        vm_reset(MODE_64);
        vmwrite(VMCS_LINK_POINTER, (uint64_t)&vmcs_region);
        expect_guest(false, LINK);
    }
}

/* ---- PDPTEs ---- */

static bool pdpte_valid(uint64_t v)
{
    return !(v & 1) || (!(v & 0x1e6) && !(v >> cap.physical_bits));
}

static void pdptes(bool with_ept)
{
    const char *rule = with_ept ? "guest.pdpte-field" : "guest.pdpte-memory";
    for (unsigned k = 0; k < 4; k++)
        for (unsigned bit = 0; bit < 64; bit++)
            for (unsigned present = 0; present < 2; present++) {
                bool few = !present && bit % 7 != 1;
                if (few || (bit >= 12 && bit < 36))
                    continue;
                CASE(rule, "%u-%s-bit-%u", k, present ? "present" : "absent", bit)
                {
                    if (with_ept && lacks(EPT))
                        continue;
                    vm_reset(MODE_PAE);
                    uint64_t v = (GUEST_PD + ((uint64_t)k << 12)) | present;
                    v ^= BIT(bit);
                    if (with_ept)
                        vm_use_ept();
                    guest_paging_changed = true;
                    qword_at(GUEST_PDPT_PAE)[k] = with_ept ? 0x1e7 : v;
                    vmwrite(GUEST_PDPTE0 + 2 * k, with_ept ? v : 0x1e7);
                    expect_guest(pdpte_valid(v), PDPTE);
                }
            }
}

void area_guest_state(void)
{
    static const enum mode modes[] = { MODE_64, MODE_COMPATIBILITY, MODE_32, MODE_V86, MODE_REAL };
    rip();
    for (unsigned k = 0; k < COUNT(modes); k++)
        rflags(modes[k]);
    interrupt_flag();
    activity();
    activity_injection();
    interruptibility();
    injection_blocked();
    pending_debug_bits();
    pending_debug_step();
    ia32e_mode();
    link_pointer();
    pdptes(false);
    pdptes(true);
}
