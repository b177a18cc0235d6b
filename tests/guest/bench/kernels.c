// SPDX-License-Identifier: Apache-2.0
// Shows: small programs (recursion, sorting, a table), and virtual machines: a VM exit each round,
// and one of the programs under EPT.
#include "bench.h"

#include "console.h"
#include "ept.h"
#include "vmcs.h"
#include "vmx.h"

enum { VALUES = 8192 };
extern const uint8_t guest_exits[], guest_calls[];       /* start.S */
static uint8_t guest_stack[8192] __attribute__((aligned(16)));
static uint32_t values[VALUES];

static uint64_t fibonacci(uint64_t n) { return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2); }
static uint64_t (*volatile fibonacci_of)(uint64_t) = fibonacci;      /* not known to the compiler */
static uint64_t run_call(uint64_t rounds)
{
    uint64_t sum = 0;
    while (rounds--)
        sum += fibonacci_of(20);
    return sum;
}

static uint32_t next_random(uint32_t x) { return x * 1103515245 + 12345; }

/* Shell's: inner loops of loads, stores and branches that nothing foretells. */
static uint64_t run_sort(uint64_t rounds)
{
    uint64_t sum = 0;
    uint32_t x = 1;
    while (rounds--) {
        for (unsigned k = 0; k < VALUES; k++)
            values[k] = x = next_random(x);
        for (unsigned gap = VALUES / 2; gap; gap /= 2)
            for (unsigned k = gap; k < VALUES; k++) {
                uint32_t v = values[k];
                unsigned at = k;
                for (; at >= gap && values[at - gap] > v; at -= gap)
                    values[at] = values[at - gap];
                values[at] = v;
            }
        sum = sum * 31 + values[VALUES / 3];
    }
    return sum;
}

/* CRC-32 of `values`, bytewise by a table. */
static uint64_t run_crc(uint64_t rounds)
{
    static uint32_t table[256];
    const uint8_t *bytes = (const uint8_t *)values;
    uint32_t crc = ~0u;
    for (uint32_t k = 0; k < 256; k++) {
        table[k] = k;
        for (int bit = 0; bit < 8; bit++)
            table[k] = table[k] >> 1 ^ (table[k] & 1 ? 0xedb88320 : 0);
    }
    for (unsigned k = 0; k < VALUES; k++)
        values[k] = next_random(k);
    while (rounds--)
        for (unsigned k = 0; k < sizeof values; k++)
            crc = table[(crc ^ bytes[k]) & 255] ^ crc >> 8;
    return crc;
}

/* Runs a guest at `start` under EPT for `rounds` exits by CPUID, or until VMCALL; returns the
 * number of exits. */
static uint64_t run_guest(const uint8_t *start, struct guest_registers *guest, uint64_t rounds)
{
    uint64_t exits = 0;
    uint64_t stack = (uint64_t)(guest_stack + sizeof guest_stack - 8);
    if (!vmcs_prepare((uint64_t)start, stack, ept_create()))
        return 0;
    for (; exits < rounds; exits++) {
        if (vm_enter(guest, exits > 0) != VM_EXITED || vmread(EXIT_REASON) != EXIT_CPUID)
            break;
        vmwrite(GUEST_RIP, vmread(GUEST_RIP) + vmread(EXIT_INSTRUCTION_LENGTH));
    }
    return exits;
}

static uint64_t run_vmexit(uint64_t rounds)
{
    struct guest_registers guest = { 0 };
    return run_guest(guest_exits, &guest, rounds);
}

static uint64_t run_vm_crc(uint64_t rounds)
{
    struct guest_registers guest = { .rdi = (uint64_t)run_crc, .rsi = rounds };
    run_guest(guest_calls, &guest, ~0ul);
    return guest.rax;
}

const struct workload kernels[] = {
    { "call", run_call, 3000 },
    { "sort", run_sort, 200 },
    { "crc", run_crc, 800 },
    { "vm-crc", run_vm_crc, 800 },
    { "vmexit", run_vmexit, 500000 },
    { 0 }
};
