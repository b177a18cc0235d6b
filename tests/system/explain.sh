#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The verb "explain": the dumps of tests/dumps, parts of them, and what is no dump; explanations of runs in JSON.
. "$(dirname "$0")/lib.sh"
dumps=$root/tests/dumps

# explain CODE ARGUMENTS...: standard output goes to $work/out, standard error to $work/err.
explain() {
    local code=$1 got
    shift
    timeout 60 "$program" explain "$@" > "$work/out" 2> "$work/err" < "${input:-/dev/null}"
    got=$?
    (( got == code )) && pass || fail "explain $*: exit code $got, not $code: $(head -1 "$work/err")"
}
# ids PATTERN: the checks whose lines begin so.
ids() { sed -n -E "s/^($1) ([a-z0-9_]+): SDM.*/\\2/p" "$work/out" | tr '\n' ' ' | sed 's/ $//'; }

# ---- what each dump breaks, and what it leaves open ----

while IFS='|' read -r file options broken undecided; do
    read -r file <<< "$file"
    [[ $file == \#* ]] && continue
    read -r broken <<< "$broken"
    [[ $options == " - " ]] && options=
    broken=${broken#-}
    # shellcheck disable=SC2086
    explain $(( ${#broken} > 0 )) -v $options "$dumps/$file"
    [[ $(ids '->|  ') == "$broken" ]] && pass || fail "$file: broken are '$(ids '->|  ')', not '$broken'"
    [[ -z $broken ]] && has "$work/out" "no violation"
    for id in ${undecided/ -/}; do
        if [[ $id == none ]]; then
            [[ -z $(ids '\?\?') ]] && pass || fail "$file: undecided: $(ids '\?\?')"
        else
            [[ " $(ids '\?\?') " == *" $id "* ]] && pass || fail "$file: $id is not undecided"
        fi
    done
done < "$dumps/expected"
for file in "$dumps"/*.*; do
    grep -q "^${file##*/} " "$dumps/expected" && pass || fail "${file##*/} is not in the table"
done
count=$(find "$dumps" -name '*.*' | wc -l)
(( count >= 30 )) && pass || fail "only $count dumps"

# ---- a good dump that is cut off anywhere has no violation: what is missing is undecided ----

for file in kvm-4.19-good kvm-5.15-v86-good kvm-6.6-good xen-4.4-good xen-4.17-good; do
    size=$(stat -c %s "$dumps/$file.txt")
    for (( at = 300; at < size; at += 487 )); do
        head -c "$at" "$dumps/$file.txt" > "$work/head"
        tail -c "+$at" "$dumps/$file.txt" > "$work/tail"
        explain 0 "$work/head"
        "$program" explain "$work/tail" > "$work/out" 2> "$work/err"
        code=$?
        # After the last header there is no dump.
        if (( code != 0 && code != 4 )); then fail "$file.txt from $at: exit code $code: $(cat "$work/out")"; fi
    done
done

# ---- options ----

"$program" features -cpu penryn > "$work/listing"
explain 1 --msrs "$work/listing" "$dumps/kvm-6.1-good.txt"
[[ $(ids '->') == ctl_pin_reserved ]] && pass || fail "a listing of capability MSRs changes nothing"
has "$work/out" "PIN_BASED_VM_EXEC_CONTROL (4000H) = 0000007FH; required: bits 40H = 0"
input=$dumps/kvm-6.1-rflags.txt explain 1 -
has "$work/out" "GUEST_RFLAGS (6820H) = 0000000000008002H; required: bits 8000H = 0"
explain 1 --json "$dumps/kvm-6.1-two.txt"
[[ $(wc -l < "$work/out") == 2 ]] && pass || fail "two dumps are not two lines of JSON"
has "$work/out" '"id":"guest_activity_blocking"'
has "$work/out" '{"name":"GUEST_ACTIVITY_STATE","encoding":"0x4826","value":"0x1"}'
explain 0 --help

# ---- what is no dump: one line and the exit code ----

# refuse CODE TEXT ARGUMENTS...
refuse() {
    local code=$1 text=$2
    shift 2
    explain "$code" "$@"
    [[ $(wc -l < "$work/err") == 1 ]] && has "$work/err" "$text" || fail "explain $*: $(cat "$work/err")"
}
# bad TEXT CONTENTS: a file that is refused with exit code 4.
bad() {
    printf %s "$2" > "$work/bad"
    refuse 4 "$1" "$work/bad"
}
refuse 2 "expected a file"
refuse 2 "only one file" a b
refuse 2 "unknown option" --frobnicate a
refuse 2 "needs a value" a -cpu
refuse 2 "has no VMX" -cpu max,-vmx "$dumps/json-good.json"
refuse 2 "not a processor profile" -cpu z80 "$dumps/json-good.json"
refuse 4 "No such file" "$work/nothing"
refuse 4 "directory" "$work"
refuse 4 "no line gives the value of a VMX capability MSR" --msrs "$dumps/json-good.json" "$dumps/json-good.json"
bad "without a VMCS dump" ""
bad "without a VMCS dump" "RIP = 0x0000000000001000"
bad "without a single field" "*** Guest State ***"
bad "line 2: 0x10000 does not fit GUEST_CS_SELECTOR" $'*** Guest State ***\nCS:   sel=0x10000, attr=0x0a09b'
bad "line 1: " '{'
bad "line 2: " $'{\n"fields": }'
bad "no such field" '{"fields":{"GUEST_RFLAG":2}}'
bad "does not fit" '{"fields":{"GUEST_CS_SELECTOR":"0x10000"}}'
bad "hexadecimal" '{"fields":{"GUEST_RFLAGS":"two"}}'
bad "negative" '{"fields":{"GUEST_RFLAGS":-1}}'
bad "was there before" '{"fields":{"GUEST_RFLAGS":2,"0x6820":2}}'
bad "not a capability MSR" '{"fields":{"GUEST_RFLAGS":2},"msrs":{"0x10":0}}'
bad "no such member" '{"fields":{"GUEST_RFLAGS":2},"MSRs":{}}'
bad "holds no field" '{"fields":{}}'
bad "expected an object" '[[{}]]'
bad "expected an object" '{"fields":[]}'

# ---- a run's explanations in JSON ----

timeout 60 "$program" -kernel "$guests/demo.elf" -m 512 --json < /dev/null > "$work/out" 2> "$work/err"
has "$work/err" '{"event":"vm_entry_failure","cpu":0,"instruction":"VMLAUNCH",'
has "$work/err" '(vmlaunch_broken+0x17)","outcome":"VM exit","error":33,"broken_count":1,"broken":[{"id":"guest_rflags_reserved"'
printf '\x0f\x01\x1e\x00\x7e\xcc' > "$work/triple"                 # lidt [7e00h] (limit 0); int3
timeout 60 "$program" --load "$work/triple@0x7c00" --json < /dev/null > "$work/out" 2> "$work/err"
has "$work/err" '{"event":"triple_fault","cpu":0,"exceptions":[{"exception":"#BP","rip":"0x7c05",'
finish
