// SPDX-License-Identifier: Apache-2.0
// SDM vol. 3, "Checks on Guest Control Registers, Debug Registers, and MSRs" and "Checks on Guest
// Descriptor-Table Registers": exit reason 33, exit qualification 0.
#include "areas.h"
#include "values.h"

static const enum mode modes[] = { MODE_64, MODE_32, MODE_REAL };

static bool wide(enum mode m) { return m == MODE_64 || m == MODE_COMPATIBILITY; }

/* ---- control registers ---- */

static bool cr0_valid(enum mode m, uint64_t v)
{
    uint64_t free = m == MODE_REAL ? CR0_PE | CR0_PG : 0, fixed = cap.cr0_fixed0 & ~free;
    return (v & fixed) == fixed && !(v & ~cap.cr0_fixed1) && (!(v & CR0_PG) || v & CR0_PE) &&
           (!wide(m) || v & CR0_PG);
}
static bool cr4_valid(enum mode m, uint64_t v)
{
    return (v & cap.cr4_fixed0) == cap.cr4_fixed0 && !(v & ~cap.cr4_fixed1) &&
           (!wide(m) || v & CR4_PAE) && (wide(m) || !(v & CR4_PCIDE));
}

static void control_registers(enum mode m)
{
    for (unsigned bit = 0; bit < 64; bit++) {
        CASE("guest.cr0", "%s-bit-%u", mode_name(m), bit)
        {
            if (lacks_mode(m))
                continue;
            vm_reset(m);
            uint64_t v = vmread(GUEST_CR0) ^ BIT(bit);
            vmwrite(GUEST_CR0, v);
            expect_guest(cr0_valid(m, v), 0);
        }
        if (m == MODE_32 && bit == 5)
            continue;                    /* PAE paging has other tables */
        CASE("guest.cr4", "%s-bit-%u", mode_name(m), bit)
        {
            if (lacks_mode(m))
                continue;
            vm_reset(m);
            uint64_t v = vmread(GUEST_CR4) ^ BIT(bit);
            vmwrite(GUEST_CR4, v);
            expect_guest(cr4_valid(m, v), 0);
        }
    }
    CASE("guest.cet-needs-wp", "%s", mode_name(m))
    {
        if (lacks_mode(m) || lacks_that(cap.cr4_fixed1 & CR4_CET, "CR4.CET"))
            continue;
        vm_reset(m);
        vmwrite(GUEST_CR4, vmread(GUEST_CR4) | CR4_CET);
        vmwrite(GUEST_CR0, vmread(GUEST_CR0) & ~CR0_WP);
        expect_guest(false, 0);
    }
}

static void cr3_and_debug(void)
{
    for (unsigned bit = 0; bit < 64; bit++) {
        CASE("guest.cr3", "bit-%u", bit)
        {
            if (lacks_that(bit < 12 || bit >= cap.physical_bits, "a narrower physical address"))
                continue;
            vm_reset(MODE_64);
            vmwrite(GUEST_CR3, vmread(GUEST_CR3) | BIT(bit));
            expect_guest(bit < 12, 0);
        }
        CASE("guest.dr7", "bit-%u", bit)
        {
            vm_reset(MODE_64);
            vm_set(LOAD_DEBUG);
            vmwrite(GUEST_DR7, vmread(GUEST_DR7) | BIT(bit));
            expect_guest(bit < 32, 0);
        }
        CASE("guest.dr7-not-loaded", "bit-%u", bit)
        {
            if (lacks_that(can_clear(LOAD_DEBUG), "entry.2:load-debug-controls clear"))
                continue;
            vm_reset(MODE_64);
            vm_clear(LOAD_DEBUG);
            vmwrite(GUEST_DR7, BIT(bit));
            expect_guest(true, 0);
        }
        if (bit >= 6 && bit < 16)
            continue;                    /* these are the model's own */
        CASE("guest.debugctl", "bit-%u", bit)
        {
            bool bus_lock = bit == 2 && cap.leaf7.c & BIT(24);
            vm_reset(MODE_64);
            vm_set(LOAD_DEBUG);
            vmwrite(GUEST_DEBUGCTL, BIT(bit));
            expect_guest(bit < 2 || bus_lock, 0);
        }
        CASE("guest.debugctl-not-loaded", "bit-%u", bit)
        {
            if (lacks_that(can_clear(LOAD_DEBUG), "entry.2:load-debug-controls clear"))
                continue;
            vm_reset(MODE_64);
            vm_clear(LOAD_DEBUG);
            vmwrite(GUEST_DEBUGCTL, BIT(bit));
            expect_guest(true, 0);
        }
    }
}

/* ---- addresses and limits ---- */

static void addresses(void)
{
    static const struct { const char *rule; enum field field; } rows[] = {
        { "guest.sysenter-esp", GUEST_SYSENTER_ESP }, { "guest.sysenter-eip", GUEST_SYSENTER_EIP },
        { "guest.gdtr-base", GUEST_GDTR_BASE }, { "guest.idtr-base", GUEST_IDTR_BASE },
    };
    char name[32];
    for (unsigned r = 0; r < COUNT(rows); r++)
        for (unsigned k = 0; k < CANONICAL_VALUES; k++) {
            uint64_t v = canonical_value(k, name);
            CASE(rows[r].rule, "%s", name)
            {
                vm_reset(MODE_64);
                vmwrite(rows[r].field, v);
                expect_guest(is_canonical(v), 0);
            }
        }
    for (unsigned bit = 0; bit < 32; bit++) {
        CASE("guest.gdtr-limit", "bit-%u", bit)
        {
            vm_reset(MODE_64);
            vmwrite(GUEST_GDTR_LIMIT, BIT(bit));
            expect_guest(bit < 16, 0);
        }
        CASE("guest.idtr-limit", "bit-%u", bit)
        {
            vm_reset(MODE_64);
            vmwrite(GUEST_IDTR_LIMIT, BIT(bit));
            expect_guest(bit < 16, 0);
        }
    }
}

/* ---- MSRs ---- */

static bool efer_valid(enum mode m, uint64_t v, bool paging)
{
    uint64_t there = BIT(0) | EFER_LME | EFER_LMA | (cap.extended.d & BIT(20) ? EFER_NXE : 0);
    return !(v & ~there) && !(v & EFER_LMA) == !wide(m) &&
           (!paging || !(v & EFER_LMA) == !(v & EFER_LME));
}

static void efer(enum mode m)
{
    for (unsigned bit = 0; bit < 64; bit++) {
        CASE("guest.efer", "%s-bit-%u", mode_name(m), bit)
        {
            if (lacks_mode(m) || lacks(ENTRY_LOAD_EFER))
                continue;
            vm_reset(m);
            vm_set(ENTRY_LOAD_EFER);
            uint64_t v = vmread(GUEST_EFER) ^ BIT(bit);
            vmwrite(GUEST_EFER, v);
            expect_guest(efer_valid(m, v, m != MODE_REAL), 0);
        }
        CASE("guest.efer-not-loaded", "%s-bit-%u", mode_name(m), bit)
        {
            if (lacks_mode(m) || lacks(ENTRY_LOAD_EFER))
                continue;
            vm_reset(m);
            vmwrite(GUEST_EFER, BIT(bit));
            expect_guest(true, 0);
        }
    }
    CASE("guest.efer", "%s-lme-and-lma", mode_name(m))
    {
        if (lacks_mode(m) || lacks(ENTRY_LOAD_EFER))
            continue;
        vm_reset(m);
        vm_set(ENTRY_LOAD_EFER);
        uint64_t v = vmread(GUEST_EFER) ^ (EFER_LME | EFER_LMA);
        vmwrite(GUEST_EFER, v);
        expect_guest(false, 0);
    }
}

static void pat(void)
{
    char name[32];
    bool valid;
    for (unsigned k = 0; k < PAT_VALUES; k++) {
        uint64_t v = pat_value(k, name, &valid);
        CASE("guest.pat", "%s", name)
        {
            if (lacks(ENTRY_LOAD_PAT))
                continue;
            vm_reset(MODE_64);
            vm_set(ENTRY_LOAD_PAT);
            vmwrite(GUEST_PAT, v);
            expect_guest(valid, 0);
        }
    }
}

static const struct msr_row {
    const char *rule;
    enum control control;
    enum field field;
    uint32_t msr;                        /* whose WRMSR tells what is reserved, but for `good` */
    uint64_t good;
} msr_rows[] = {
    { "guest.perf-global-ctrl", ENTRY_LOAD_PERF_GLOBAL, GUEST_PERF_GLOBAL_CTRL,
      IA32_PERF_GLOBAL_CTRL, 0 },
    { "guest.spec-ctrl", ENTRY_LOAD_SPEC_CTRL, GUEST_SPEC_CTRL, IA32_SPEC_CTRL, 0 },
    { "guest.s-cet", ENTRY_LOAD_CET, GUEST_S_CET, IA32_S_CET, ~UINT64_C(0xfff) },
    { "guest.pkrs", ENTRY_LOAD_PKRS, GUEST_PKRS, 0, 0xffffffff },
    { "guest.uinv", LOAD_UINV, GUEST_UINV, 0, ~UINT64_C(0xff00) },
};

static void msr_bits(const struct msr_row *r)
{
    for (unsigned bit = 0; bit < 64; bit++) {
        CASE(r->rule, "bit-%u", bit)
        {
            if (lacks(r->control))
                continue;
            bool taken = r->good >> bit & 1 || (r->msr && msr_takes(r->msr, BIT(bit), 0));
            vm_reset(MODE_64);
            vm_set(r->control);
            vmwrite(r->field, BIT(bit));
            expect_guest(taken, 0);
            if (r->msr)
                wrmsr(r->msr, 0);
        }
        CASE(r->rule, "not-loaded-bit-%u", bit)
        {
            if (lacks(r->control))
                continue;
            vm_reset(MODE_64);
            vmwrite(r->field, BIT(bit));
            expect_guest(true, 0);
        }
    }
}

static void cet(void)
{
    char name[32];
    CASE("guest.s-cet", "suppress-and-tracker")
    {
        if (lacks(ENTRY_LOAD_CET))
            continue;
        vm_reset(MODE_64);
        vm_set(ENTRY_LOAD_CET);
        vmwrite(GUEST_S_CET, BIT(10) | BIT(11));
        expect_guest(false, 0);
    }
    for (unsigned k = 0; k < CANONICAL_VALUES; k++) {
        uint64_t v = canonical_value(k, name);
        CASE("guest.ssp-table", "%s", name)
        {
            if (lacks(ENTRY_LOAD_CET))
                continue;
            vm_reset(MODE_64);
            vm_set(ENTRY_LOAD_CET);
            vmwrite(GUEST_SSP_TABLE, v);
            expect_guest(is_canonical(v), 0);
        }
    }
    for (unsigned bit = 0; bit < 64; bit++)
        CASE("guest.ssp", "bit-%u", bit)
        {
            if (lacks(ENTRY_LOAD_CET))
                continue;
            vm_reset(MODE_64);
            vm_set(ENTRY_LOAD_CET);
            vmwrite(GUEST_SSP, BIT(bit));
            expect_guest(bit >= 2 && bit < cap.linear_bits, 0);
        }
}

void area_guest_registers(void)
{
    for (unsigned k = 0; k < COUNT(modes); k++)
        control_registers(modes[k]);
    cr3_and_debug();
    addresses();
    for (unsigned k = 0; k < COUNT(modes); k++)
        efer(modes[k]);
    pat();
    for (unsigned k = 0; k < COUNT(msr_rows); k++)
        msr_bits(&msr_rows[k]);
    cet();
}
