#include "fk/frame.h"

const char *fk_reason_text(int reason)
{
    switch (reason) {
#define FK_REASON_CASE(name, value, text) case value: return text;
        FK_REASON_LIST(FK_REASON_CASE)
#undef FK_REASON_CASE
    default: return "unknown reason";
    }
}

const char *fk_reason_name(int reason)
{
    switch (reason) {
#define FK_REASON_CASE(name, value, text) case value: return &#name[sizeof "FK_REASON_" - 1];
        FK_REASON_LIST(FK_REASON_CASE)
#undef FK_REASON_CASE
    default: return "UNKNOWN";
    }
}
