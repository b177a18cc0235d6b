// SPDX-License-Identifier: Apache-2.0
// The logical processors: two, if the machine has them.  They take turns: one runs the hypervisor
// and its guests, until it gives a virtual processor or a request to the other.
#include "vmm.h"

enum { SAL_SET_VECTORS = 0x01000000, OS_BOOT_RENDEZ = 2, OTHER = 1, WAIT = 2000000 };
enum { JOIN, LEAVE, RUN };
#define BLOCK 0xfee00000
#define PTE_UNCACHEABLE 0x671
#define BLOCK_PAGE (BLOCK & ~((1ul << VMM_PAGE_LOG2) - 1))

int processors = 1;
volatile u64 turn;
static volatile u64 request, arrived;
static struct vcpu *volatile moved;

static void wait(void) { __asm__ volatile("hint @pause" ::: "memory"); }

void wait_for_turn(u64 me, u64 next)
{
    if (!arrived && me == OTHER) {
        write_itv(0x10000);
        write_tpr(0);
        arrived = 1;
    } else {
        turn = next;
    }
    for (;;) {
        while (turn != me)
            wait();
        if (request == RUN) {
            struct vcpu *v = moved;
            restore(v);
            deliver(v);
            enter(v);
        } else if (request == JOIN) {
            join(0);
        } else {
            leave_environment();
        }
        turn = 1 - me;
    }
}

void move(struct vcpu *v)
{
    save(v);
    moved = v;
    request = RUN;
    idle(turn, 1 - turn);
}

static void ask(u64 what)
{
    u64 me = turn;
    if (processors == 1)
        return;
    request = what;
    turn = 1 - me;
    while (turn != me)
        wait();
}
void join_other(void) { ask(JOIN); }
void leave_other(void) { ask(LEAVE); }

void start_other(u64 sal, u64 wake_up)
{
    volatile u64 *message = (u64 *)(VMM_OFFSET + BLOCK + (OTHER << 12));
    u64 entry = (u64)other_start - VMM_OFFSET;
    check("SAL_SET_VECTORS", !pal_stacked(sal, SAL_SET_VECTORS, OS_BOOT_RENDEZ, entry, 0));
    pin(TR_BLOCK, VMM_OFFSET + BLOCK_PAGE, BLOCK_PAGE | PTE_UNCACHEABLE, VMM_PAGE_LOG2 << 2);
    *message = wake_up;
    unpin(VMM_OFFSET + BLOCK_PAGE, VMM_PAGE_LOG2 << 2);
    for (u64 start = read_itc(); !arrived && read_itc() - start < WAIT;)
        wait();
    processors += (int)arrived;
}
