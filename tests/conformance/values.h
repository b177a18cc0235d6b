// SPDX-License-Identifier: Apache-2.0
// Values at the boundaries that many checks share.
#ifndef CONFORMANCE_VALUES_H
#define CONFORMANCE_VALUES_H

#include "suite.h"
#include "vm.h"

enum { CANONICAL_VALUES = 24, PAT_VALUES = 8 * 10 };

static inline bool is_canonical(uint64_t v)
{
    unsigned spare = 64 - cap.linear_bits;
    return (uint64_t)((int64_t)(v << spare) >> spare) == v;
}

/* The edges of canonical addresses, and single bits from 47 on; `name` gets the variant. */
uint64_t canonical_value(unsigned k, char name[32]);
/* IA32_PAT with one byte changed, and whether that is valid. */
uint64_t pat_value(unsigned k, char name[32], bool *valid);
/* WRMSR in the host tells which bits are reserved; the MSR keeps `normal`. */
bool msr_takes(uint32_t index, uint64_t value, uint64_t normal);
/* Enters, and expects VM-instruction error 8, or exit reason 33 with the qualification. */
void expect_host(bool valid);
void expect_guest(bool valid, uint64_t qualification);

#endif
