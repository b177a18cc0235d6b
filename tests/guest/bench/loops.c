// SPDX-License-Identifier: Apache-2.0
// Shows: one class of instructions each, sixteen times the same in a loop.  RSI points to memory,
// RDI to a function that returns; RAX, RBX, RCX, RDX, R8, R9 and the registers of SSE and x87 are free.
#include "bench.h"

enum { ROUNDS = 1000000 };

static uint8_t memory[16384] __attribute__((aligned(4096)));
static void nothing(void) { __asm__ volatile(""); }

#define LOOP(function, body)                                                                     \
    static uint64_t function(uint64_t rounds)                                                    \
    {                                                                                            \
        __asm__ volatile("mov $3, %%ecx\n mov %%ecx, %%ebx\n mov %%ecx, %%eax\n"                 \
                         "cvtsi2sd %%ecx, %%xmm0\n cvtsi2sd %%ecx, %%xmm1\n"                     \
                         "jmp 1f\n .balign 64\n 1:\n .rept 16\n" body "\n .endr\n"               \
                         "dec %0\n jnz 1b\n 9:"                                                  \
                         : "+r"(rounds)                                                          \
                         : "S"(memory), "D"(nothing)                                             \
                         : "rax", "rbx", "rcx", "rdx", "r8", "r9", "memory", "cc");              \
        return rounds;                                                                           \
    }
/* NAME, what stands sixteen times. */
#define LOOPS(ROW)                                                                               \
    ROW(nothing_at_all, "")                                                                      \
    ROW(mov_registers, "mov %%rbx, %%rax")                                                       \
    ROW(mov_immediate, "mov $5, %%eax")                                                          \
    ROW(add_registers, "add %%rbx, %%rax")                                                       \
    ROW(add_immediate, "add $5, %%rax")                                                          \
    ROW(adc_registers, "adc %%rbx, %%rax")                                                       \
    ROW(add_bytes, "add %%bl, %%al")                                                             \
    ROW(add_words, "add %%bx, %%ax")                                                             \
    ROW(lea, "lea 8(%%rbx, %%rcx, 4), %%rax")                                                    \
    ROW(shl_immediate, "shl $3, %%rax")                                                          \
    ROW(shl_cl, "shl %%cl, %%rax")                                                               \
    ROW(imul_registers, "imul %%rbx, %%rax")                                                     \
    ROW(mul, "mul %%rbx")                                                                        \
    ROW(xor_div, "xor %%edx, %%edx\n div %%rbx")                                                 \
    ROW(setc, "setc %%al")                                                                       \
    ROW(add_setc, "add %%rbx, %%rax\n setc %%cl")                                                \
    ROW(cmovc, "cmovc %%rbx, %%rax")                                                             \
    ROW(bsf, "bsf %%rbx, %%rax")                                                                 \
    ROW(popcnt, "popcnt %%rbx, %%rax")                                                           \
    ROW(load, "mov (%%rsi), %%rax")                                                              \
    ROW(load_byte, "movzbl 1(%%rsi), %%eax")                                                     \
    ROW(load_indexed, "mov 8(%%rsi, %%rbx, 8), %%r8")                                            \
    ROW(load_two_pages, "mov 4092(%%rsi), %%rax")                                                \
    ROW(store, "mov %%rax, (%%rsi)")                                                             \
    ROW(add_to_memory, "add %%rax, (%%rsi)")                                                     \
    ROW(add_from_memory, "add (%%rsi), %%rax")                                                   \
    ROW(lock_add, "lock add %%rax, (%%rsi)")                                                     \
    ROW(push_pop, "push %%rax\n pop %%rbx")                                                      \
    ROW(call_ret, "call *%%rdi")                                                                 \
    ROW(cmp_jne_falls, "cmp %%rbx, %%rbx\n jne 9f")                                              \
    ROW(cmp_je_taken, "cmp %%rbx, %%rbx\n je 2f\n 2:")                                           \
    ROW(jmp, "jmp 2f\n 2:")                                                                      \
    ROW(lea_jmp_indirect, "lea 2f(%%rip), %%rax\n jmp *%%rax\n 2:")                              \
    ROW(addsd, "addsd %%xmm1, %%xmm0")                                                           \
    ROW(mulsd, "mulsd %%xmm1, %%xmm0")                                                           \
    ROW(movsd_load, "movsd (%%rsi), %%xmm0")                                                     \
    ROW(paddd, "paddd %%xmm1, %%xmm0")                                                           \
    ROW(movdqa_load, "movdqa (%%rsi), %%xmm0")                                                   \
    ROW(fld1_fstp, "fld1\n fstp %%st(0)")                                                        \
    ROW(fld1_faddp, "fld1\n fld1\n faddp\n fstp %%st(0)")                                        \
    ROW(lodsb, "lodsb\n dec %%rsi")                                                              \
    ROW(rep_movsb_4096, "mov $4096, %%ecx\n mov %%rsi, %%r8\n mov %%rdi, %%r9\n"                \
                        "lea 4096(%%rsi), %%rdi\n rep movsb\n mov %%r8, %%rsi\n mov %%r9, %%rdi")                         \
    ROW(pushf_popf, "pushf\n popf")                                                              \
    ROW(cpuid, "mov $1, %%eax\n cpuid")                                                          \
    ROW(rdtsc, "rdtsc")                                                                          \
    ROW(rdmsr_efer, "mov $0xc0000080, %%ecx\n rdmsr")                                            \
    ROW(mov_from_cr0, "mov %%cr0, %%rax")                                                        \
    ROW(cr3_reload_load, "mov %%cr3, %%rax\n mov %%rax, %%cr3\n mov (%%rsi), %%rax")             \
    ROW(invlpg_load, "invlpg (%%rsi)\n mov (%%rsi), %%rax")                                      \
    ROW(out_delay, "out %%al, $0x80")

#define FUNCTION(name, body) LOOP(loop_##name, body)
LOOPS(FUNCTION)
#undef FUNCTION

const struct workload loops[] = {
#define ROW(name, body) { #name, loop_##name, ROUNDS },
    LOOPS(ROW)
#undef ROW
    { 0 }
};
