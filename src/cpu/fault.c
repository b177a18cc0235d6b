// SPDX-License-Identifier: Apache-2.0
// Recording of faults.
#include "cpu/access.h"

/* EXT: the fault happened while an event external to the program was delivered.  INT n, INT3 and
 * INTO are not external; INT1 is (SDM vol. 3, "Error Code"). */
static bool delivering_external(const struct cpu *c)
{
    return c->is_delivering && c->delivering.type != EVENT_SOFTWARE_INT &&
           c->delivering.type != EVENT_SOFTWARE_EXC;
}

enum outcome cpu_raise(struct cpu *c, enum exception vector)
{
    c->event = (struct event){ .vector = vector, .type = EVENT_HARDWARE };
    c->vm_exited = false;
    return FAULTED;
}

enum outcome cpu_raise_code(struct cpu *c, enum exception vector, uint32_t error_code)
{
    cpu_raise(c, vector);
    c->event.has_error = c->cr0 & CR0_PE;      /* real-address mode pushes no error codes */
    c->event.error = error_code;
    if (vector >= EXC_TS && vector <= EXC_GP && delivering_external(c))
        c->event.error |= 1;
    return FAULTED;
}

enum outcome cpu_fault_outcome(struct cpu *c)
{
    if (!c->vm_exited)
        return FAULTED;
    c->vm_exited = false;
    return EXITED;
}
