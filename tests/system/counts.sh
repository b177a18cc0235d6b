#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The simulator's own instructions on short runs, under valgrind: none takes over 3% more than counts.txt says.
. "$(dirname "$0")/lib.sh"
command -v valgrind > /dev/null || { echo "skipped: no valgrind"; exit 77; }
"$root/tools/bench_counts" --program "$program" --guests "$guests"
