/* The part of a window that lies on the input. */
#ifndef FK_NN_WINDOW_INLINE_H
#define FK_NN_WINDOW_INLINE_H

#include "kernels.h"

typedef struct {
    int first, end; /* rows or columns of the input                                    */
} fk_span;

static inline fk_span fk_window_span(unsigned out, unsigned stride, unsigned kernel, unsigned pad,
                                     unsigned in)
{
    const int start = (int)(out * stride) - (int)pad;
    const int end = start + (int)kernel;
    return (fk_span){start < 0 ? 0 : start, end > (int)in ? (int)in : end};
}

#endif
