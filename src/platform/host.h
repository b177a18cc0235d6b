// SPDX-License-Identifier: Apache-2.0
// What the devices ask of the machine around them: the time, and the effects they cannot have
// alone.
#ifndef SP_PLATFORM_HOST_H
#define SP_PLATFORM_HOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NEVER UINT64_MAX                        /* a deadline that does not come */
#define TICKS_PER_SECOND UINT64_C(1000000000)   /* 1 tick = 1 ns                 */

enum platform_stop {
    PLATFORM_DEBUG_EXIT,
    PLATFORM_POWER_OFF,
    PLATFORM_RESET,
    PLATFORM_NOT_MODELLED
};

/* Every function is called with `context`; all are set. */
struct platform_host {
    void *context;
    uint64_t (*now)(void *context);     /* the current tick            */
    void (*changed)(void *context);     /* a deadline may have moved   */
    unsigned (*current)(void *context); /* the processor whose access is being served */
    void (*interrupt)(void *context, unsigned cpu, bool level); /* its INTR                    */
    void (*nmi)(void *context, unsigned cpu);
    void (*smi)(void *context, unsigned cpu);
    void (*init)(void *context, unsigned cpu);
    void (*startup)(void *context, unsigned cpu, uint8_t vector); /* SIPI                        */
    uint64_t (*tsc_offset)(void *context, unsigned cpu);          /* its TSC minus the tick      */
    void (*a20)(void *context, bool open); /* the A20 gate: address line 20 */
    void (*stop)(void *context, enum platform_stop reason, uint64_t value, const char *text);
};

static inline uint64_t host_now(const struct platform_host *h) { return h->now(h->context); }
static inline void host_changed(const struct platform_host *h) { h->changed(h->context); }

/* One wire into an interrupt controller. */
struct irq_line {
    void (*set)(void *context, unsigned line, bool level);
    void *context;
    unsigned line;
};
static inline void irq_set(const struct irq_line *l, bool level)
{
    if (l->set)
        l->set(l->context, l->line, level);
}

/* v * mul / div without overflow, rounded down or up. */
static inline uint64_t scale_down(uint64_t v, uint64_t mul, uint64_t div)
{
    return (uint64_t)((unsigned __int128)v * mul / div);
}
static inline uint64_t scale_up(uint64_t v, uint64_t mul, uint64_t div)
{
    return (uint64_t)(((unsigned __int128)v * mul + div - 1) / div);
}
static inline uint64_t earlier(uint64_t a, uint64_t b) { return a < b ? a : b; }

/* Where a character device's output goes; write may be NULL (dropped).  read returns a byte or -1.
 */
struct char_sink {
    void (*write)(void *user, const uint8_t *bytes, size_t n);
    int (*read)(void *user);
    void *user;
};

#endif
