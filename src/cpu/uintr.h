// SPDX-License-Identifier: Apache-2.0
// User interrupts: SDM vol. 3, chapter "User Interrupts".  Their state stands in the members
// uintr_* of struct msr_state and in cpu.uif.
#ifndef SP_CPU_UINTR_H
#define SP_CPU_UINTR_H

#include "cpu/cpu.h"

/* Bits of the MSRs, and of the XSAVE image. */
enum { UINTR_UINV_SHIFT = 32 };
#define UINTR_UINV (UINT64_C(0xff) << UINTR_UINV_SHIFT)              /* IA32_UINTR_MISC       */
#define UINTR_MISC_RESERVED (~UINT64_C(0xffffffffff))
enum {
    UINTR_STACK_LOAD = 1 << 0,          /* IA32_UINTR_STACKADJUST: RSP is loaded                 */
    UINTR_STACK_RESERVED = 6,
    UINTR_PD_RESERVED = 0x3f,
    UINTR_TT_ENABLE = 1 << 0,           /* IA32_UINTR_TT: SENDUIPI may execute                   */
    UINTR_TT_RESERVED = 0xe,
};
/* The first quadword of a user posted-interrupt descriptor (UPID); PIR is the second. */
enum { UPID_ON = 1 << 0, UPID_SN = 1 << 1, UPID_NV_SHIFT = 16, UPID_NDST_SHIFT = 32 };
#define UPID_RESERVED UINT64_C(0xff00fffc)

static inline unsigned uintr_uinv(const struct cpu *c)
{
    return (unsigned)(c->msr.uintr_misc >> UINTR_UINV_SHIFT & 0xff);
}
static inline void uintr_load_uinv(struct cpu *c, uint8_t vector)
{
    c->msr.uintr_misc = (c->msr.uintr_misc & ~UINTR_UINV) | (uint64_t)vector << UINTR_UINV_SHIFT;
}

/* Loads UIRR: "User-Interrupt Recognition". */
void uintr_load_requests(struct cpu *c, uint64_t requests);
/* Loads IA32_UINTR_TT, which says whether SENDUIPI may execute. */
void uintr_load_table(struct cpu *c, uint64_t value);

/* "User-Interrupt Notification Identification": whether an interrupt with this vector, physical or
 * virtual, is the notification. */
bool uintr_is_notification(const struct cpu *c, unsigned vector);
/* "User-Interrupt Notification Processing", at an instruction boundary, for the notification that
 * has been acknowledged and dismissed.  A fault is delivered; a VM exit has happened. */
void uintr_process_notification(struct cpu *c);
/* "User-Interrupt Delivery" at an instruction boundary; false if none is recognized or it is
 * blocked.  True, too, if the delivery led to a fault or a VM exit. */
bool uintr_deliver(struct cpu *c);

/* SDM vol. 1, "User-Interrupt State": the XSAVE component (xstate.h). */
void save_UINTR(const struct cpu *c, void *image);
bool legal_UINTR(const struct cpu *c, const void *image);
void load_UINTR(struct cpu *c, const void *image);

#endif
