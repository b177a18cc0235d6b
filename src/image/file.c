// SPDX-License-Identifier: Apache-2.0
// Files into memory, and the list of modules.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "image/decompress.h"
#include "image/image.h"

void image_free(struct image *image)
{
    free(image->name);
    free(image->data);
    *image = (struct image){ 0 };
}

static bool read_all(struct image *image, int fd, size_t size, struct sp_error *e)
{
    image->data = malloc(size ? size : 1);
    if (!image->data)
        return sp_fail(e, SP_EXIT_BAD_IMAGE, "%s: no memory for its %zu bytes", image->name, size);
    while (image->size < size) {
        ssize_t n = read(fd, image->data + image->size, size - image->size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return sp_fail(e, SP_EXIT_BAD_IMAGE, "%s: %s", image->name, strerror(errno));
        if (!n)
            break;
        image->size += (size_t)n;
    }
    return true;
}

static bool read_path(struct image *image, const char *path, struct sp_error *e)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &st) < 0) {
        sp_fail(e, SP_EXIT_BAD_IMAGE, "%s: %s", path, strerror(errno));
        if (fd >= 0)
            close(fd);
        return false;
    }
    bool ok;
    if (!S_ISREG(st.st_mode))
        ok = sp_fail(e, SP_EXIT_BAD_IMAGE, "%s: is not a regular file", path);
    else if ((uint64_t)st.st_size > IMAGE_SIZE_MAX)
        ok = sp_fail(e, SP_EXIT_BAD_IMAGE, "%s: is larger than the limit of %llu MiB", path,
                     (unsigned long long)(IMAGE_SIZE_MAX >> 20));
    else
        ok = read_all(image, fd, (size_t)st.st_size, e);
    close(fd);
    return ok;
}

bool image_read_raw(struct image *image, const char *path, struct sp_error *e)
{
    *image = (struct image){ .name = strdup(path) };
    if (image->name ? read_path(image, path, e)
                    : sp_fail(e, SP_EXIT_BAD_IMAGE, "%s: no memory", path))
        return true;
    image_free(image);
    return false;
}

bool image_read(struct image *image, const char *path, struct sp_error *e)
{
    if (!image_read_raw(image, path, e))
        return false;
    if (image_decompress(image, e))
        return true;
    image_free(image);
    return false;
}

bool image_copy(struct image *image, const char *name, const void *data, size_t size,
                struct sp_error *e)
{
    *image = (struct image){ .name = strdup(name), .data = malloc(size ? size : 1), .size = size };
    if (!image->name || !image->data) {
        sp_fail(e, SP_EXIT_BAD_IMAGE, "%s: no memory for its %zu bytes", name, size);
    } else {
        memcpy(image->data, data, size);
        if (image_decompress(image, e))
            return true;
    }
    image_free(image);
    return false;
}

/* Copies one entry of the list, ",," read as ","; returns what follows it. */
static const char *list_entry(const char *list, char *out)
{
    while (*list && (*list != ',' || list[1] == ',')) {
        list += *list == ',';
        *out++ = *list++;
    }
    *out = 0;
    return *list ? list + 1 : list;
}

static bool module_read(struct image_module *module, char *entry, bool raw, struct sp_error *e)
{
    module->text = strdup(entry);
    entry[strcspn(entry, " ")] = 0;
    if (!module->text || !*entry)
        return sp_fail(e, SP_EXIT_USAGE, "-initrd: an empty name in the list of modules");
    return raw ? image_read_raw(&module->image, entry, e) : image_read(&module->image, entry, e);
}

bool image_modules_read(const char *list, const struct image *kernel, struct image_module **modules,
                        size_t *count, struct sp_error *e)
{
    size_t most = 1;
    for (const char *p = list; *p; p++)
        most += *p == ',';
    char *entry = malloc(strlen(list) + 1);
    *modules = calloc(most, sizeof **modules);
    *count = 0;
    bool ok = entry && *modules;
    while (ok && *list) {
        list = list_entry(list, entry);
        ok = module_read(&(*modules)[(*count)++], entry, kernel_opens_modules(kernel), e);
    }
    free(entry);
    if (!ok)
        image_modules_free(*modules, *count);
    return ok;
}

void image_modules_free(struct image_module *modules, size_t count)
{
    for (size_t k = 0; modules && k < count; k++) {
        image_free(&modules[k].image);
        free(modules[k].text);
    }
    free(modules);
}
