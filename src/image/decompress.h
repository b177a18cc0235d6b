// SPDX-License-Identifier: Apache-2.0
#ifndef SP_IMAGE_DECOMPRESS_H
#define SP_IMAGE_DECOMPRESS_H

#include "image/image.h"

/* If the image's first bytes are those of a gzip, xz, zstd, lz4-frame or legacy-lz4 file, replaces
 * its bytes by the decompressed ones (at most IMAGE_SIZE_MAX); else leaves it as it is. */
bool image_decompress(struct image *image, struct sp_error *e);

#endif
