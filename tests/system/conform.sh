#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# `silverpool conform`: what comes of cases that pass, fail, are skipped, take the machine along and hang; reports;
# shards.  Most runs are of conform_image.sh, which stands in for the image.
. "$(dirname "$0")/lib.sh"
stand_in="$here/conform_image.sh {args}"

# conform CODE ARGUMENTS...: runs the verb; output in $work/out and $work/err.
conform() {
    local code=$1 got
    shift
    timeout 120 "$program" conform "$@" > "$work/out" 2> "$work/err" < /dev/null
    got=$?
    if (( got == code )); then pass; else fail "conform $*: exit code $got, not $code: $(tail -1 "$work/err")"; fi
}
hasnt() { if grep -qF -- "$2" "$1"; then fail "unexpected: $2"; else pass; fi; }

# ---- TAP, and what goes on behind a case that ends the machine ----

conform 1 --target "$stand_in" --timeout 3
has "$work/out" "TAP version 13"
has "$work/out" "1..9"
has "$work/out" "ok 1 - entry.host.cr0-fixed/last-good"
has "$work/out" "not ok 2 - entry.host.cr0-fixed/first-bad"
has "$work/out" 'expected: "error:0x8"'
has "$work/out" 'observed: "error:0x0"'
has "$work/out" "not ok 3 - entry.guest.dies/only"
has "$work/out" 'died: "the simulator ended with exit code 3"'
has "$work/out" "not ok 4 - vmread.hangs/only"
has "$work/out" 'died: "nothing happened any more"'
has "$work/out" "ok 6 - exit.skips/only # SKIP vmx-ept"
has "$work/out" "ok 9 - vpid.good/b"
has "$work/err" "9 cases: 4 passed, 2 failed, 1 skipped, 2 took the machine along"
cp "$work/out" "$work/one"
conform 1 --target "$stand_in" --timeout 3 -j 3
if cmp -s "$work/one" "$work/out"; then pass; else fail "-j 3 reports something else than -j 1"; fi

conform 0 --target "$stand_in" --filter 'vpid.*,exit.s*'
has "$work/out" "1..3"
conform 0 --target "$stand_in" --filter 'vpid.*' --filter 'exit.s*' --list
if [[ $(tr '\n' ' ' < "$work/out") == "exit.skips/only vpid.good/a vpid.good/b " ]]; then pass; else fail "--list"; fi
conform 1 --target "$stand_in" --fail-fast --timeout 3
hasnt "$work/out" vpid

# A line that got lost is a case that nobody heard of; a console that cannot be started anew runs once.
LOSES=1 conform 0 --target "$stand_in" --filter 'exit.*'
has "$work/err" "it ran 2 cases, but 1 were heard of"
CUTS=1 conform 1 --target "$stand_in" --filter 'exit.*'
has "$work/out" "not ok 2 - exit.lost/only"
RESETS=1 conform 1 --target "$stand_in" --filter 'exit.*'
has "$work/out" 'died: "the machine was reset"'
conform 1 --target "$here/conform_image.sh verbose" --timeout 3
has "$work/err" "3 cases: 1 passed, 1 failed, 0 skipped, 1 took the machine along"

# A run that is ended reports what it has.
"$program" conform --target "$stand_in" --timeout 100 > "$work/out" 2> "$work/err" & running=$!
sleep 3
kill "$running"
wait "$running"
if (( $? == 143 )); then pass; else fail "exit code of a run that was ended"; fi
has "$work/out" "1..3"
has "$work/out" "not ok 3 - entry.guest.dies/only"
has "$work/err" "ended by a signal"

# ---- reports ----

conform 1 --target "$stand_in" --timeout 3 --junit "$work/junit" --json "$work/whole" --html "$work/page"
hasnt "$work/out" TAP
has "$work/junit" '<testsuite name="target" tests="9" failures="2" errors="2" skipped="1"'
has "$work/page" 'entry.host.cr0-fixed/first-bad'
if command -v xmllint > /dev/null; then
    if xmllint --noout --schema "$root/tests/conformance/junit.xsd" "$work/junit" 2> "$work/err"; then pass
    else fail "JUnit: $(head -1 "$work/err")"; fi
else
    echo "JUnit's schema is not checked, for want of xmllint"
fi

for k in 3 1 2; do
    timeout 120 "$program" conform --target "$stand_in" --timeout 3 --shard $k/3 --json "$work/shard$k" 2> /dev/null
done
conform 1 merge "$work"/shard? --tap
if cmp -s "$work/one" "$work/out"; then pass; else fail "three shards are not the whole"; fi
conform 1 merge "$work/whole" --junit -
has "$work/out" "<testsuites"

# ---- the image itself ----

conform 0 --filter 'vmcs.field.guest-cr*' --cpu-matrix=max,prescott-vt -j 2 -smp 2 -tlb sticky
has "$work/out" "max -tlb sticky -smp 2: vmcs.field.guest-cr0/read"
has "$work/out" "prescott-vt -tlb sticky -smp 2: vmcs.field.guest-cr0/read"

# ---- what cannot be ----

conform 4 --target 'echo boot failure; false {args}'
has "$work/err" "exit code 1 before the conformance image said anything; the last line: boot failure"
conform 4 merge "$work/junit"
conform 4 merge "$work/nothing"
conform 2 merge
conform 2 --shard 4/3
conform 2 --filter
conform 2 -cpu z80
conform 2 --cpu-matrix=max,z80
conform 2 -cpu max,-vmx
conform 2 --frobnicate
conform 4 --image "$work/junit"

finish
