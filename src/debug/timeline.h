// SPDX-License-Identifier: Apache-2.0
#ifndef SP_DEBUG_TIMELINE_H
#define SP_DEBUG_TIMELINE_H

/* The text of timeline.html, a string (timeline.S).  @DATA@ stands in it once, for the data. */
extern const char timeline_html[] __attribute__((visibility("hidden")));

#endif
