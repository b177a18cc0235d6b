// SPDX-License-Identifier: Apache-2.0
// A record is text: its name and version, the seed and the hash of the images, a line for each byte of input with
// the number of the device's attempt to read that got it, and how the run was ended if that came from outside.
#include "cli/recording.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/session.h"

#define TITLE "silverpool record 1\n"

int recorded_read(struct recorded_input *r, int byte)
{
    r->attempts++;
    if (r->replays) {
        bool due = r->next < r->n && r->bytes[r->next].attempt == r->attempts;
        return due ? r->bytes[r->next++].byte : -1;
    }
    if (byte >= 0 && r->out)
        fprintf(r->out, "%s %" PRIu64 " %02x\n", r->name, r->attempts, (unsigned)byte);
    return byte;
}

static bool begin_record(struct session *s, struct sp_error *e)
{
    const char *file = s->options->record;
    if (!file)
        return true;
    s->record = fopen(file, "w");
    if (!s->record)
        return sp_fail(e, SP_EXIT_USAGE, "%s: %s", file, strerror(errno));
    fprintf(s->record, TITLE "seed %#" PRIx64 "\nimages %#" PRIx64 "\n", s->options->seed,
            session_hash_images(s));
    s->serial.recorded.out = s->virtio.recorded.out = s->record;
    return true;
}

static bool add_byte(struct recorded_input *r, uint64_t attempt, unsigned byte)
{
    struct recorded_byte *more = realloc(r->bytes, (r->n + 1) * sizeof *more);
    if (!more)
        return false;
    r->bytes = more;
    r->bytes[r->n++] = (struct recorded_byte){ attempt, (uint8_t)byte };
    return true;
}

/* One line; false: it is none. */
static bool replay_line(struct session *s, const char *line)
{
    uint64_t v;
    unsigned byte;
    int end = 0;
    if (sscanf(line, "serial %" SCNu64 " %x\n%n", &v, &byte, &end) == 2 && !line[end] && byte < 256)
        return add_byte(&s->serial.recorded, v, byte);
    if (sscanf(line, "virtio %" SCNu64 " %x\n%n", &v, &byte, &end) == 2 && !line[end] && byte < 256)
        return add_byte(&s->virtio.recorded, v, byte);
    if (sscanf(line, "end %" SCNu64 " %d\n%n", &v, &s->replay_signal, &end) == 2 && !line[end]) {
        s->replay_end = v;
        return v;
    }
    return false;
}

static bool read_replay(struct session *s, FILE *in, struct sp_error *e)
{
    const char *file = s->options->replay;
    char line[128];
    uint64_t images = 0;
    long at = 0;
    if (!fgets(line, sizeof line, in) || strcmp(line, TITLE))
        return sp_fail(e, SP_EXIT_BAD_IMAGE, "%s: offset 0: not a record", file);
    if (fscanf(in, "seed %" SCNx64 "\nimages %" SCNx64 "\n", &s->options->seed, &images) != 2)
        return sp_fail(e, SP_EXIT_BAD_IMAGE, "%s: offset %zu: damaged", file, strlen(TITLE));
    if (images != session_hash_images(s))
        return sp_fail(e, SP_EXIT_USAGE, "%s: is the record of a run with other images", file);
    for (at = ftell(in); fgets(line, sizeof line, in); at = ftell(in))
        if (s->replay_end || !replay_line(s, line))
            return sp_fail(e, SP_EXIT_BAD_IMAGE, "%s: offset %ld: damaged", file, at);
    return true;
}

static bool begin_replay(struct session *s, struct sp_error *e)
{
    const char *file = s->options->replay;
    if (!file)
        return true;
    FILE *in = fopen(file, "r");
    if (!in)
        return sp_fail(e, SP_EXIT_BAD_IMAGE, "%s: %s", file, strerror(errno));
    s->serial.recorded.replays = s->virtio.recorded.replays = true;
    s->serial.reads_input = s->virtio.reads_input = false;
    bool ok = read_replay(s, in, e);
    fclose(in);
    return ok;
}

bool session_record(struct session *s, struct sp_error *e)
{
    s->serial.recorded.name = "serial";
    s->virtio.recorded.name = "virtio";
    return begin_replay(s, e) && begin_record(s, e);
}

bool session_replay_ends(struct session *s)
{
    if (++s->polls != s->replay_end)
        return false;
    s->signal = s->replay_signal > 0 ? s->replay_signal : 0;
    s->quit = !s->replay_signal;
    s->timed_out = s->replay_signal < 0;
    return true;
}

bool session_record_end(struct session *s, struct sp_error *e)
{
    free(s->serial.recorded.bytes);
    free(s->virtio.recorded.bytes);
    s->serial.recorded.bytes = s->virtio.recorded.bytes = NULL;
    if (!s->record)
        return true;
    if (s->quit || s->signal || s->timed_out)
        fprintf(s->record, "end %" PRIu64 " %d\n", s->polls, s->timed_out ? -1 : s->signal);
    bool ok = !ferror(s->record);
    ok &= !fclose(s->record);
    s->record = NULL;
    return ok || sp_fail(e, SP_EXIT_USAGE, "%s: cannot be written", s->options->record);
}
