#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Golden traces: golden.sh PROGRAM GUESTS COMPILER [--write]
# Runs the guests and compares their traces with those in traces/, byte by byte; --write puts them there instead.
# Compilers make other code of the same guests: with another one than traces/compiler names there is nothing to compare.
set -u
program=$(realpath "$1") guests=$2 compiler=$3 write=${4:-}
golden=$(cd "$(dirname "$0")/../.." && pwd)/traces
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# golden NAME EVENTS OPTIONS...: what dump prints of the guest NAME.
golden() {
    local name=$1 events=$2
    shift 2
    timeout 100 "$program" -kernel "$name.elf" -serial none -device isa-debug-exit,iobase=0xf4,iosize=4 \
        -trace "$work/trace" --trace-events full < /dev/null > /dev/null 2> "$work/err"
    "$program" trace dump "$work/trace" --kernel "$name.elf" --event "$events" "$@" > "$work/$name.txt" ||
        { echo "$name: $(tail -1 "$work/err")"; exit 1; }
    if [[ $write ]]; then
        cp "$work/$name.txt" "$golden/$name.txt"
    elif ! cmp "$golden/$name.txt" "$work/$name.txt"; then
        diff "$golden/$name.txt" "$work/$name.txt" | head -20
        status=1
    fi
}

version=$("$compiler" --version | head -1 | cut -d" " -f2-)
[[ $write ]] && mkdir -p "$golden" && echo "$version" > "$golden/compiler"
[[ $version == "$(< "$golden/compiler")" ]] || { echo "SKIPPED: the guests are made by $version"; exit 77; }
status=0
cd "$guests" || exit 1     # guests see the name of their file
golden env insn,exceptions,interrupts,io,msr,tlb,stop
golden demo insn,vmx,exceptions,interrupts,msr,stop --operation non-root
golden shadow insn,vmx,exceptions,interrupts,msr,stop --operation non-root
[[ $write ]] || (( status )) || echo "the traces are the golden ones"
exit $status
