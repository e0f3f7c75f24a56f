# Macros of trelay's configure: compiler flags and the wolfSSL that is needed.

# AX_CFLAG(FLAG): add FLAG to CFLAGS where the compiler takes it.
AC_DEFUN([AX_CFLAG], [
  AC_MSG_CHECKING([whether $CC takes $1])
  trelay_save_CFLAGS=$CFLAGS
  CFLAGS="$CFLAGS $1 -Werror"
  AC_COMPILE_IFELSE([AC_LANG_PROGRAM([], [])],
    [AC_MSG_RESULT([yes]); CFLAGS="$trelay_save_CFLAGS $1"],
    [AC_MSG_RESULT([no]); CFLAGS=$trelay_save_CFLAGS])
])

AC_DEFUN([TRELAY_WARNINGS], [
  AC_ARG_ENABLE([werror],
    [AS_HELP_STRING([--enable-werror], [stop at the first warning (CI does)])],
    [], [enable_werror=no])
  WARNING_CFLAGS="-Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wformat=2 -Wundef -Wpointer-arith -Wcast-qual -Wwrite-strings"
  AS_IF([test "$enable_werror" = yes], [WARNING_CFLAGS="$WARNING_CFLAGS -Werror"])
  AC_SUBST([enable_werror])
  AC_SUBST([WARNING_CFLAGS])
])

AC_DEFUN([TRELAY_HARDENING], [
  AC_ARG_ENABLE([hardening],
    [AS_HELP_STRING([--disable-hardening], [no stack protector, PIE, RELRO (sanitizer and fuzz builds)])],
    [], [enable_hardening=yes])
  HARDENING_CFLAGS= HARDENING_LDFLAGS=
  AS_IF([test "$enable_hardening" = yes], [
    HARDENING_CFLAGS="-fPIE -fstack-protector-strong -fstack-clash-protection -fcf-protection -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2"
    HARDENING_LDFLAGS="-pie -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack"
  ])
  AC_SUBST([HARDENING_CFLAGS])
  AC_SUBST([HARDENING_LDFLAGS])
])

AC_DEFUN([TRELAY_SANITIZERS], [
  AC_ARG_ENABLE([sanitizer],
    [AS_HELP_STRING([--enable-sanitizer=LIST], [build with -fsanitize=LIST (address,undefined or thread)])],
    [], [enable_sanitizer=no])
  SANITIZER_FLAGS=
  AS_IF([test "$enable_sanitizer" != no], [
    # A claim that is wrong ends the process (src/base/never.h).
    SANITIZER_FLAGS="-fsanitize=$enable_sanitizer -fno-sanitize-recover=all -fno-omit-frame-pointer -DTRELAY_CHECKED"
  ])
  AC_ARG_ENABLE([coverage],
    [AS_HELP_STRING([--enable-coverage], [build for gcov])], [], [enable_coverage=no])
  # What cannot be taken is no branch there: assertions and the claims of src/base/never.h.
  AS_IF([test "$enable_coverage" = yes],
    [SANITIZER_FLAGS="$SANITIZER_FLAGS --coverage -fprofile-update=atomic -DTRELAY_COVERAGE -DNDEBUG"])
  AC_SUBST([SANITIZER_FLAGS])
])

# wolfSSL: a folder made by scripts/build-wolfssl (static, lean), or the system's.
AC_DEFUN([TRELAY_WOLFSSL], [
  AC_ARG_WITH([wolfssl],
    [AS_HELP_STRING([--with-wolfssl=DIR|system], [static wolfSSL made by scripts/build-wolfssl, or the system's library (default)])],
    [], [with_wolfssl=system])
  AS_CASE([$with_wolfssl],
    [system|yes], [
      trelay_wolfssl_kind=system
      PKG_CHECK_MODULES([WOLFSSL], [wolfssl >= 5.5.4])
      trelay_wolfssl_version=`$PKG_CONFIG --modversion wolfssl`
    ],
    [no], [AC_MSG_ERROR([trelay speaks TLS through wolfSSL: --with-wolfssl cannot be no])],
    [
      trelay_wolfssl_kind=static
      AS_IF([test -r "$with_wolfssl/lib/libwolfssl.a"], [],
        [AC_MSG_ERROR([$with_wolfssl/lib/libwolfssl.a is not there: run scripts/build-wolfssl, or configure --with-wolfssl=system])])
      with_wolfssl=`cd "$with_wolfssl" && pwd`
      WOLFSSL_CFLAGS="-isystem $with_wolfssl/include"
      # Hidden, so that no symbol of its OpenSSL compatibility layer can take the place of libssl's in libpq.
      WOLFSSL_LIBS="$with_wolfssl/lib/libwolfssl.a -Wl,--exclude-libs,libwolfssl.a -lpthread -ldl -lm"
      trelay_wolfssl_version=`$SED -n 's/.*LIBWOLFSSL_VERSION_STRING "\(.*\)".*/\1/p' "$with_wolfssl/include/wolfssl/version.h"`
    ])
  AC_SUBST([with_wolfssl])
  # Kept though nothing of ours calls it: where libpq is loaded, its libssl must be found before wolfSSL is.
  LIBSSL_FIRST="-Wl,--push-state,--no-as-needed -lssl -Wl,--pop-state"
  AC_SUBST([WOLFSSL_CFLAGS])
  AC_SUBST([WOLFSSL_LIBS])
  AC_SUBST([LIBSSL_FIRST])
  TRELAY_WOLFSSL_FEATURES
])

# What src/tls builds on, by name: properties of the build that the headers tell, then functions that must link.
# The functions of the second list are called where they exist; where they do not, the library lacks what they control.
AC_DEFUN([TRELAY_WOLFSSL_FEATURES], [
  trelay_save_CPPFLAGS=$CPPFLAGS
  trelay_save_LIBS=$LIBS
  CPPFLAGS="$CPPFLAGS $WOLFSSL_CFLAGS"
  LIBS="$WOLFSSL_LIBS $LIBS"
  trelay_missing=
  m4_foreach_w([feature], [WOLFSSL_TLS13 HAVE_SNI HAVE_ALPN HAVE_TRUSTED_CA HAVE_SUPPORTED_CURVES HAVE_EXTENDED_MASTER
      HAVE_AESGCM HAVE_CHACHA HAVE_POLY1305 HAVE_CURVE25519 HAVE_ECC WC_RSA_PSS WOLFSSL_ALWAYS_VERIFY_CB
      WOLFSSL_VERIFY_CB_ALL_CERTS], [
    AC_MSG_CHECKING([wolfSSL for feature])
    AC_COMPILE_IFELSE([AC_LANG_SOURCE([[
#include <wolfssl/options.h>
#include <wolfssl/wolfcrypt/settings.h>
#ifndef ]]feature[[
#error missing
#endif
]])], [AC_MSG_RESULT([yes])], [AC_MSG_RESULT([no]); trelay_missing="$trelay_missing feature"])
  ])
  m4_foreach_w([feature], [wolfSSL_CTX_SetMinVersion wolfSSL_CTX_set_cipher_list wolfSSL_CTX_UseSupportedCurve
      wolfSSL_CTX_use_certificate_chain_buffer_format wolfSSL_CTX_no_ticket_TLSv13 wolfSSL_CTX_mutual_auth
      wolfSSL_SetCertCbCtx wolfSSL_UseSNI
      wolfSSL_UseALPN wolfSSL_UseTrustedCA wolfSSL_get_alert_history wolfSSL_get_curve_name wolfSSL_session_reused
      wolfSSL_get_current_cipher_suite], [
    TRELAY_WOLFSSL_FUNCTION(m4_defn([feature]), [:])
  ])
  m4_foreach_w([feature], [wolfSSL_CTX_set_groups wolfSSL_CTX_clear_mode wolfSSL_CTX_set_session_cache_mode
      wolfSSL_CTX_NoTicketTLSv12 wolfSSL_ERR_clear_error wc_ecc_fp_free], [
    TRELAY_WOLFSSL_FUNCTION(m4_defn([feature]), [AC_DEFINE(m4_toupper([HAVE_]m4_defn([feature])), [1],
      [wolfSSL has ]m4_defn([feature])[.])], [:])
  ])
  CPPFLAGS=$trelay_save_CPPFLAGS
  LIBS=$trelay_save_LIBS
  AS_IF([test -n "$trelay_missing"], [AC_MSG_ERROR([this wolfSSL was built without:$trelay_missing. Build one with scripts/build-wolfssl and configure --with-wolfssl=DIR])])
  AS_IF([test $trelay_wolfssl_kind = static],
    [AC_DEFINE([TRELAY_WOLFSSL_STATIC], [1], [wolfSSL is linked statically, from scripts/build-wolfssl.])])
])

# TRELAY_WOLFSSL_FUNCTION(NAME, IF-THERE, [IF-NOT]): declared by the headers and in the library; without IF-NOT
# its absence is an error.
AC_DEFUN([TRELAY_WOLFSSL_FUNCTION], [
  AC_MSG_CHECKING([wolfSSL for $1])
  AC_LINK_IFELSE([AC_LANG_PROGRAM([[
#include <wolfssl/options.h>
#include <wolfssl/ssl.h>
#include <wolfssl/wolfcrypt/ecc.h>
]], [[void (*volatile function)(void) = (void (*)(void))&$1; return function == 0;]])],
    [AC_MSG_RESULT([yes]); $2], [AC_MSG_RESULT([no]); m4_default([$3], [trelay_missing="$trelay_missing $1"])])
])
