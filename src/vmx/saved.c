// SPDX-License-Identifier: Apache-2.0
#include "vmx/saved.h"

#include "vmx/internal.h"

#define SAVED_ROWS "vmx/saved.def"
#include "base/saved_tables.h"
