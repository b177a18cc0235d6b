#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A run with input and an end from outside, and the same again from its record: the same output, state and trace.  Filters:
# what passes, and that a filtered trace changes nothing.
#   replay.sh PROGRAM LINES GUESTS
set -uo pipefail
program=$1 lines=$2 guests=$3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0
fail() { echo "FAIL: $*"; failed=1; }

# Sends each byte that COM1 receives back: mov dx,3fdh; in al,dx; test al,1; jz; mov dx,3f8h; in al,dx; out dx,al; jmp
printf '\xba\xfd\x03\xec\xa8\x01\x74\xf8\xba\xf8\x03\xec\xee\xeb\xf1' > "$work/echo"
options=(--load "$work/echo@0x7c00" --seed 5 --stats --trace-events exec,io)
run() { "$program" "${options[@]}" "$@" 2> "$work/err"; }
# shows TEXT: waits until the recorded run has sent it.
shows() {
    local k
    for k in {1..600}; do grep -q "$1" "$work/a.out" && return; sleep 0.05; done
    fail "no echo of $1"
}

mkfifo "$work/keys"
"$program" "${options[@]}" -record "$work/record" -trace "$work/a" < "$work/keys" > "$work/a.out" 2> "$work/err" &
recorded=$!
exec 3> "$work/keys"
printf 'hello ' >&3
shows "hello "
printf 'world\n' >&3
shows "hello world"
kill -TERM $recorded
wait $recorded
[[ $? == 143 ]] || fail "the recorded run: $(cat "$work/err")"
exec 3>&-
run -replay "$work/record" -trace "$work/b" < /dev/null > "$work/b.out"
[[ $? == 143 ]] || fail "the replayed run: $(cat "$work/err")"
cmp "$work/a.out" "$work/b.out" || fail "another output or state"
cmp "$work/a" "$work/b" || fail "another trace"
sed -i '$s/ /x/' "$work/record"
run -replay "$work/record" -trace /dev/null < /dev/null > /dev/null
[[ $? == 4 ]] && grep -q "record: offset [0-9]*: damaged" "$work/err" || fail "a damaged record"

# filtered EXPRESSION: the lines of instructions that pass.
plain=$("$program" -kernel "$guests/demo.elf" -serial none --stats < /dev/null 2> /dev/null | grep hash)
filtered() {
    local hash
    hash=$("$program" -kernel "$guests/demo.elf" -serial none --stats -trace "$work/f" ${1:+--trace-filter "$1"} < /dev/null \
        2> /dev/null | grep hash)
    [[ $hash == "$plain" ]] || fail "$1: another state"
    "$lines" "$work/f" | grep ' insn [0-9a-f]* [0-9a-f]* [0-9a-f]' > "$work/got"
}
# passes EXPRESSION AWK: exactly the instructions that the AWK expression chooses among all.  Fields: 1 time, 5 address, 10
# CPL, 11 operation.
filtered ""
cp "$work/got" "$work/all"
passes() {
    filtered "$1"
    awk "$2" "$work/all" > "$work/wanted"
    [[ -s $work/wanted ]] || fail "$1: nothing to pass"
    cmp -s "$work/got" "$work/wanted" || fail "$1: $(wc -l < "$work/got") instructions, not $(wc -l < "$work/wanted")"
}
middle=$(awk 'NR == 5000 { print $5 }' "$work/all")
passes operation=non-root '$11 == 2'
passes operation=root,time=12000-20000 '$11 == 1 && $1 >= 12000 && $1 < 20000'
passes "address=0x$middle" "\$5 == \"$middle\""
passes "start=0x$middle" "\$5 == \"$middle\" { on = 1 } on"
passes "stop=0x$middle" "\$5 == \"$middle\" { off = 1 } !off"
passes "cpl=0" '1'
filtered cpl=3
[[ ! -s $work/got ]] || fail "CPL 3"
(( failed )) || echo "passed"
exit $failed
