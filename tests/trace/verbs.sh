#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# silverpool trace dump, stat, grep, diff, slice: verbs.sh PROGRAM MAKE_TRACE GUESTS
make=$2 folder=$(cd "$(dirname "$0")" && pwd)
. "$folder/../system/lib.sh" "$1" . "$3"
trace() { timeout 100 "$program" trace "$@"; }
# gives CODE TEXT WORDS...: exit code, and the text in what is printed, whichever way.
gives() {
    local code=$1 text=$2 got
    shift 2
    trace "$@" > "$work/out" 2>&1 < /dev/null
    got=$?
    if (( got != code )); then fail "trace $* : exit code $got, not $code: $(head -1 "$work/out")"
    elif [[ -n $text ]] && ! grep -qF -- "$text" "$work/out"; then fail "trace $* : no line with '$text': $(head -3 "$work/out")"
    else pass; fi
}
lines() { [[ $(wc -l < "$work/out") == "$1" ]] && pass || fail "$(wc -l < "$work/out") lines, not $1"; }

cd "$work" || exit 1
"$make" a 2000 cpus=2 && "$make" again 2000 cpus=2 && "$make" planted 2000 cpus=2 plant=1500 || exit 1
"$make" noise 2000 cpus=2 noise=10 && "$make" noise2 2000 cpus=2 noise=31 || exit 1
"$make" both 2000 cpus=2 noise=31 plant=1500 && "$make" short 64 && "$make" longer 100 || exit 1

# ---- the text is these bytes ----
trace dump short > text && cmp text "$folder/short.txt" && pass || fail "the text of a trace changed"
trace dump a > text; trace dump again | cmp - text && pass || fail "two dumps differ"
gives 0 '"event":"insn","cpu":0,"time":0,"index":0,"address":"0x100000"' dump short --json
python3 -c 'import json, sys; [json.loads(line) for line in sys.stdin]' < out && pass || fail "dump --json is not JSON"
gives 0 "1000 1 64r0 0000000000100005" dump a --time --from 1000 --until 1001
lines 1

# ---- conditions ----
gives 0 "rax=0x20" grep a --register rax=0x20; lines 1
gives 0 "125" grep a --exit io-instruction --count
gives 0 "500" grep a --event vm_exit --count
gives 1 "" grep a --memory 0x300000 --writes
gives 0 "r8[0x300000]" grep a --memory 0x300007 --cpu 1; lines 1000
gives 0 "vm_exit" grep a --address 0x200001 --exit cpuid; lines 375
gives 0 "rax=0x20" grep a --register rax=0x20 --context 1; lines 3
gives 0 "125" grep a --exit io-instruction --count --context 2; lines 1

# ---- tables ----
gives 0 "IO_INSTRUCTION                      125" stat a
gives 0 "CPUID                          VM_EXIT_REASON                        375          0" stat a
gives 0 '"name":"CPUID","count":375' stat a --json
python3 -m json.tool out > /dev/null && pass || fail "stat --json is not JSON"

# ---- differences ----
gives 0 "the traces are equal" diff a again
gives 1 "the bytes of the instruction" diff a planted
grep -q "^- .*mov eax, 0x123" out && grep -q "^+ .*mov eax, 0xbad" out && pass || fail "diff does not show both sides"
gives 1 '"differ":true' diff --json a planted
gives 1 "what happened" diff noise noise2
gives 0 "differ by timing alone" diff --align noise noise2
gives 1 "mov eax, 0xbad" diff --align noise both
gives 1 "(the end of short)" diff short longer

# Equal chunks are not read: this takes no longer than the difference of the short ones.
"$make" long 2000000 && "$make" long2 2000000 plant=1300000 || exit 1
timeout 5 "$program" trace diff long long2 > out
[[ $? == 1 ]] && grep -q "^the traces part at machine time 7475000 " out && pass || fail "diff of long traces: $(head -1 out)"
rm long long2

# ---- parts ----
gives 0 "" slice a --from 1000 --until 2000 -o part
trace dump part > got; trace dump a --from 1000 --until 2000 | cmp - got && pass || fail "a slice is not its part"

# ---- hostile: events with whatever values ----
for (( seed = 1; seed <= 3; seed++ )); do
    "$make" wild 400 cpus=3 wild=$seed && "$make" other 400 cpus=3 wild=$((seed + 100)) || exit 1
    for words in "dump wild --json" "dump wild --physical --time" "stat wild" "stat wild --json" \
        "slice wild --from 1K --until 1G -o part" "diff wild wild --align" "html wild -o page" \
        "convert wild --to perfetto -o page" "convert wild --to folded -o page" \
        "convert wild --to champsim -o page" "convert wild --to drmemtrace -o page"; do
        gives 0 "" $words
        grep -q "runtime error" out && fail "trace $words: $(head -1 out)"
    done
    gives 1 "the traces part" diff wild other
    gives 1 "the traces part" diff wild other --align
done

# ---- a guest's trace ----
demo() {    # demo FILE OPTIONS...
    timeout 100 "$program" -kernel "$guests/demo.elf" -serial none -device isa-debug-exit,iobase=0xf4,iosize=4 \
        -trace "$1" --trace-events full "${@:2}" < /dev/null 2> /dev/null
}
demo one --stats=json > stats; demo two > /dev/null; demo less -max-insns 30000 > /dev/null
trace dump one > got; trace dump two | cmp - got && pass || fail "two runs give two traces"
gives 0 "the traces are equal" diff one two
gives 1 "+ 0 stop " diff one less
exits=$(python3 -c 'import json; print(json.loads(open("stats").readlines()[-1])["vm_exits"])')
gives 0 "$exits" grep one --event vm_exit --count
gives 0 "<handle_exit+" grep one --symbol handle_exit --kernel "$guests/demo.elf"
gives 0 " 64n0 " dump one --event insn --operation non-root
grep -vq " 64n0 " out && fail "dump --operation non-root shows another one" || pass
gives 0 "" slice one --from 20K --until 30K -o part
trace dump part > got; trace dump one --from 20K --until 30K | cmp - got && pass || fail "a slice is not its part"

# ---- wrong words ----
gives 2 "expected dump, stat" frobnicate
gives 2 "expected FILE (--help)" dump
gives 2 "unknown option" dump --align a
gives 2 "--event nothing: expected LIST" grep a --event nothing
gives 2 "--exit nothing: expected REASON" grep a --exit nothing
gives 2 "expected -o FILE" slice a
gives 2 "is the trace that is to be read" slice a -o ./a
gives 2 "is the trace that is to be read" dump a -o a
gives 4 "No such file" dump nothing
for verb in dump stat grep diff slice convert html; do gives 0 "trace $verb" $verb --help; done

# ---- damage: one line with the file, exit code 4, for a file that is cut or has a wrong byte anywhere ----
size=$(stat -c %s short)
bad() {     # bad WHAT VERB...
    local what=$1 got
    shift
    trace "$@" > /dev/null 2> err < /dev/null
    got=$?
    (( got == 4 )) && [[ $(wc -l < err) == 1 ]] && grep -q "^silverpool: bad" err && pass ||
        fail "$what: $1 gives exit code $got: $(head -2 err)"
}
verbs=("dump bad" "stat bad" "grep bad --event vmx" "diff bad short" "slice bad -o part" "html bad -o page"
       "convert bad --to perfetto -o page" "convert bad --to folded -o page" "convert bad --to champsim -o page"
       "convert bad --to drmemtrace -o page")
step=$((size / 60 + 1))
for (( at = 0, n = 0; at < size; at += step, n++ )); do
    head -c $at short > bad
    bad "cut at $at" ${verbs[n % ${#verbs[@]}]}
    cp short bad
    printf "\\x$(printf %x $(( $(od -An -tu1 -j$at -N1 short) ^ 0x41 )))" | dd of=bad bs=1 seek=$at conv=notrunc status=none
    (( n % ${#verbs[@]} == 3 )) ||      # diff does not read what hashes say is equal
        bad "wrong byte at $at" ${verbs[n % ${#verbs[@]}]}
done
finish
