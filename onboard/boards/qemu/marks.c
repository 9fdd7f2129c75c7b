#include "marks.h"

/* `used` and `noinline` keep the calls; the empty asm keeps the bodies apart. */
__attribute__((noinline, used)) void fk_mark_begin(void)
{
    __asm__ volatile("@ begin" ::: "memory");
}

__attribute__((noinline, used)) void fk_mark_end(void)
{
    __asm__ volatile("@ end" ::: "memory");
}
