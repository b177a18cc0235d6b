#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Debian's memtest86+ on the serial console, its 64-bit and its 32-bit program: to the test screen on one and on four
# processors, and a whole pass over little memory without an error.
. "$(dirname "$0")/lib.sh"
. "$here/linux_lib.sh"
need memtest86+

# screen NAME BITS KEYS INSTRUCTIONS OPTION...: runs with KEYS typed at the console; what it wrote, without the escape
# sequences that place it, goes to NAME.
screen() {
    local name=$1 bits=$2 keys=$3 instructions=$4 code
    shift 4
    printf '%s' "$keys" | timeout 300 "$program" -kernel "$packages/boot/memtest86+$bits.bin" \
        -append "console=ttyS0,115200" -serial stdio --max-insns "$instructions" "$@" > "$work/raw" 2> "$work/err"
    code=$?
    sed 's/\x1b\[[0-9;?]*[A-Za-z]/\n/g' "$work/raw" > "$work/$name"
    (( code == 102 )) && pass || fail "$name: exit code $code, not 102 (budget spent): $(tail -1 "$work/err")"
    has "$work/$name" "Memtest86+ v"
    has "$work/$name" "| Silverpool virtual processor"
    has "$work/$name" "CLK/Temp: 999MHz"
    has "$work/$name" "#0  [Address test, walking ones, no cache]"
    has "$work/$name" "Using: Core #0"
    has "$work/$name" "Using: All Cores"
    has "$work/$name" "Errors: 0"
    if grep -E 'Errors: *[1-9]' "$work/$name"; then fail "$name: memory errors"; fi
}

# Starting up empties the UART's receiver, so the first key is lost; Enter ends the wait for the configuration.
start=$'x\r'
# Configuration, test selection, remove test 10, back, back.  Test 10 only waits: for minutes.
without_bit_fade=$'x11210\r00'

screen pass x64 "$without_bit_fade" 8000000000 -m 6
has "$work/pass" "Memory  :    6MB"
has "$work/pass" "CPU: 1 Cores 1 Threads    SMP: Disabled"
has "$work/pass" "#9  [Modulo 20, random pattern]"
has "$work/pass" "Status: Pass"
has "$work/pass" "Pass:  1        Errors: 0"
screen four x64 "$start" 3000000000 -m 16 -smp 4
has "$work/four" "CPU: 4 Cores 4 Threads    SMP: 4T (PAR)"
screen one32 ia32 "$start" 3000000000 -m 16
has "$work/one32" "CPU: 1 Cores 1 Threads    SMP: Disabled"
screen four32 ia32 "$start" 3000000000 -m 16 -smp 4
has "$work/four32" "CPU: 4 Cores 4 Threads    SMP: 4T (PAR)"
(( failed )) && for name in pass four one32 four32; do echo "--- $name"; grep -v '^ *$' "$work/$name" | tail -n 20; done
finish
