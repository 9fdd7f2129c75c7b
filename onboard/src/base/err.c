#include "fk/err.h"

const char *fk_err_text(int code)
{
    switch (code) {
#define FK_ERR_CASE(name, value, text) case value: return text;
        FK_ERR_LIST(FK_ERR_CASE)
#undef FK_ERR_CASE
    default: return code >= 0 ? "ok" : "unknown error";
    }
}

const char *fk_err_name(int code)
{
    switch (code) {
#define FK_ERR_CASE(name, value, text) case value: return #name;
        FK_ERR_LIST(FK_ERR_CASE)
#undef FK_ERR_CASE
    default: return code >= 0 ? "FK_OK" : "FK_ERR_UNKNOWN";
    }
}
