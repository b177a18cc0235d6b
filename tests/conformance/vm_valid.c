// SPDX-License-Identifier: Apache-2.0
// What a control needs to pass the checks of VM entry (SDM vol. 3, "Checks on VMX Controls").
#include "vm.h"

static const struct { enum control control, needs; } dependencies[] = {
    { VIRTUAL_NMIS, NMI_EXITING }, { NMI_WINDOW_EXITING, VIRTUAL_NMIS },
    { POSTED_INTERRUPTS, VIRTUAL_INTERRUPT_DELIVERY }, { POSTED_INTERRUPTS, ACKNOWLEDGE_INTERRUPT },
    { VIRTUAL_INTERRUPT_DELIVERY, EXTERNAL_INTERRUPT_EXITING },
    { VIRTUAL_INTERRUPT_DELIVERY, TPR_SHADOW }, { VIRTUALIZE_X2APIC, TPR_SHADOW },
    { APIC_REGISTER_VIRTUALIZATION, TPR_SHADOW }, { IPI_VIRTUALIZATION, TPR_SHADOW },
    { APIC_TIMER_VIRTUALIZATION, VIRTUAL_INTERRUPT_DELIVERY }, { UNRESTRICTED_GUEST, EPT },
    { PML, EPT }, { MODE_BASED_EXECUTE, EPT }, { SUB_PAGE_WRITE, EPT }, { PT_GUEST_PHYSICAL, EPT },
    { PT_GUEST_PHYSICAL, LOAD_RTIT_CTL }, { PT_GUEST_PHYSICAL, CLEAR_RTIT_CTL }, { HLAT, EPT },
    { EPT_PAGING_WRITE, EPT }, { GUEST_PAGING_VERIFICATION, EPT }, { SAVE_TIMER, ACTIVATE_TIMER },
};

void vm_set_valid(enum control c)
{
    for (unsigned k = 0; k < COUNT(dependencies); k++)
        if (dependencies[k].control == c)
            vm_set_valid(dependencies[k].needs);
    if (c == EPT)
        vm_use_ept();
    else
        vm_set(c);
    if (c == ENABLE_VPID) {
        vmwrite(VPID, 1);
        vpid_invalidate();
    }
    if (c == PML) {
        vmwrite(EPT_POINTER, vmread(EPT_POINTER) | BIT(6));
        ept_changed = true;
    }
    if (c == ACTIVATE_TIMER)
        vmwrite(PREEMPTION_TIMER, 0x10000);
}
