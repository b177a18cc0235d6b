// SPDX-License-Identifier: Apache-2.0
// Every handler of the instruction table, declared from the table itself.
#ifndef SP_CPU_OPS_H
#define SP_CPU_OPS_H

#include "cpu/insn.h"

#define INSN(map, opcode, form, name, op, operands, attributes, feature, exit) op_fn op;
#include "cpu/insn_int.def"
#include "cpu/insn_sys.def"
#include "cpu/insn_x87.def"
#include "cpu/insn_sse.def"
#include "cpu/insn_vmx.def"
#undef INSN

#endif
