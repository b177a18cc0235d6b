// SPDX-License-Identifier: Apache-2.0
// Checks of the event to inject (SDM vol. 3, "VM-Entry Control Fields" of "Checks on VMX Controls"):
// VM-instruction error 7.
#include "areas.h"
#include "suite.h"
#include "vm.h"

static void expect_valid(bool valid)
{
    if (valid)
        expect_entered();
    else
        expect_refused(ERROR_CONTROLS);
}

static bool has_code(unsigned vector)
{
    return vector == EXC_DF || (vector >= EXC_TS && vector <= EXC_PF) || vector == EXC_AC;
}

/* `real`: the guest's CR0.PE is 0 with "unrestricted guest". */
static bool event_valid(unsigned type, unsigned vector, bool code, bool real)
{
    bool any = cap.basic & BIT(56);
    switch (type) {
    case EVENT_NMI: return vector == 2 && !code;
    case EVENT_HARDWARE:
        return vector <= 31 && (real ? !code : any || code == has_code(vector));
    case 1: return false;
    case EVENT_OTHER: return can(MONITOR_TRAP_FLAG) && vector == 0 && !code;
    default: return !code;
    }
}

/* Everything else about the guest fits the event: RFLAGS.IF. */
static void inject(enum mode m, uint64_t information)
{
    vm_reset(m);
    vmwrite(GUEST_RFLAGS, vmread(GUEST_RFLAGS) | FLAG_IF);
    vmwrite(INJECTION_INFORMATION, information);
    vmwrite(INJECTION_LENGTH, 1);
}

static const uint16_t vectors[] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17,
                                    18, 19, 20, 21, 22, 28, 29, 30, 31, 32, 33, 128, 255 };

static void events(void)
{
    static const char *const rules[8] = {
        "inject.external-interrupt", "inject.reserved-type", "inject.nmi",
        "inject.hardware-exception", "inject.software-interrupt",
        "inject.privileged-software-exception", "inject.software-exception", "inject.other-event",
    };
    for (unsigned type = 0; type < 8; type++)
        for (unsigned k = 0; k < COUNT(vectors); k++)
            for (unsigned code = 0; code < 2; code++) {
                bool few = type != EVENT_HARDWARE && k % 4 != 2 && k > 4 && vectors[k] < 255;
                if (few)
                    continue;
                CASE(rules[type], "vector-%u%s", vectors[k], code ? "-code" : "")
                {
                    inject(MODE_64, EVENT(type, vectors[k]) | (code ? EVENT_CODE : 0));
                    expect_valid(event_valid(type, vectors[k], code, false));
                }
            }
}

static void real_mode(void)
{
    for (unsigned vector = 0; vector < 32; vector++)
        for (unsigned code = 0; code < 2; code++)
            CASE("inject.real-mode-error-code", "vector-%u%s", vector, code ? "-code" : "")
            {
                if (lacks_mode(MODE_REAL))
                    continue;
                inject(MODE_REAL, EVENT(EVENT_HARDWARE, vector) | (code ? EVENT_CODE : 0));
                expect_valid(event_valid(EVENT_HARDWARE, vector, code, true));
            }
}

static void reserved(void)
{
    for (unsigned bit = 12; bit < 31; bit++) {
        bool nested = bit == 13 && cap.basic & BIT(58);
        CASE("inject.reserved", "bit-%u", bit)
        {
            if (lacks_that(!nested, "a reserved bit"))
                continue;
            inject(MODE_64, EVENT(EVENT_SOFTWARE_INT, 0x80) | BIT(bit));
            expect_valid(false);
        }
        CASE("inject.invalid-ignored", "bit-%u", bit)
        {
            inject(MODE_64, (EVENT(1, 0xff) | BIT(bit)) & 0x7fffffff);
            expect_valid(true);
        }
    }
    for (unsigned bit = 0; bit < 32; bit++) {
        CASE("inject.error-code", "bit-%u", bit)
        {
            inject(MODE_64, EVENT(EVENT_HARDWARE, EXC_GP) | EVENT_CODE);
            vmwrite(INJECTION_ERROR_CODE, BIT(bit));
            expect_valid(bit < 16);
        }
        CASE("inject.error-code-unused", "bit-%u", bit)
        {
            inject(MODE_64, EVENT(EVENT_HARDWARE, EXC_UD));
            vmwrite(INJECTION_ERROR_CODE, BIT(bit));
            expect_valid(true);
        }
    }
}

static void lengths(void)
{
    static const uint32_t values[] = { 0, 1, 2, 7, 14, 15, 16, 17, 0x100, 0x80000001 };
    for (unsigned type = 0; type < 8; type++)
        for (unsigned k = 0; k < COUNT(values); k++) {
            bool used = type >= EVENT_SOFTWARE_INT && type <= EVENT_SOFTWARE_EXCEPTION;
            unsigned vector = type == EVENT_NMI ? 2 : type == EVENT_HARDWARE ? 6 :
                              type == EVENT_OTHER ? 0 : 3;
            bool valid = !used || (values[k] <= 15 && (values[k] || cap.misc & BIT(30)));
            if (type == 1)
                continue;
            CASE(used ? "inject.length" : "inject.length-unused", "type-%u-0x%x", type, values[k])
            {
                if (type == EVENT_OTHER && lacks(MONITOR_TRAP_FLAG))
                    continue;
                inject(MODE_64, EVENT(type, vector));
                vmwrite(INJECTION_LENGTH, values[k]);
                expect_valid(valid);
            }
        }
}

void area_injection(void)
{
    events();
    real_mode();
    reserved();
    lengths();
}
