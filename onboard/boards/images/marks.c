#include "marks.h"

/* `used` and `noinline` keep the calls; the empty asm, each with a number of its own, keeps the
 * bodies apart. */
__attribute__((noinline, used)) void fk_mark_begin(void)
{
    __asm__ volatile("" ::"i"(1) : "memory");
}

__attribute__((noinline, used)) void fk_mark_end(void)
{
    __asm__ volatile("" ::"i"(2) : "memory");
}
