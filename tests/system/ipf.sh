#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Itanium programs in physical mode: Ski's simulator calls, several processors, exit codes, damaged images; and where ../shared is, the
# torture programs of GCC and the benchmark with its checksums.
. "$(dirname "$0")/lib.sh"
hello=$root/tests/guest/ipf/hello.elf
smp=$root/tests/guest/ipf/smp.elf
guests=${SILVERPOOL_IA64:-$root/../shared/guests/ia64}

# expect CODE TEXT ARGUMENTS...: the exit code, and one line with TEXT on standard error (none if TEXT is empty).
expect() {
    local code=$1 text=$2 got
    shift 2
    timeout 240 "$program" "$@" < /dev/null > "$work/out" 2> "$work/err"
    got=$?
    if (( got != code )); then
        fail "$* : exit code $got, not $code: $(head -1 "$work/err")"
    elif [[ -n $text ]] && ! { (( $(wc -l < "$work/err") == 1 )) && grep -qF -- "$text" "$work/err"; }; then
        fail "$* : expected one line with '$text', got: $(cat "$work/err")"
    else
        pass
    fi
}

# Console, arguments, files, exit.
mkdir "$work/folder"
printf 'a line of the file' > "$work/folder/greeting"
printf 'outside' > "$work/secret"
ln -s ../secret "$work/folder/link"
expect 42 "" -kernel "$hello" "--ssc=$work/folder" -append "one two" --stats=json
[[ $(head -3 "$work/out") == $'hello\none two\na line of the file' ]] && pass || fail "hello: $(cat "$work/out")"
cp "$work/out" "$work/first"
expect 42 "" -kernel "$hello" "--ssc=$work/folder" -append "one two" --stats=json
cmp -s "$work/out" "$work/first" && pass || fail "two runs differ"
expect 42 "" -kernel "$hello" --ssc
[[ $(cat "$work/out") == $'hello\n' || $(cat "$work/out") == hello ]] && pass || fail "no folder: $(cat "$work/out")"
mv "$work/folder/link" "$work/folder/greeting"                     # a link that leads out of the folder
expect 42 "" -kernel "$hello" "--ssc=$work/folder"
grep -q outside "$work/out" && fail "a file outside the folder was read" || pass
gzip -k < "$hello" > "$work/hello.gz"
expect 42 "" -kernel "$work/hello.gz" --ssc
expect 100 "" -kernel "$hello" --max-insns 100000                  # no calls: there is no handler for the break
has "$work/err" "at last BREAK at ip 0x2c00"
has "$work/err" "ssc_call (vol. 3, break)"
has "$work/err" "zero_bundle (vol. 3, break)"
expect 100 "" -kernel "$hello" --json -D "$work/log" -d int
has "$work/err" '"rule":{"id":"zero_bundle"'
has "$work/log" "int BREAK at 0x2c00 slot 0, isr 0x8000000000, PSR.ic = 0"
expect 2 "No such file" -kernel "$hello" "--ssc=$work/nothing"
expect 6 "has no -device" -kernel "$hello" -device isa-debug-exit,iobase=0xf4,iosize=4
expect 2 "goes with a -kernel for Itanium" --load "$hello@0x10000" --ssc
expect 4 "not in the guest's RAM" -kernel "$hello" -m 1M
expect 6 "has no -cpu-matrix" -kernel "$hello" --cpu-matrix=max
expect 42 "" -kernel "$hello" --ssc -cpu itanium2,-vti,impl-va-msb=50
expect 2 "an Itanium machine has itanium2" -kernel "$hello" --ssc -cpu skylake
expect 2 "itanium2,+avx: +avx: expected +vti" -kernel "$hello" --ssc -cpu itanium2,+avx

# Several processors, twice the same.
ring=$(printf '%s' {1..9} : ';' '<' = '>' '?')
for row in "2 02 11" "4 04 123123" "16 16 $ring$ring"; do
    read -r count text <<< "$row"
    expect 0 "" -kernel "$smp" -smp "$count" --ssc --stats=json
    [[ $(head -1 "$work/out") == "$text" ]] && pass || fail "-smp $count: $(cat "$work/out")"
    cp "$work/out" "$work/first"
    expect 0 "" -kernel "$smp" -smp "$count" --ssc --stats=json
    cmp -s "$work/out" "$work/first" && pass || fail "two runs on $count processors differ"
done
expect 0 "" -kernel "$smp" -smp 64 --ssc
expect 102 "" -kernel "$smp" -smp 3 --ssc --max-insns 1M
expect 2 "from 1 to 64" -kernel "$smp" -smp 65 --ssc

# Cut and wrong files.
size=$(stat -c %s "$hello")
for (( n = 20; n < size; n += 97 )); do
    head -c "$n" "$hello" > "$work/cut"
    expect 4 "$work/cut: offset" -kernel "$work/cut" --ssc --max-insns 100000
done
{ head -c 5 "$hello"; printf '\2'; head -c 18 "$hello" | tail -c 12; printf '\0\62'; tail -c +21 "$hello"; } > "$work/wrong"
expect 4 "big-endian" -kernel "$work/wrong" --ssc
{ head -c 4 "$hello"; printf '\1'; tail -c +6 "$hello"; } > "$work/wrong"
expect 4 "" -kernel "$work/wrong" --ssc

[[ -d $guests ]] || finish

# Linux 6.1 boots through firmware, tables and devices to its /init, and powers off.
expect 0 "" -kernel "$guests/vmlinux-6.1" -m 512 --stats=json
for line in "PCDP: v3" "ttyS0 at I/O 0x3f8" "INIT: userland reached" "vendor     : GenuineIntel" \
    "INIT: sum d9d08509e1acb731" "INIT: done" "reboot: Power down"; do
    has "$work/out" "$line"
done
cp "$work/out" "$work/first"
expect 0 "" -kernel "$guests/vmlinux-6.1" -m 512 --stats=json
cmp -s "$work/out" "$work/first" && pass || fail "two boots of Linux differ"
for count in 2 4; do
    expect 0 "" -kernel "$guests/vmlinux-6.1" -m 512 -smp "$count" --stats=json
    has "$work/out" "smp: Brought up 1 node, $count CPUs"
    has "$work/out" "INIT: sum d9d08509e1acb731"
    (( $(grep -c '^processor  *:' "$work/out") == count )) && pass || fail "not $count processors in /proc/cpuinfo"
    cp "$work/out" "$work/first"
    expect 0 "" -kernel "$guests/vmlinux-6.1" -m 512 -smp "$count" --stats=json
    cmp -s "$work/out" "$work/first" && pass || fail "two boots of Linux on $count processors differ"
done
expect 0 "" -kernel "$guests/vmlinux-6.1" -m 512 -smp 64
has "$work/out" "smp: Brought up 1 node, 64 CPUs"
expect 0 "" -kernel "$guests/vmlinux-6.1" -m 512 -d int,walk -D "$work/log" -initrd "$hello" -append "console=ttyS0,115200"
has "$work/out" "Kernel command line: console=ttyS0,115200"
has "$work/out" "INIT: done"
has "$work/log" "int EXTERNAL_INTERRUPT at"
has "$work/log" "int BREAK at"
has "$work/log" "DTLB       no translation  <-- RR.ve is 0"
expect 102 "" -kernel "$guests/vmlinux-6.1" -m 512 --max-insns 20M
expect 4 "not in the guest's RAM" -kernel "$guests/vmlinux-6.1" -m 64

expect 0 "" -kernel "$guests/bench.elf" --ssc
for line in "alu 1d38fa0ce9e758e1" "call 00000000000cb228" "sort ed5a19d45595f16e" "crc 00000000116a63fb" \
    "mat ffffffff045e8000" "copy 0b1019262f343d4d"; do
    has "$work/out" "END $line"
done

# Four cannot pass as they are compiled: main() of 20040409-3w calls abort() at once; pr64242 saves five words of a
# jump buffer that has six on Itanium, and reads AR.PFS from the sixth; main() of 930529-1 is a branch to itself;
# nestfunc-5 goes to the address of a function descriptor.
declare -A known=([20040409-3w]=134 [pr64242]=134 [930529-1]=102 [nestfunc-5]=100)
for file in "$guests"/torture/*.elf; do
    name=$(basename "$file" .elf)
    expect "${known[$name]:-0}" "" -kernel "$file" --ssc --max-insns 300M
done
finish
