// SPDX-License-Identifier: Apache-2.0
// The instruction table: every row of the five lists, in one array.
#include "cpu/insn.h"
#include "cpu/ops.h"

const struct insn_row insn_rows[] = {
#define INSN(map, opcode, form, name, op, operands, attributes, feature, exit) \
    { map, opcode, operands, FEAT_##feature, EXIT_##exit, attributes, form, name, op },
#include "cpu/insn_int.def"
#include "cpu/insn_sys.def"
#include "cpu/insn_x87.def"
#include "cpu/insn_sse.def"
#include "cpu/insn_vmx.def"
#undef INSN
};
const unsigned insn_row_count = ARRAY_SIZE(insn_rows);
