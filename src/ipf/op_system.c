// SPDX-License-Identifier: Apache-2.0
// Translation: not there yet; the machine stops and says so.
#include "ipf/op.h"

#define TRANSLATES(name)                                                                           \
    HANDLER(name)                                                                                  \
    {                                                                                              \
        IF_PREDICATE(c, op);                                                                       \
        return not_modelled(c, op, "translation (" #name ")");                                     \
    }
TRANSLATES(ia_itc)
TRANSLATES(ia_itr)
TRANSLATES(ia_purge)
TRANSLATES(ia_thash)
TRANSLATES(ia_ttag)
TRANSLATES(ia_tpa)
TRANSLATES(ia_tak)
TRANSLATES(ia_probe)
TRANSLATES(ia_probe_fault)
