// SPDX-License-Identifier: Apache-2.0
// The simulator calls of HP's Ski, for bare-metal programs: break 0x80001 with the number in r15,
// arguments in in0 to in3, the result in r8.
#include "ipf/op.h"

enum { SSC_BREAK = 0x80001, SSC_BREAK_OLD = 0x80000 };
enum { SSC_CONSOLE_INIT = 20, SSC_PUTCHAR = 31, SSC_EXIT = 66 };

bool ssc_call(struct ipf_cpu *c, uint64_t number)
{
    uint64_t in0 = gr(c, 32)->v, result = 0;
    if (number != SSC_BREAK && number != SSC_BREAK_OLD)
        return false;
    switch (c->gr[15].v) {
    case SSC_CONSOLE_INIT: break;
    case SSC_PUTCHAR: c->put(c->put_user, (uint8_t)in0); break;
    case SSC_EXIT:
        c->stop = IPF_EXIT;
        c->exit_status = (int)(in0 & 0xff);
        break;
    default: result = UINT64_MAX;
    }
    c->gr[8] = (struct ipf_gr){ result, 0 };
    return true;
}
