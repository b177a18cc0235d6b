// SPDX-License-Identifier: Apache-2.0
#include "native_low.h"

#include "cpu/state.h"

/* native_low.S */
void native_enter_low(const struct user_state *in, uint32_t offset);
void native_reset_segments(void);

void native_run_low(const struct test_case *t, struct user_state *out)
{
    native_enter_low(&t->in, (uint32_t)case_origin(t) + t->start);
    native_reset_segments();
    for (unsigned k = 0; k < 16; k++) /* the upper halves are undefined in these modes */
        out->gpr[k] = k < 8 ? (uint32_t)out->gpr[k] : t->in.gpr[k];
    out->rip = (uint32_t)out->rip;
}

void native_save_selectors(uint16_t selector[6], uint64_t csgsfs)
{
    __asm__ volatile("mov %%es, %0\n\tmov %%ds, %1\n\tmov %%fs, %2\n\tmov %%gs, %3"
                     : "=m"(selector[ES]), "=m"(selector[DS]), "=m"(selector[FS]),
                       "=m"(selector[GS]));
    selector[CS] = (uint16_t)csgsfs;
    selector[SS] = (uint16_t)(csgsfs >> 48);
}
