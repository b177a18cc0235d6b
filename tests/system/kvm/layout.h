// SPDX-License-Identifier: Apache-2.0
// What the guests (guest*.S) and the client that runs them agree upon: where things lie in
// guest-physical memory, the ports and the commands.  Read by the assembler and by the compiler.
#ifndef KVM_CLIENT_LAYOUT_H
#define KVM_CLIENT_LAYOUT_H

// Guest-physical memory: RAM from 0 to RAM_END but for the window of MMIO.
#define VARIABLES 0x600        /* see below */
#define BUFFER 0x8000          /* for the guests' free use */
#define IMAGE 0x10000          /* the guests' code; in real-address mode CS is IMAGE >> 4 */
#define PML4 0x20000
#define PDPT 0x21000           /* for 4-level paging */
#define DIRECTORIES 0x22000    /* four: 4 GiB in 2-MiB pages, one to one */
#define PAE_PDPT 0x26000       /* for PAE paging, with the same directories */
#define DIRECTORY32 0x27000    /* 4 GiB in 4-MiB pages */
#define SPARE_TABLES 0x28000   /* paging structures that the guests make: four pages */
#define GDT 0x30000
#define IDT 0x31000
#define TSS 0x32000
#define TSS_2 0x33000          /* of the second task, 32-bit */
#define STACKS 0x40000         /* vCPU n starts at STACKS + STACK_SIZE * (n + 1) */
#define STACK_SIZE 0x4000
#define STACK_0 0x50000        /* stack for privilege level 0 in the TSS */
#define STACK_3 0x54000        /* stack for privilege level 3 */
#define STACK_TASK 0x58000     /* of the second task */
#define REAL_STACK 0x7000
#define MMIO 0xc0000
#define MMIO_END 0xd0000
#define RAM_END 0x1000000
#define DATA 0x300000          /* for the guests' free use, RAM above 1 MiB */
#define ROM 0x2000000          /* one read-only page, in the tests that ask for it */

// Variables that the exception and interrupt handlers use.
#define RESUME (VARIABLES + 0)     /* an exception returns to this address */
#define LEAVE (VARIABLES + 8)      /* INT LEAVE_VECTOR goes on at this address, at privilege level 0 */
#define EOI_KIND (VARIABLES + 16)  /* 0 none, 1 8259, 2 xAPIC, 3 x2APIC */
#define TICKS (VARIABLES + 24)     /* counts interrupts with vectors from SILENT_VECTOR on */
#define LEVELS (VARIABLES + 32)    /* counts interrupts with LEVEL_VECTOR */
#define NMIS (VARIABLES + 40)      /* counts NMIs */
#define SHARED (VARIABLES + 48)    /* eight quadwords for the vCPUs to talk by */

#define VECTORS 0x80
#define LEVEL_VECTOR 0x4a          /* its line goes down at the second interrupt */
#define LEVEL_LINE 10
#define LEAVE_VECTOR 0x51
#define TASK_VECTOR 0x52           /* its gate is a task gate, in protected mode */
#define SILENT_VECTOR 0x70         /* counts instead of reporting */

// Selectors.
#define CODE32 0x08
#define DATA32 0x10
#define USER_CODE32 0x18
#define USER_DATA 0x20
#define USER_CODE64 0x28
#define CODE64 0x38
#define DATA64 0x40
#define TSS_SELECTOR 0x48
#define CODE16 0x58
#define DATA16 0x60
#define TSS_2_SELECTOR 0x68
#define CALL_GATE 0x70
#define GDT_BYTES 0x78

// Ports.
#define PORT_REPORT 0xe0           /* OUT EAX: one more value of this vCPU */
#define PORT_DONE 0xe2             /* OUT AL: this vCPU has finished */
#define PORT_COMMAND 0xe4          /* OUT AL: a command */
#define PORT_STREAM 0x100          /* IN: bytes 1, 2, 3 ...; OUT: kept for COMMAND_SUM */

#define COMMAND_SUM 1              /* reports the bytes written to PORT_STREAM: number << 16 | sum of k * byte k */
#define COMMAND_INTERRUPT 2        /* KVM_INTERRUPT with vector 40H, as soon as the guest can take it */
#define COMMAND_ON_HLT 3           /* the same after the next HLT */
#define COMMAND_NMI 4
#define COMMAND_MSI 5              /* vector 45H to APIC 0 */
#define COMMAND_MMIO 6             /* reports the numbers of MMIO reads << 16 | writes since the last time */
#define COMMAND_DIRTY 7            /* reports number and sum of the numbers of the dirty pages from DATA on */
#define COMMAND_ROM 8              /* gives ROM other contents */
#define COMMAND_SMI 9
#define COMMAND_NOTHING 10
#define COMMAND_PULSE 0x20         /* + n: line n up and down */
#define COMMAND_UP 0x40
#define COMMAND_DOWN 0x60
#endif
