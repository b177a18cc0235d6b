#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The page of `silverpool conform --html` in a real browser: its matrix, the cases behind a cell, its filter.
. "$(dirname "$0")/lib.sh"
browser=$(command -v chromium || command -v chromium-browser || command -v google-chrome) ||
    { echo "conform_page: skipped, for want of chromium"; exit 77; }
export HOME=$work TMPDIR=$work

"$program" conform --target "$here/conform_image.sh {args}" --timeout 3 --name "stand-in" --json "$work/a" 2> /dev/null
"$program" conform --target "$here/conform_image.sh {args}" --timeout 3 --name "other" --filter 'v*' --json "$work/b" \
    2> /dev/null
"$program" conform merge "$work/a" "$work/b" --html "$work/page.html" 2> /dev/null

# show FILE HASH: the page as the browser has it after its script has run.
show() {
    timeout 120 "$browser" --headless --no-sandbox --disable-gpu --disable-dev-shm-usage --user-data-dir="$work/profile" \
        --virtual-time-budget=5000 --dump-dom "file://$work/page.html#$2" 2> /dev/null | sed 's/<\/t[drh]>/&\n/g' |
        sed '/<script/,$d' > "$1"
}

hasnt() { if grep -qF -- "$2" "$1"; then fail "unexpected: $2"; else pass; fi; }

show "$work/whole" ""
has "$work/whole" "9 of 9 cases, 7 rules, stand-in: 4 failed, other: 2 failed"
has "$work/whole" "<th>stand-in</th>"
has "$work/whole" "<th>entry</th>"
has "$work/whole" "1 passed, 2 failed, 0 skipped"
has "$work/whole" "1 passed, 0 failed, 1 skipped"
hasnt "$work/whole" "expected error:0x8"

show "$work/cell" "cell=entry@0"
has "$work/cell" "<h2>entry, stand-in</h2>"
has "$work/cell" "<td>expected error:0x8</td>"
has "$work/cell" "<td>observed error:0x0</td>"
has "$work/cell" "<td>first-bad</td>"
has "$work/cell" "<td>last-good</td>"

show "$work/filtered" "filter=host+first&cell=entry@0"
has "$work/filtered" "1 of 9 cases, 1 rules"
has "$work/filtered" "<td>first-bad</td>"
hasnt "$work/filtered" "<td>last-good</td>"
hasnt "$work/filtered" "<th>vmread</th>"

show "$work/glob" "filter=vpid.*&cell=all@1"
has "$work/glob" "2 of 9 cases, 1 rules"
has "$work/glob" "<h2>all, other</h2>"

show "$work/failed" "show=failed&cell=vmread@0"
has "$work/failed" "4 of 9 cases"
has "$work/failed" "VMREAD of an encoding that is no field fails with error 12."
has "$work/failed" '<span class="section">VMREAD</span>'
has "$work/failed" "<td>observed &lt;/script&gt;</td>"
has "$work/failed" "<td>expected &lt;a&gt; &amp; \"b\"</td>"

show "$work/differ" "show=differ"
has "$work/differ" "5 of 9 cases"
finish
