// SPDX-License-Identifier: Apache-2.0
// Accesses to control and debug registers in VMX non-root operation (SDM vol. 3, "Instructions That
// Cause VM Exits Conditionally", "Exit Qualification for Control-Register Accesses", "... for MOV DR").
#include "areas.h"
#include "exits.h"

enum { TO = 0, FROM = 1, CLTS = 2, LMSW = 3 };

/* MOV between a control register and general register `r`. */
static unsigned mov_cr(unsigned cr, unsigned r, bool from)
{
    const uint8_t bytes[] = { (uint8_t)(0x40 | (cr >= 8 ? 4 : 0) | (r >= 8 ? 1 : 0)), 0x0f,
                              from ? 0x20 : 0x22, (uint8_t)(0xc0 | (cr & 7) << 3 | (r & 7)) };
    guest_code(bytes, sizeof bytes);
    return sizeof bytes;
}
static void set_register(unsigned r, uint64_t v)
{
    gpr[r] = v;
    if (r == RSP)
        vmwrite(GUEST_RSP, v);
}
static uint64_t qualification(unsigned cr, unsigned type, unsigned r)
{
    return cr | type << 4 | (uint64_t)r << 8;
}

/* ---- exits ---- */

static void owned(unsigned cr, enum field field, enum field mask, enum field shadow, uint64_t bit)
{
    for (unsigned r = 0; r < 16; r++) {
        CASE(cr ? "exit.mov-to-cr4" : "exit.mov-to-cr0", "register-%u", r)
        {
            vm_reset(MODE_64);
            unsigned n = mov_cr(cr, r, false);
            vmwrite(mask, bit);
            vmwrite(shadow, 0);
            set_register(r, vmread(field) | bit);
            expect_instruction(REASON_CR, qualification(cr, TO, r), n);
        }
        CASE(cr ? "no-exit.mov-to-cr4" : "no-exit.mov-to-cr0", "register-%u", r)
        {
            vm_reset(MODE_64);
            unsigned n = mov_cr(cr, r, false);
            uint64_t real = vmread(field);
            vmwrite(mask, bit);
            vmwrite(shadow, real ^ bit);         /* the guest writes what it reads */
            set_register(r, real ^ bit);
            expect_passes(n);
            expect_field(field, real);           /* a bit that the host owns stays */
        }
        CASE(cr ? "read.mov-from-cr4" : "read.mov-from-cr0", "register-%u", r)
        {
            vm_reset(MODE_64);
            unsigned n = mov_cr(cr, r, true);
            uint64_t real = vmread(field);
            vmwrite(mask, bit | 0xff);
            vmwrite(shadow, ~real);
            expect_passes(n);
            expect("register", (real & ~(bit | 0xff)) | (~real & (bit | 0xff)),
                   r == RSP ? vmread(GUEST_RSP) : gpr[r]);
        }
    }
    for (unsigned b = 0; b < 32; b++)
        CASE(cr ? "exit.cr4-mask" : "exit.cr0-mask", "bit-%u", b)
        {
            vm_reset(MODE_64);
            unsigned n = mov_cr(cr, RAX, false);
            uint64_t real = vmread(field);
            vmwrite(mask, BIT(b));
            vmwrite(shadow, ~real);
            gpr[RAX] = real;
            expect_instruction(REASON_CR, qualification(cr, TO, RAX), n);
        }
}

static void cr3(void)
{
    for (unsigned r = 0; r < 16; r++) {
        CASE("exit.mov-to-cr3", "register-%u", r)
        {
            vm_reset(MODE_64);
            unsigned n = mov_cr(3, r, false);
            vm_set(CR3_LOAD_EXITING);
            set_register(r, GUEST_PML4);
            expect_instruction(REASON_CR, qualification(3, TO, r), n);
        }
        CASE("exit.mov-from-cr3", "register-%u", r)
        {
            vm_reset(MODE_64);
            unsigned n = mov_cr(3, r, true);
            vm_set(CR3_STORE_EXITING);
            expect_instruction(REASON_CR, qualification(3, FROM, r), n);
        }
    }
    for (unsigned count = 0; count <= 4; count++)
        for (unsigned match = 0; match < 4; match++)
            CASE("exit.cr3-target", "count-%u-match-%u", count, match)
            {
                if (lacks_that((cap.misc >> 16 & 0x1ff) >= 4, "misc.16:four CR3 targets"))
                    continue;
                vm_reset(MODE_64);
                unsigned n = mov_cr(3, RAX, false);
                vm_set(CR3_LOAD_EXITING);
                for (unsigned k = 0; k < 4; k++)
                    vmwrite(CR3_TARGET_VALUE_0 + 2 * k, k == match ? GUEST_PML4 : 0x1000);
                vmwrite(CR3_TARGET_COUNT, count);
                gpr[RAX] = GUEST_PML4;
                if (match < count)
                    expect_passes(n);
                else
                    expect_instruction(REASON_CR, qualification(3, TO, RAX), n);
            }
    CASE("no-exit.mov-cr3", "both-ways")
    {
        if (lacks_that(can_clear(CR3_LOAD_EXITING) && can_clear(CR3_STORE_EXITING),
                       "primary.15 and primary.16 clear"))
            continue;
        vm_reset(MODE_64);
        CODE(0x0f, 0x20, 0xd8, 0x0f, 0x22, 0xd8);
        expect_passes(6);
        expect("CR3 read", GUEST_PML4, gpr[RAX]);
    }
}

static void cr8_and_debug(void)
{
    for (unsigned r = 0; r < 16; r++) {
        CASE("exit.mov-to-cr8", "register-%u", r)
        {
            vm_reset(MODE_64);
            unsigned n = mov_cr(8, r, false);
            vm_set(CR8_LOAD_EXITING);
            set_register(r, 0);
            expect_instruction(REASON_CR, qualification(8, TO, r), n);
        }
        CASE("exit.mov-from-cr8", "register-%u", r)
        {
            vm_reset(MODE_64);
            unsigned n = mov_cr(8, r, true);
            vm_set(CR8_STORE_EXITING);
            expect_instruction(REASON_CR, qualification(8, FROM, r), n);
        }
        for (unsigned d = 0; d < 8; d++)
            for (unsigned from = 0; from < 2; from++)
                CASE(from ? "exit.mov-from-dr" : "exit.mov-to-dr", "dr%u-register-%u", d, r)
                {
                    vm_reset(MODE_64);
                    const uint8_t bytes[] = { (uint8_t)(0x40 | (r >= 8)), 0x0f, from ? 0x21 : 0x23,
                                              (uint8_t)(0xc0 | d << 3 | (r & 7)) };
                    guest_code(bytes, sizeof bytes);
                    vm_set(MOV_DR_EXITING);
                    expect_instruction(REASON_DR, d | from << 4 | (uint64_t)r << 8, sizeof bytes);
                }
    }
    CASE("priority.mov-dr-privilege", "cpl-3")
    {
        vm_reset(MODE_64);
        CODE(0x0f, 0x21, 0xc0);
        vm_set(MOV_DR_EXITING);
        vm_user();
        expect_instruction(REASON_DR, 0x10, 3);
    }
    CASE("priority.mov-dr-de", "dr4")
    {
        vm_reset(MODE_64);
        CODE(0x0f, 0x21, 0xe0);
        vm_set(MOV_DR_EXITING);
        vmwrite(GUEST_CR4, vmread(GUEST_CR4) | BIT(3));
        expect_instruction(REASON_DR, 0x14, 3);
    }
    CASE("priority.mov-cr-privilege", "cpl-3")
    {
        vm_reset(MODE_64);
        CODE(0x0f, 0x22, 0xd8);
        vm_set(CR3_LOAD_EXITING);
        vm_user();
        expect_fault_at(EXC_GP);
    }
}

/* ---- CLTS, LMSW, SMSW ---- */

static void clts(void)
{
    for (unsigned mask = 0; mask < 2; mask++)
        for (unsigned shadow = 0; shadow < 2; shadow++)
            CASE("exit.clts", "mask-%u-shadow-%u", mask, shadow)
            {
                vm_reset(MODE_64);
                CODE(0x0f, 0x06);
                vmwrite(GUEST_CR0, vmread(GUEST_CR0) | CR0_TS);
                vmwrite(CR0_GUEST_HOST_MASK, mask ? CR0_TS : 0);
                vmwrite(CR0_READ_SHADOW, shadow ? CR0_TS : 0);
                if (mask && shadow) {
                    expect_instruction(REASON_CR, qualification(0, CLTS, 0), 2);
                    continue;
                }
                expect_passes(2);
                expect("CR0.TS", mask ? CR0_TS : 0, vmread(GUEST_CR0) & CR0_TS);
            }
}

static void lmsw(void)
{
    for (unsigned bit = 0; bit < 4; bit++)
        for (unsigned source = 0; source < 2; source++)
            for (unsigned shadow = 0; shadow < 2; shadow++)
                CASE("exit.lmsw", "bit-%u-source-%u-shadow-%u", bit, source, shadow)
                {
                    /* PE: only an attempt to set it counts */
                    bool exits = source != shadow && (bit || source);
                    uint64_t value = source ? BIT(bit) | 1 : 1;
                    if (!bit)
                        value = source;
                    vm_reset(MODE_64);
                    CODE(0x0f, 0x01, 0xf0);
                    vmwrite(CR0_GUEST_HOST_MASK, BIT(bit));
                    vmwrite(CR0_READ_SHADOW, shadow ? BIT(bit) : 0);
                    gpr[RAX] = value | 0xabcd0000fff0;
                    if (exits)
                        expect_instruction(REASON_CR,
                                           qualification(0, LMSW, 0) | (value | 0xfff0) << 16, 3);
                    else
                        expect_passes(3);
                }
    CASE("exit.lmsw-memory", "address")
    {
        vm_reset(MODE_64);
        CODE(0x0f, 0x01, 0x30);
        *word_at(GUEST_DATA) = 0x0009;
        gpr[RAX] = GUEST_DATA;
        vmwrite(CR0_GUEST_HOST_MASK, CR0_TS);
        expect_instruction(REASON_CR, qualification(0, LMSW, 0) | BIT(6) | 9 << 16, 3);
        expect_field(GUEST_LINEAR_ADDRESS, GUEST_DATA);
    }
    CASE("read.smsw", "mask-and-shadow")
    {
        vm_reset(MODE_64);
        CODE(0x48, 0x0f, 0x01, 0xe0);
        uint64_t real = vmread(GUEST_CR0);
        vmwrite(CR0_GUEST_HOST_MASK, 0xff);
        vmwrite(CR0_READ_SHADOW, 0x5a);
        expect_passes(4);
        expect("register", (real & ~UINT64_C(0xff)) | 0x5a, gpr[RAX]);
    }
}

/* A bit that the guest owns and VMX operation fixes: #GP, without an exit. */
static void fixed(void)
{
    CASE("fault.mov-to-cr0-fixed", "ne")
    {
        if (lacks_that(cap.cr0_fixed0 & CR0_NE, "CR0.NE fixed to 1"))
            continue;
        vm_reset(MODE_64);
        mov_cr(0, RAX, false);
        gpr[RAX] = vmread(GUEST_CR0) & ~CR0_NE;
        expect_fault_at(EXC_GP);
    }
    CASE("fault.mov-to-cr4-fixed", "vmxe")
    {
        vm_reset(MODE_64);
        mov_cr(4, RAX, false);
        gpr[RAX] = vmread(GUEST_CR4) & ~CR4_VMXE;
        expect_fault_at(EXC_GP);
    }
}

void area_registers(void)
{
    owned(0, GUEST_CR0, CR0_GUEST_HOST_MASK, CR0_READ_SHADOW, CR0_TS);
    owned(4, GUEST_CR4, CR4_GUEST_HOST_MASK, CR4_READ_SHADOW, CR4_PSE);
    cr3();
    cr8_and_debug();
    clts();
    lmsw();
    fixed();
}
