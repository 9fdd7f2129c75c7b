/* Empty functions that the instruction counter looks for.
 *
 * Executing one takes a snapshot of all counters; on a board they cost two
 * instructions and do nothing. */
#ifndef FK_MARKS_H
#define FK_MARKS_H

void fk_mark_begin(void);
void fk_mark_end(void);

#endif
