#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# vmx_table.sh SOURCE: docs/vmx.md has all its rows, each Y names tests, every test that is named exists, P and N say
# what is missing, and the count above the table is right.
set -euo pipefail
cd "$1"
rows=88 number=0 wrong=0
declare -A count=([Y]=0 [P]=0 [N]=0)
name='[a-z0-9_]+'
tests="test_$name: $name(, $name)*"
path='[a-z0-9_./]+/[a-z0-9_./]+'

complain() {
    echo "docs/vmx.md: row $number: $*"
    wrong=1
}

check_tests() {   # "FILE: NAME, NAME"
    local source=tests/unit/${1%%:*}.c test
    [[ -f $source ]] || { complain "there is no $source"; return; }
    for test in $(tr -d , <<< "${1#*:}"); do
        grep -qE "^Test\(\w+, $test[,)]" "$source" || complain "$source has no test $test"
    done
}

while IFS='|' read -r _ found _ ours _ _ _ shown _; do
    number=$((number + 1))
    (( found == number )) || { complain "is missing"; number=$((found)); }
    ours=${ours// } shown=$(sed 's/^ *//; s/ *$//' <<< "$shown")
    [[ $ours == [YPN] ]] || { complain "neither Y nor P nor N: $ours"; continue; }
    count[$ours]=$((${count[$ours]} + 1))
    [[ -n $shown ]] || complain "$ours, and no word more"
    [[ $ours != Y || $shown =~ ^($tests|$path)(\; ($tests|$path))*$ ]] || complain "Y wants tests and nothing else"
    while read -r entry; do
        check_tests "$entry"
    done < <(grep -oE "$tests" <<< "$shown" || true)
    for file in $(grep -oE "\btests/$name/[a-z0-9_.]+" <<< "$shown" || true); do
        [[ -f $file ]] || complain "there is no $file"
    done
done < <(grep -E '^\| [0-9]+ \|' docs/vmx.md)

(( number >= rows )) || { echo "docs/vmx.md: $number rows, not $rows"; wrong=1; }
total="Silverpool: ${count[Y]} Y, ${count[P]} P, ${count[N]} N."
grep -qxF "$total" docs/vmx.md || { echo "docs/vmx.md: the count should be \"$total\""; wrong=1; }
(( wrong )) || echo "docs/vmx.md: $number rows, ${count[Y]} with tests"
exit $wrong
