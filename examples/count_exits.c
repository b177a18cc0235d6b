/* SPDX-License-Identifier: Apache-2.0 */
/* Runs a hypervisor and counts its VM exits by reason.   usage: count_exits KERNEL [ARGS] */
#include <inttypes.h>
#include <silverpool/silverpool.h>
#include <stdio.h>

static void count(void *user, struct sp_machine *m, const struct sp_event *event)
{
    uint64_t *exits = user;
    exits[event->reason % 128]++;
}

int main(int argc, char **argv)
{
    char why[256];
    uint64_t exits[128] = { 0 };
    struct sp_config config = { .ram_size = 256 << 20, .debug_exit_port = 0xf4 };
    struct sp_limits limits = { .max_insns = 100000000 };
    struct sp_stop_report stop;
    struct sp_machine *m = sp_machine_create(&config, why, sizeof why);
    if (!m || argc < 2) {
        fprintf(stderr, "%s\n", m ? "usage: count_exits KERNEL [ARGS]" : why);
        return 2;
    }
    sp_hook_set(m, SP_EVENT_VM_EXIT, count, exits);
    if (!sp_load_kernel(m, argv[1], argc > 2 ? argv[2] : NULL, NULL)) {
        fprintf(stderr, "%s\n", sp_last_failure(m));
        return 4;
    }
    sp_run(m, &limits, &stop);
    printf("%" PRIu64 " instructions; %s\n", sp_instructions(m), stop.text);
    for (unsigned k = 0; k < 128; k++)
        if (exits[k])
            printf("%8" PRIu64 "  %s\n", exits[k], sp_exit_reason_name(k));
    sp_machine_destroy(m);
    return 0;
}
