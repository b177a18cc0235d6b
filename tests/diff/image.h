// SPDX-License-Identifier: Apache-2.0
// The memory images that FNSTENV, FNSAVE and FXSAVE store: a few of their words are not compared.
#ifndef SP_TESTS_DIFF_IMAGE_H
#define SP_TESTS_DIFF_IMAGE_H

#include "case.h"

/* Clears in both data areas the words that differ between processor models (FOP, FCS and FDP, FDS)
 * of the image that the case's last instruction stored.  Nothing if it stores no image. */
void image_clear_open(const struct test_case *t, struct result *host, struct result *ours);

#endif
