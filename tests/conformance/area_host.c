// SPDX-License-Identifier: Apache-2.0
// SDM vol. 3, "Checks on Host-State Area": VM-instruction error 8.
#include "areas.h"
#include "values.h"

enum { SELECTORS = 7, LOWEST_WIDTH = 36 };

/* ---- control registers ---- */

static bool fixed_valid(uint64_t v, uint64_t fixed0, uint64_t fixed1)
{
    return (v & fixed0) == fixed0 && !(v & ~fixed1);
}

static void control_registers(void)
{
    for (unsigned bit = 0; bit < 64; bit++) {
        CASE("entry.host.cr0-fixed", "bit-%u", bit)
        {
            vm_reset(MODE_64);
            uint64_t v = vmread(HOST_CR0) ^ BIT(bit);
            vmwrite(HOST_CR0, v);
            expect_host(fixed_valid(v, cap.cr0_fixed0, cap.cr0_fixed1));
        }
        CASE("entry.host.cr4-fixed", "bit-%u", bit)
        {
            vm_reset(MODE_64);
            uint64_t v = vmread(HOST_CR4) ^ BIT(bit);
            bool valid = fixed_valid(v, cap.cr4_fixed0, cap.cr4_fixed1);
            if (bit == 12 && lacks_that(!valid, "CR4.LA57 fixed to 0"))
                continue;                /* the host's paging would not be what it is */
            vmwrite(HOST_CR4, v);
            expect_host(valid && bit != 5);
        }
    }
    for (unsigned bit = 0; bit < 64; bit += bit == 11 ? LOWEST_WIDTH - 11 : 1)
        CASE("entry.host.cr3-width", "bit-%u", bit)
        {
            bool low = bit < 12 && bit != 11;
            if (lacks_that(low || bit >= cap.physical_bits, "a narrower physical address"))
                continue;
            vm_reset(MODE_64);
            vmwrite(HOST_CR3, vmread(HOST_CR3) | BIT(bit));
            expect_host(low);
        }
    CASE("entry.host.cet-needs-wp", "wp-clear")
    {
        if (lacks_that(cap.cr4_fixed1 & CR4_CET, "CR4.CET"))
            continue;
        vm_reset(MODE_64);
        vmwrite(HOST_CR4, vmread(HOST_CR4) | CR4_CET);
        vmwrite(HOST_CR0, vmread(HOST_CR0) & ~CR0_WP);
        expect_host(false);
    }
    for (enum mode m = MODE_64; m <= MODE_32; m++)
        CASE("entry.host.address-space-size", "guest-%s", mode_name(m))
        {
            if (lacks_that(can_clear(HOST_64), "exit.9 clear"))
                continue;
            vm_reset(m);
            vm_clear(HOST_64);
            expect_host(false);
        }
    CASE("entry.host.pae", "clear")
    {
        vm_reset(MODE_64);
        vmwrite(HOST_CR4, vmread(HOST_CR4) & ~CR4_PAE);
        expect_host(false);
    }
}

/* ---- addresses ---- */

static void addresses(void)
{
    static const struct { const char *rule; enum field field; } rows[] = {
        { "entry.host.sysenter-esp", HOST_SYSENTER_ESP },
        { "entry.host.sysenter-eip", HOST_SYSENTER_EIP }, { "entry.host.fs-base", HOST_FS_BASE },
        { "entry.host.gs-base", HOST_GS_BASE }, { "entry.host.tr-base", HOST_TR_BASE },
        { "entry.host.gdtr-base", HOST_GDTR_BASE }, { "entry.host.idtr-base", HOST_IDTR_BASE },
        { "entry.host.rip", HOST_RIP },
    };
    char name[32];
    for (unsigned r = 0; r < COUNT(rows); r++)
        for (unsigned k = 0; k < CANONICAL_VALUES; k++) {
            uint64_t v = canonical_value(k, name);
            CASE(rows[r].rule, "%s", name)
            {
                vm_reset(MODE_64);
                if (rows[r].field != HOST_RIP || !is_canonical(v))
                    vmwrite(rows[r].field, v);
                expect_host(rows[r].field == HOST_RIP ? is_canonical(vmread(HOST_RIP)) :
                                                        is_canonical(v));
            }
        }
}

/* ---- selectors ---- */

static void selectors(void)
{
    static const char *const rules[SELECTORS] = {
        "entry.host.es-selector", "entry.host.cs-selector", "entry.host.ss-selector",
        "entry.host.ds-selector", "entry.host.fs-selector", "entry.host.gs-selector",
        "entry.host.tr-selector",
    };
    static const uint16_t values[] = { 0, 1, 2, 3, 4, 5, 7, 8, 9, 10, 11, 12, 15, 16, 0x18, 0x1b,
                                       0x1c, 0x7ff8, 0x8000, 0xfff8, 0xfffb, 0xffff };
    for (unsigned s = 0; s < SELECTORS; s++)
        for (unsigned k = 0; k < COUNT(values); k++)
            CASE(rules[s], "0x%x", values[k])
            {
                bool must = s == 1 || s == 6;           /* CS, TR */
                vm_reset(MODE_64);
                vmwrite(HOST_ES_SELECTOR + 2 * s, values[k]);
                expect_host(!(values[k] & 7) && (values[k] || !must));
            }
}

/* ---- MSRs ---- */

static bool efer_bit_there(unsigned bit)
{
    return bit == 0 || bit == 8 || bit == 10 || (bit == 11 && cap.extended.d & BIT(20));
}

static void msrs(void)
{
    char name[32];
    bool valid;
    for (unsigned k = 0; k < PAT_VALUES; k++) {
        uint64_t v = pat_value(k, name, &valid);
        CASE("entry.host.pat", "%s", name)
        {
            if (lacks(EXIT_LOAD_PAT))
                continue;
            vm_reset(MODE_64);
            vm_set(EXIT_LOAD_PAT);
            vmwrite(HOST_PAT, v);
            expect_host(valid);
        }
    }
    for (unsigned bit = 0; bit < 64; bit++) {
        CASE("entry.host.efer", "bit-%u", bit)
        {
            if (lacks(EXIT_LOAD_EFER))
                continue;
            vm_reset(MODE_64);
            vm_set(EXIT_LOAD_EFER);
            vmwrite(HOST_EFER, vmread(HOST_EFER) ^ BIT(bit));
            expect_host(efer_bit_there(bit) && bit != 8 && bit != 10);
        }
        CASE("entry.host.perf-global-ctrl", "bit-%u", bit)
        {
            if (lacks(EXIT_LOAD_PERF_GLOBAL))
                continue;
            vm_reset(MODE_64);
            vm_set(EXIT_LOAD_PERF_GLOBAL);
            vmwrite(HOST_PERF_GLOBAL_CTRL, BIT(bit));
            expect_host(msr_takes(IA32_PERF_GLOBAL_CTRL, BIT(bit), 0));
            wrmsr(IA32_PERF_GLOBAL_CTRL, 0);
        }
        CASE("entry.host.pkrs", "bit-%u", bit)
        {
            if (lacks(EXIT_LOAD_PKRS))
                continue;
            vm_reset(MODE_64);
            vm_set(EXIT_LOAD_PKRS);
            vmwrite(HOST_PKRS, BIT(bit));
            expect_host(bit < 32);
            wrmsr(IA32_PKRS, 0);
        }
        CASE("entry.host.spec-ctrl", "bit-%u", bit)
        {
            if (lacks(EXIT_LOAD_SPEC_CTRL))
                continue;
            vm_reset(MODE_64);
            vm_set(EXIT_LOAD_SPEC_CTRL);
            vmwrite(HOST_SPEC_CTRL, BIT(bit));
            expect_host(msr_takes(IA32_SPEC_CTRL, BIT(bit), 0));
            wrmsr(IA32_SPEC_CTRL, 0);
        }
    }
}

static void cet(void)
{
    char name[32];
    for (unsigned bit = 0; bit < 64; bit++) {
        CASE("entry.host.s-cet", "bit-%u", bit)
        {
            if (lacks(EXIT_LOAD_CET))
                continue;
            vm_reset(MODE_64);
            vm_set(EXIT_LOAD_CET);
            vmwrite(HOST_S_CET, BIT(bit));
            expect_host(msr_takes(IA32_S_CET, BIT(bit), 0));
            wrmsr(IA32_S_CET, 0);
        }
        CASE("entry.host.ssp", "bit-%u", bit)
        {
            if (lacks(EXIT_LOAD_CET))
                continue;
            vm_reset(MODE_64);
            vm_set(EXIT_LOAD_CET);
            vmwrite(HOST_SSP, BIT(bit));
            expect_host(bit >= 2 && is_canonical(BIT(bit)));
        }
    }
    CASE("entry.host.s-cet", "suppress-and-tracker")
    {
        if (lacks(EXIT_LOAD_CET))
            continue;
        vm_reset(MODE_64);
        vm_set(EXIT_LOAD_CET);
        vmwrite(HOST_S_CET, BIT(10) | BIT(11));
        expect_host(false);
    }
    for (unsigned k = 0; k < CANONICAL_VALUES; k++) {
        uint64_t v = canonical_value(k, name);
        CASE("entry.host.ssp-table", "%s", name)
        {
            if (lacks(EXIT_LOAD_CET))
                continue;
            vm_reset(MODE_64);
            vm_set(EXIT_LOAD_CET);
            vmwrite(HOST_SSP_TABLE, v);
            expect_host(is_canonical(v));
        }
    }
}

void area_host(void)
{
    control_registers();
    addresses();
    selectors();
    msrs();
    cet();
}
