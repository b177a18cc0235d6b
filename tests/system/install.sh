#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Installs to a temporary prefix and builds the example against the installed copy: with pkg-config (shared and
# static) and with find_package; as C and, for the header, as C++.
. "$(dirname "$0")/lib.sh"
prefix=$work/prefix
example=$root/examples/count_exits.c

cmake --install "$build" --prefix "$prefix" > "$work/log" 2>&1 && pass || fail "install: $(tail -3 "$work/log")"
libdir=$(dirname "$(dirname "$(find "$prefix" -name silverpool.pc)")")
export PKG_CONFIG_PATH=$libdir/pkgconfig

runs() {   # runs WHAT PROGRAM
    local out
    out=$(LD_LIBRARY_PATH=$libdir "$2" "$guests/demo.elf" 2>&1)
    if grep -q CPUID <<< "$out"; then pass; else fail "$1: $out"; fi
}

flags=$(pkg-config --define-prefix --cflags --libs silverpool)
# shellcheck disable=SC2086
if cc -std=c17 -Wall "$example" $flags -o "$work/shared" 2> "$work/log"; then runs shared "$work/shared"
else fail "pkg-config: $(cat "$work/log")"; fi
static="$libdir/libsilverpool.a $(pkg-config --define-prefix --static --libs-only-l silverpool | sed 's/-lsilverpool//')"
# shellcheck disable=SC2086
if cc -std=c17 "$example" -I"$prefix/include" $static -o "$work/static" 2> "$work/log"; then runs static "$work/static"
else fail "static: $(cat "$work/log")"; fi

mkdir "$work/project"
cat > "$work/project/CMakeLists.txt" << EOF
cmake_minimum_required(VERSION 3.25)
project(example C)
find_package(Silverpool REQUIRED)
add_executable(count_exits $example)
target_link_libraries(count_exits PRIVATE Silverpool::silverpool)
EOF
if cmake -S "$work/project" -B "$work/project/build" -DCMAKE_PREFIX_PATH="$prefix" > "$work/log" 2>&1 &&
    cmake --build "$work/project/build" >> "$work/log" 2>&1; then runs find_package "$work/project/build/count_exits"
else fail "find_package: $(tail -5 "$work/log")"; fi

echo '#include <silverpool/silverpool.h>' > "$work/header.cc"
if ! command -v c++ > /dev/null || c++ -Wall -Wextra -Werror -I"$prefix/include" -fsyntax-only "$work/header.cc"; then pass
else fail "the header is not C++"; fi

# Nothing but the API is visible.
for library in "$libdir"/libsilverpool.a "$libdir"/libsilverpool.so; do
    kind=-g; [[ $library == *.so ]] && kind=-D
    others=$(nm $kind --defined-only "$library" | awk 'NF == 3 && $3 !~ /^sp_/ { print $3 }' | head -3)
    if [[ -z $others ]]; then pass; else fail "$library exports ${others//$'\n'/ }"; fi
done
finish
