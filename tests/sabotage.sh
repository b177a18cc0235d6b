#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# sabotage.sh SOURCE PROGRAM...: what no test misses is not tested (tests/unit/vmx_sabotage.h).  Fails if all
# programs pass although a control bit of controls.def or a field of vmcs_fields.def is cleared behind their back, or
# although a field of the information that an exit reason of exit_reasons.def comes with is falsified.
set -euo pipefail
vmx=$1/src/vmx
shift
scratch=$(mktemp -d)
trap 'rm -r "$scratch"' EXIT
unset VMX_SABOTAGE

reasons=$(sed -nE 's/^REASON\([0-9]+, *(\w+),.*/\1/p' "$vmx/exit_reasons.def")
# SDM vol. 3, "Information for VM Exits Due to Instruction Execution": those that are not.
without_length='EXCEPTION_OR_NMI|EXTERNAL_INTERRUPT|TRIPLE_FAULT|INIT_SIGNAL|SIPI|.*_WINDOW|ENTRY_FAILURE_.*|MONITOR_TRAP_FLAG
    |TPR_BELOW_THRESHOLD|VIRTUALIZED_EOI|EPT_.*|PREEMPTION_TIMER|APIC_WRITE|PML_FULL
    |SPP_EVENT|BUS_LOCK|INSTRUCTION_TIMEOUT'

items() {
    sed -nE 's/^CONTROL\((\w+), *[0-9]+, *(\w+),.*/control \1_\2/p' "$vmx/controls.def"
    # All fields but those of exit information (bits 11:10 of the encoding are 1) and those that only SMM reads.
    sed -nE 's/^FIELD\(0x.[^4567].., *(\w+),.*/field \1/p' "$vmx/vmcs_fields.def" |
        grep -vE ' (EXECUTIVE_VMCS_POINTER|GUEST_SMBASE)$'
    printf 'qualification %s\n' $reasons
    printf 'length %s\n' $(grep -vxE "$(tr -d ' \n' <<< "$without_length")" <<< "$reasons")
    printf 'operands %s\n' GDTR_IDTR_ACCESS LDTR_TR_ACCESS INVEPT INVVPID INVPCID VMCLEAR VMPTRLD VMPTRST VMXON VMREAD \
        VMWRITE RDRAND RDSEED UMWAIT TPAUSE XSAVES XRSTORS IO_INSTRUCTION
    printf 'event %s\n' EXCEPTION_OR_NMI EXTERNAL_INTERRUPT
    printf '%s EXCEPTION_OR_NMI\n' event-code vectoring-code
    printf 'vectoring %s\n' EXCEPTION_OR_NMI TASK_SWITCH APIC_ACCESS EPT_VIOLATION EPT_MISCONFIGURATION PML_FULL \
        SPP_EVENT
    printf 'msr-data WRMSRLIST\n'
    printf 'linear %s\n' EPT_VIOLATION SPP_EVENT IO_INSTRUCTION CR_ACCESS
    printf 'physical %s\n' EPT_VIOLATION EPT_MISCONFIGURATION SPP_EVENT
}

for program in "$@"; do
    touch "$scratch/${program##*/}"
    VMX_USES=$scratch/${program##*/} "$program" --quiet --jobs=1 ||
        { echo "${program##*/} fails by itself"; exit 1; }
done

# Some program that meets the item fails without it.
missed() {
    local program
    for program in "$@"; do
        grep -qxF "$item" "$scratch/${program##*/}" || continue
        VMX_SABOTAGE=$item "$program" --quiet --fail-fast --jobs=1 --timeout 60 > /dev/null 2>&1 || return 0
    done
    return 1
}

total=0 lost=0
while read -r item; do
    total=$((total + 1))
    missed "$@" || { echo "no test misses: $item"; lost=$((lost + 1)); }
done < <(items)
(( total > 100 )) || { echo "only $total items: has the form of the tables changed?"; exit 1; }
echo "sabotage: $total items, $lost of them missed by no test"
exit $((lost > 0))
