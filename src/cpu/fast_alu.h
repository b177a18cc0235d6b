// SPDX-License-Identifier: Apache-2.0
// Arithmetic on values for the fast forms: r and the lazy flags from a and b, at 4 and 8 bytes.
#ifndef SP_CPU_FAST_ALU_H
#define SP_CPU_FAST_ALU_H

#include "cpu/flags.h"

/* A register's low bytes; 32-bit results clear the upper half. */
#define REG(T, r) ((T)c->gpr[r])
#define SET(T, r, v) (c->gpr[r] = last = (T)(v))

/* Each computes r from a and b (type T, S its signed twin) and leaves res and aux. */
#define ALU_ADD(T, S) T r = (T)(a + b); aux = aux_of_carries(carries_of_add(a, b, r), sizeof(T)); res = (uint64_t)(S)r
#define ALU_SUB(T, S) T r = (T)(a - b); aux = aux_of_carries(carries_of_sub(a, b, r), sizeof(T)); res = (uint64_t)(S)r
#define ALU_ADC(T, S)                                                                            \
    T r = (T)(a + b + lazy_cf(aux));                                                             \
    aux = aux_of_carries(carries_of_add(a, b, r), sizeof(T));                                    \
    res = (uint64_t)(S)r
#define ALU_SBB(T, S)                                                                            \
    T r = (T)(a - b - lazy_cf(aux));                                                             \
    aux = aux_of_carries(carries_of_sub(a, b, r), sizeof(T));                                    \
    res = (uint64_t)(S)r
#define ALU_AND(T, S) T r = a & b; aux = 0; res = (uint64_t)(S)r
#define ALU_OR(T, S) T r = a | b; aux = 0; res = (uint64_t)(S)r
#define ALU_XOR(T, S) T r = a ^ b; aux = 0; res = (uint64_t)(S)r

/* Conditions for a compare whose operands are at hand: cheaper than lazy flags. */
#define COND_O(a, b, S) lazy_condition(0, res, aux)
#define COND_NO(a, b, S) lazy_condition(1, res, aux)
#define COND_B(a, b, S) ((a) < (b))
#define COND_AE(a, b, S) ((a) >= (b))
#define COND_Z(a, b, S) ((a) == (b))
#define COND_NZ(a, b, S) ((a) != (b))
#define COND_BE(a, b, S) ((a) <= (b))
#define COND_A(a, b, S) ((a) > (b))
#define COND_S(a, b, S) ((int64_t)res < 0)
#define COND_NS(a, b, S) ((int64_t)res >= 0)
#define COND_P(a, b, S) lazy_condition(10, res, aux)
#define COND_NP(a, b, S) lazy_condition(11, res, aux)
#define COND_L(a, b, S) ((S)(a) < (S)(b))
#define COND_GE(a, b, S) ((S)(a) >= (S)(b))
#define COND_LE(a, b, S) ((S)(a) <= (S)(b))
#define COND_G(a, b, S) ((S)(a) > (S)(b))

#define FOR_EACH_CONDITION(X, ...)                                                               \
    X(O, __VA_ARGS__) X(NO, __VA_ARGS__) X(B, __VA_ARGS__) X(AE, __VA_ARGS__) X(Z, __VA_ARGS__)  \
    X(NZ, __VA_ARGS__) X(BE, __VA_ARGS__) X(A, __VA_ARGS__) X(S, __VA_ARGS__) X(NS, __VA_ARGS__) \
    X(P, __VA_ARGS__) X(NP, __VA_ARGS__) X(L, __VA_ARGS__) X(GE, __VA_ARGS__) X(LE, __VA_ARGS__) \
    X(G, __VA_ARGS__)

#endif
