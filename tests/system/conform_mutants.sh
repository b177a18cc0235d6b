#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The mutation check of the conformance suite: of the rules that tables of src/vmx state, at least 95 in 100 are missed when they
# are gone.  The conditions of its code are counted, and nothing is demanded of them.
. "$(dirname "$0")/lib.sh"
command -v python3 > /dev/null || { echo "conform_mutants: skipped, for want of python3"; exit 77; }
cd "$root" || exit 1
cmake --preset mutate > /dev/null && cmake --build --preset mutate -- --quiet silverpool_program || exit 1
tests/conformance/mutate.py build/mutate/silverpool -j "$(nproc)"
