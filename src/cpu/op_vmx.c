// SPDX-License-Identifier: Apache-2.0
// VMX instructions: the vmx layer does them; without it they are undefined.
#include "cpu/ops.h"
#include "cpu/vmx_ops.h"

static enum outcome vmx(struct cpu *c, const struct insn *i, enum vmx_insn which)
{
    return c->vmx_ops ? c->vmx_ops->instruction(c, i, which) : cpu_raise(c, EXC_UD);
}

enum outcome op_vmcall(struct cpu *c, const struct insn *i) { return vmx(c, i, VMX_VMCALL); }
enum outcome op_vmlaunch(struct cpu *c, const struct insn *i) { return vmx(c, i, VMX_VMLAUNCH); }
enum outcome op_vmresume(struct cpu *c, const struct insn *i) { return vmx(c, i, VMX_VMRESUME); }
enum outcome op_vmxoff(struct cpu *c, const struct insn *i) { return vmx(c, i, VMX_VMXOFF); }
enum outcome op_vmread(struct cpu *c, const struct insn *i) { return vmx(c, i, VMX_VMREAD); }
enum outcome op_vmwrite(struct cpu *c, const struct insn *i) { return vmx(c, i, VMX_VMWRITE); }
enum outcome op_vmptrld(struct cpu *c, const struct insn *i) { return vmx(c, i, VMX_VMPTRLD); }
enum outcome op_vmclear(struct cpu *c, const struct insn *i) { return vmx(c, i, VMX_VMCLEAR); }
enum outcome op_vmxon(struct cpu *c, const struct insn *i) { return vmx(c, i, VMX_VMXON); }
enum outcome op_vmptrst(struct cpu *c, const struct insn *i) { return vmx(c, i, VMX_VMPTRST); }
enum outcome op_vmfunc(struct cpu *c, const struct insn *i) { return vmx(c, i, VMX_VMFUNC); }
enum outcome op_invept(struct cpu *c, const struct insn *i) { return vmx(c, i, VMX_INVEPT); }
enum outcome op_invvpid(struct cpu *c, const struct insn *i) { return vmx(c, i, VMX_INVVPID); }
