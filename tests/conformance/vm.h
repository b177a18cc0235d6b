// SPDX-License-Identifier: Apache-2.0
// The virtual machine of a case: a VMCS that the capability MSRs allow, changed by the case, entered,
// and what came of it.
#ifndef CONFORMANCE_VM_H
#define CONFORMANCE_VM_H

#include "guest.h"
#include "vmx.h"

enum mode {
    MODE_64, MODE_COMPATIBILITY, MODE_32, MODE_PAE, MODE_16, MODE_V86,
    MODE_REAL, MODE_FLAT, MODES,         /* these two need "unrestricted guest" */
};
const char *mode_name(enum mode m);
/* Skips the case if the mode cannot be had. */
bool lacks_mode(enum mode m);

enum { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI };
/* General registers of the guest but RSP: loaded before VM entry, read after VM exit. */
extern uint64_t gpr[16];

struct region { uint32_t revision, abort; uint8_t data[4088]; };
extern struct region vmxon_region, vmcs_region, other_vmcs;

/* Enters VMX operation for good.  Returns null, or why that is impossible. */
const char *vm_init(void);
bool vm_on(void);
/* VMXOFF, for cases outside VMX operation; the next vm_reset enters it again. */
void vm_off(void);
/* A clear VMCS with as few controls as possible and a guest in the mode, all exceptions exit. */
void vm_reset(enum mode m);
/* CPL 3 for the guest of MODE_64 or MODE_32. */
void vm_user(void);
/* Sets or clears a control, and those that activate its word. */
void vm_set(enum control c);
void vm_clear(enum control c);
/* The same, with the controls and fields that this one cannot be set without. */
void vm_set_valid(enum control c);
/* "enable EPT" with fresh tables that map everything. */
void vm_use_ept(void);
/* "use MSR bitmaps" with bitmaps that let every access pass. */
void vm_use_msr_bitmaps(void);
/* The host's own state, whatever the last VM exit loaded. */
void vm_restore_host(void);

extern bool vm_launched;                  /* the VMCS is launched */
enum ending { VM_EXITED, VM_INVALID, VM_VALID };
/* VMLAUNCH, or VMRESUME once launched. */
enum ending vm_enter(void);
/* Like a VM entry without preparation: VMRESUME if `resume`. */
enum ending vm_enter_as(bool resume);

/* What the last VM exit loaded. */
struct loaded {
    uint64_t rflags, rsp, cr0, cr3, cr4, dr7, efer, pat;
    struct table gdtr, idtr;
    uint16_t es, cs, ss, ds, fs, gs, tr, ldtr;
};
extern struct loaded loaded;

/* These enter the guest and expect one ending.  True: so it was. */
bool expect_exit(uint64_t reason);
bool expect_entered(void);
bool expect_refused(unsigned error);
bool expect_invalid(void);
bool expect_entry_failure(unsigned reason, uint64_t qualification);
/* Another VM exit of the same guest whose VM entry must succeed: exit reason 0, this vector. */
bool expect_exception(unsigned vector);

/* The guest goes on behind an instruction of `n` bytes. */
void vm_skip(unsigned n);

#endif
