/* Error codes, shared by every stage.
 *
 * A function returns >= 0 when it worked (the value may be a count) and one of
 * these when it did not. The list is the only definition: the texts, the
 * telemetry table and the Python enum are made from it. */
#ifndef FK_ERR_H
#define FK_ERR_H

#ifdef __cplusplus
extern "C" {
#endif

#define FK_ERR_LIST(X)                                                          \
    X(FK_ERR_INVAL,       -1, "argument outside its documented range")          \
    X(FK_ERR_IO,          -2, "device reported a failure")                      \
    X(FK_ERR_CORRUPT,     -3, "CRC or framing check failed")                    \
    X(FK_ERR_NOSPC,       -4, "no room without evicting a frame worth more")    \
    X(FK_ERR_NOENT,       -5, "no such frame or record")                        \
    X(FK_ERR_VERSION,     -6, "made for another format version")                \
    X(FK_ERR_TOOSMALL,    -7, "the buffer given is too small")                  \
    X(FK_ERR_UNSUPPORTED, -8, "valid, but this build cannot do it")             \
    X(FK_ERR_STATE,       -9, "call out of order")                              \
    X(FK_ERR_ECC,        -10, "flash reported an uncorrectable read error")     \
    X(FK_ERR_WORN,       -11, "too few usable flash segments are left")

#define FK_ERR_ENUM_ROW(name, code, text) name = code,
typedef enum { FK_OK = 0, FK_ERR_LIST(FK_ERR_ENUM_ROW) } fk_err;
#undef FK_ERR_ENUM_ROW

/* A constant English text for `code`; never NULL. Codes >= 0 give "ok". */
const char *fk_err_text(int code);

/* The symbol of `code`, such as "FK_ERR_INVAL"; never NULL. */
const char *fk_err_name(int code);

#ifdef __cplusplus
}
#endif

#endif
