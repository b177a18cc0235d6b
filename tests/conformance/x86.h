// SPDX-License-Identifier: Apache-2.0
// Instructions and registers that C has no words for.
#ifndef CONFORMANCE_X86_H
#define CONFORMANCE_X86_H

#include <stdbool.h>
#include <stdint.h>

#define BIT(n) (UINT64_C(1) << (n))
#define COUNT(array) (sizeof(array) / sizeof(array)[0])

#define CR0_PE BIT(0)
#define CR0_MP BIT(1)
#define CR0_TS BIT(3)
#define CR0_ET BIT(4)
#define CR0_NE BIT(5)
#define CR0_WP BIT(16)
#define CR0_NW BIT(29)
#define CR0_CD BIT(30)
#define CR0_PG BIT(31)
#define CR4_PSE BIT(4)
#define CR4_PAE BIT(5)
#define CR4_OSFXSR BIT(9)
#define CR4_LA57 BIT(12)
#define CR4_VMXE BIT(13)
#define CR4_SMXE BIT(14)
#define CR4_PCIDE BIT(17)
#define CR4_OSXSAVE BIT(18)
#define CR4_CET BIT(23)
#define EFER_LME BIT(8)
#define EFER_LMA BIT(10)
#define EFER_NXE BIT(11)
#define FLAG_CF BIT(0)
#define FLAG_ZF BIT(6)
#define FLAG_TF BIT(8)
#define FLAG_IF BIT(9)
#define FLAG_NT BIT(14)
#define FLAG_RF BIT(16)
#define FLAG_VM BIT(17)
#define FLAGS_STATUS 0x8d5u                /* CF, PF, AF, ZF, SF, OF */

enum {
    EXC_DE = 0, EXC_DB = 1, EXC_NMI = 2, EXC_BP = 3, EXC_OF = 4, EXC_UD = 6, EXC_NM = 7,
    EXC_DF = 8, EXC_TS = 10, EXC_NP = 11, EXC_SS = 12, EXC_GP = 13, EXC_PF = 14, EXC_AC = 17,
    EXC_MC = 18, EXC_VE = 20, EXC_CP = 21, NO_FAULT = 0xff,
};

enum {
    IA32_TSC = 0x10, IA32_APIC_BASE = 0x1b, IA32_FEATURE_CONTROL = 0x3a, IA32_SPEC_CTRL = 0x48,
    IA32_SYSENTER_CS = 0x174, IA32_SYSENTER_ESP = 0x175, IA32_SYSENTER_EIP = 0x176,
    IA32_DEBUGCTL = 0x1d9, IA32_PAT = 0x277, IA32_PERF_GLOBAL_CTRL = 0x38f,
    IA32_VMX_BASIC = 0x480, IA32_VMX_PINBASED = 0x481, IA32_VMX_PROCBASED = 0x482,
    IA32_VMX_EXIT = 0x483, IA32_VMX_ENTRY = 0x484, IA32_VMX_MISC = 0x485,
    IA32_VMX_CR0_FIXED0 = 0x486, IA32_VMX_CR0_FIXED1 = 0x487, IA32_VMX_CR4_FIXED0 = 0x488,
    IA32_VMX_CR4_FIXED1 = 0x489, IA32_VMX_VMCS_ENUM = 0x48a, IA32_VMX_PROCBASED2 = 0x48b,
    IA32_VMX_EPT_VPID_CAP = 0x48c, IA32_VMX_TRUE_PINBASED = 0x48d, IA32_VMX_VMFUNC = 0x491,
    IA32_VMX_PROCBASED3 = 0x492, IA32_VMX_EXIT2 = 0x493, IA32_S_CET = 0x6a2,
    IA32_INTERRUPT_SSP_TABLE = 0x6a8, IA32_PKRS = 0x6e1, IA32_XSS = 0xda0,
};
#define IA32_EFER 0xc0000080u
#define IA32_STAR 0xc0000081u
#define IA32_LSTAR 0xc0000082u
#define IA32_FMASK 0xc0000084u
#define IA32_FS_BASE 0xc0000100u
#define IA32_GS_BASE 0xc0000101u
#define IA32_KERNEL_GS_BASE 0xc0000102u

static inline void out8(uint16_t port, uint8_t v)
{
    __asm__ volatile("outb %0, %1" : : "a"(v), "Nd"(port));
}
static inline void out32(uint16_t port, uint32_t v)
{
    __asm__ volatile("outl %0, %1" : : "a"(v), "Nd"(port));
}
static inline uint8_t in8(uint16_t port)
{
    uint8_t v;
    __asm__ volatile("inb %1, %0" : "=a"(v) : "Nd"(port));
    return v;
}
static inline uint64_t rdmsr(uint32_t index)
{
    uint32_t low, high;
    __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(index) : "memory");
    return (uint64_t)high << 32 | low;
}
static inline void wrmsr(uint32_t index, uint64_t value)
{
    __asm__ volatile("wrmsr"
                     : : "c"(index), "a"((uint32_t)value), "d"((uint32_t)(value >> 32)) : "memory");
}
static inline uint64_t rdtsc(void)
{
    uint32_t low, high;
    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high) : : "memory");
    return (uint64_t)high << 32 | low;
}

struct cpuid { uint32_t a, b, c, d; };
static inline struct cpuid cpuid(uint32_t leaf, uint32_t subleaf)
{
    struct cpuid r;
    __asm__ volatile("cpuid" : "=a"(r.a), "=b"(r.b), "=c"(r.c), "=d"(r.d) : "a"(leaf), "c"(subleaf));
    return r;
}

#define READ_CR(n) ({ uint64_t v_; __asm__ volatile("mov %%cr" #n ", %0" : "=r"(v_) : : "memory"); v_; })
#define WRITE_CR(n, v) __asm__ volatile("mov %0, %%cr" #n : : "r"((uint64_t)(v)) : "memory")
#define READ_DR(n) ({ uint64_t v_; __asm__ volatile("mov %%dr" #n ", %0" : "=r"(v_) : : "memory"); v_; })
#define WRITE_DR(n, v) __asm__ volatile("mov %0, %%dr" #n : : "r"((uint64_t)(v)) : "memory")
#define READ_SELECTOR(name) ({ uint16_t s_; __asm__ volatile("mov %%" #name ", %0" : "=r"(s_)); s_; })

struct table { uint16_t limit; uint64_t base; } __attribute__((packed));
static inline struct table read_gdtr(void)
{
    struct table t;
    __asm__ volatile("sgdt %0" : "=m"(t));
    return t;
}
static inline struct table read_idtr(void)
{
    struct table t;
    __asm__ volatile("sidt %0" : "=m"(t));
    return t;
}

static inline void *zero(void *p, uint64_t bytes)
{
    void *at = p;
    uint64_t words = bytes / 8, rest = bytes % 8;
    __asm__ volatile("rep stosq" : "+D"(at), "+c"(words) : "a"(0) : "memory");
    __asm__ volatile("rep stosb" : "+D"(at), "+c"(rest) : "a"(0) : "memory");
    return p;
}
static inline void copy(void *to, const void *from, uint64_t bytes)
{
    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(bytes) : : "memory");
}

#endif
