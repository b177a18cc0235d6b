// SPDX-License-Identifier: Apache-2.0
// EFI's runtime services (UEFI Specification, "Services - Runtime Services"), in the order of their
// table.  There are no variables.
#include "machine/ipf_firmware.h"

#define EFI_ERROR(n) (BIT(63) | (n))
#define EFI_INVALID_PARAMETER EFI_ERROR(2)
#define EFI_UNSUPPORTED EFI_ERROR(3)
#define EFI_NOT_FOUND EFI_ERROR(14)
enum { EFI_SUCCESS = 0 };
enum { SERVICES_FIRST = 24 }; /* where the pointers begin, behind the table's header */

static uint64_t unsupported(struct ipf_call *x) { return EFI_UNSUPPORTED; }
static uint64_t not_found(struct ipf_call *x) { return EFI_NOT_FOUND; }

/* The machine starts at midnight of 1 January 2000; no run gets through that month's days. */
static uint64_t get_time(struct ipf_call *x)
{
    uint64_t ns = ipf_platform_now(x->firmware->platform), s = ns / TICKS_PER_SECOND;
    const uint16_t year = 2000;
    const uint32_t fraction = (uint32_t)(ns % TICKS_PER_SECOND);
    const uint8_t day = (uint8_t)(1 + s / 86400 % 31), hour = (uint8_t)(s / 3600 % 24);
    uint8_t t[16] = { 0, 0, 1, day, hour, (uint8_t)(s / 60 % 60), (uint8_t)(s % 60) };
    memcpy(t, &year, sizeof year);
    memcpy(t + 8, &fraction, sizeof fraction);
    return ipf_call_store(x, x->in[0], t, sizeof t) ? EFI_SUCCESS : EFI_INVALID_PARAMETER;
}

/* Adds `by` to the pointers of the table and of the functions' descriptors. */
static void move(struct ipf_firmware *f, uint64_t by)
{
    for (unsigned k = 0; k < EFI_SERVICES; k++) {
        uint64_t at = f->services + SERVICES_FIRST + 8 * k;
        uint64_t descriptor = mem_read_le(f->mem, at, 8);
        uint64_t entry = mem_read_le(f->mem, descriptor, 8);
        mem_write_le(f->mem, descriptor, 8, entry + by);
        mem_write_le(f->mem, at, 8, descriptor + by);
    }
    f->moved = by;
}

/* in0 bytes of descriptors of in1 bytes each at in3: EFI_MEMORY_DESCRIPTOR, physical address at 8,
 * virtual address at 16, pages at 24.  All of firmware moves by what the page of its code moves. */
static uint64_t set_virtual_address_map(struct ipf_call *x)
{
    enum { DESCRIPTOR = 40, PHYSICAL = 8, VIRTUAL = 16, PAGES = 24, MAP_MAX = 1 << 20 };
    struct ipf_firmware *f = x->firmware;
    uint64_t size = x->in[0], step = x->in[1], map = x->in[3] & ~BIT(63);
    if (f->moved || step < DESCRIPTOR || size > MAP_MAX)
        return EFI_INVALID_PARAMETER;
    for (uint64_t at = map; size >= step; size -= step, at += step) {
        uint64_t base = mem_read_le(f->mem, at + PHYSICAL, 8);
        uint64_t pages = mem_read_le(f->mem, at + PAGES, 8);
        if (f->code >= base && f->code - base < pages << 12) {
            move(f, mem_read_le(f->mem, at + VIRTUAL, 8) - base);
            return EFI_SUCCESS;
        }
    }
    return EFI_INVALID_PARAMETER;
}

static uint64_t reset_system(struct ipf_call *x)
{
    enum { SHUTDOWN = 2 };
    if (x->in[0] == SHUTDOWN)
        ipf_platform_stop(x->firmware->platform, PLATFORM_POWER_OFF,
                          "the guest powered the machine off (EFI ResetSystem)");
    else
        ipf_platform_stop(x->firmware->platform, PLATFORM_RESET,
                          "the guest reset the machine (EFI ResetSystem)");
    return EFI_SUCCESS;
}

void ipf_efi(struct ipf_call *x, unsigned service)
{
    static uint64_t (*const services[EFI_SERVICES])(struct ipf_call *x) = {
        get_time,
        unsupported, /* SetTime                       */
        unsupported, /* GetWakeupTime                 */
        unsupported, /* SetWakeupTime                 */
        set_virtual_address_map,
        unsupported, /* ConvertPointer                */
        not_found,   /* GetVariable                   */
        not_found,   /* GetNextVariableName           */
        unsupported, /* SetVariable                   */
        unsupported, /* GetNextHighMonotonicCount     */
        reset_system,
        unsupported, /* UpdateCapsule                 */
        unsupported, /* QueryCapsuleCapabilities      */
        unsupported, /* QueryVariableInfo             */
    };
    x->result[0] = services[service](x);
}
