// SPDX-License-Identifier: Apache-2.0
#include "cpu/saved.h"

#include "cpu/access.h"
#include "cpu/cpu.h"

#define SAVED_ROWS "cpu/saved.def"
#include "base/saved_tables.h"
