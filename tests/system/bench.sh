#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The fixed workloads of ../shared/bench, where they are there: every checksum.
. "$(dirname "$0")/lib.sh"
guest=${SILVERPOOL_BENCH:-$root/../shared/bench/bench.elf}
[[ -f $guest ]] || { echo "skipped: no $guest"; exit 77; }

timeout 800 "$program" -kernel "$guest" -m 1024 -serial stdio -device isa-debug-exit,iobase=0xf4,iosize=4 \
    < /dev/null > "$work/out" 2> "$work/err"
code=$?
(( code == 1 )) && pass || fail "exit code $code: $(tail -3 "$work/err")"
while read -r name checksum; do
    has "$work/out" "END $name $checksum"
done << 'LIST'
alu 2e89cc43c2119367
call 0000000002547029
sort 46474d747d5e0974
crc 00000000c4ea2f77
tlb 56efcef0160eef52
mat fffffff62bb10000
rep 0000000000000006
sys 0000000001ab3f00
vmexit 00000000000f4240
vmexit-ept 00000000000f4240
vm-crc-sort 46474d74b9b42603
LIST
has "$work/out" "DONE"
finish
