# SPDX-License-Identifier: MIT

# FLOWTOP_MISSING(WHAT, DEBIAN-PACKAGE)
# Note a missing part and go on: FLOWTOP_REPORT_MISSING ends the run.
AC_DEFUN([FLOWTOP_MISSING], [
  AS_ECHO(["configure: missing: $1 (Debian: $2)"]) >&2
  AS_ECHO(["configure: missing: $1 (Debian: $2)"]) >&AS_MESSAGE_LOG_FD
  flowtop_missing=yes
  for flowtop_package in $2; do
    AS_CASE([" $flowtop_packages "],
      [*" $flowtop_package "*], [],
      [flowtop_packages="${flowtop_packages:+$flowtop_packages }$flowtop_package"])
  done
])

AC_DEFUN([FLOWTOP_REPORT_MISSING], [
  AS_IF([test "x$flowtop_missing" = xyes],
    [AC_MSG_ERROR([parts are missing, see above. On Debian: apt-get install $flowtop_packages])])
])

# FLOWTOP_CHECK_BUILD_TOOLS
# Sets CLANG, BPFTOOL, LLVM_STRIP, PKG_CONFIG. Whether they do their work is asked later, with a
# real program (FLOWTOP_CHECK_BPF).
AC_DEFUN([FLOWTOP_CHECK_BUILD_TOOLS], [
  flowtop_missing=no
  flowtop_packages=

  AC_CHECK_PROGS([flowtop_make], [${MAKE-make} make gmake])
  AS_IF([test -z "$flowtop_make"], [FLOWTOP_MISSING([make], [make])])

  # AC_CHECK_PROGS takes what the caller gave as it is; AC_PATH_PROGS would look for its own names.
  AC_CHECK_PROGS([CLANG], [clang clang-21 clang-20 clang-19 clang-18 clang-17 clang-16 clang-15 clang-14])
  AS_IF([test -z "$CLANG"], [FLOWTOP_MISSING([clang, to compile BPF programs], [clang])])

  # Distributions keep it in sbin, which a user's PATH need not have.
  AS_IF([test -z "$BPFTOOL"], [
    AC_PATH_PROG([BPFTOOL], [bpftool], [],
      [$PATH$PATH_SEPARATOR/usr/sbin$PATH_SEPARATOR/sbin$PATH_SEPARATOR/usr/local/sbin])
  ])
  AS_IF([test -z "$BPFTOOL"], [FLOWTOP_MISSING([bpftool, to generate skeletons], [bpftool])])

  # Not needed: bpftool can do its part.
  AC_CHECK_PROGS([LLVM_STRIP], [llvm-strip llvm-strip-21 llvm-strip-20 llvm-strip-19 llvm-strip-18 llvm-strip-17 llvm-strip-16 llvm-strip-15 llvm-strip-14])

  AC_PATH_TOOL([PKG_CONFIG], [pkg-config])

  # For "make format-check" only.
  AC_CHECK_PROGS([CLANG_FORMAT], [clang-format clang-format-14])
])

# FLOWTOP_CHECK_COMPILER
# AC_PROG_CC gives up at once, and with a message that names no package. So look first.
AC_DEFUN([FLOWTOP_CHECK_COMPILER], [
  AC_CHECK_PROGS([flowtop_cc],
    [${CC:+"${CC%% *}"} ${host_alias:+$host_alias-gcc} gcc cc clang])
  AC_MSG_CHECKING([whether a C program can be compiled and linked])
  flowtop_cc_works=no
  AS_IF([test -n "$flowtop_cc"], [
    AS_ECHO(["#include <stdio.h>
int main(void) { return puts(\"\") < 0; }"]) > conftest.c
    AS_IF([${CC-$flowtop_cc} $CPPFLAGS $CFLAGS $LDFLAGS -o conftest conftest.c >&AS_MESSAGE_LOG_FD 2>&1],
      [flowtop_cc_works=yes])
    rm -f conftest conftest.*
  ])
  AC_MSG_RESULT([$flowtop_cc_works])
  AS_IF([test $flowtop_cc_works = no], [
    AS_IF([test -z "$flowtop_cc"],
      [FLOWTOP_MISSING([a C compiler], [gcc libc6-dev])],
      [FLOWTOP_MISSING([what ${CC-$flowtop_cc} needs to make programs (details: config.log)], [gcc libc6-dev])])
    # The headers' usual places, so that this list too is whole.
    AS_IF([test ! -r /usr/include/bpf/libbpf.h], [FLOWTOP_MISSING([libbpf], [libbpf-dev])])
    AS_IF([test ! -r /usr/include/linux/bpf.h],
      [FLOWTOP_MISSING([linux/bpf.h], [linux-libc-dev])])
    AS_IF([test ! -r "$with_collectd_include/core/daemon/plugin.h"],
      [FLOWTOP_MISSING([collectd's headers in $with_collectd_include], [collectd-dev])])
    FLOWTOP_REPORT_MISSING
  ])
])

# FLOWTOP_CHECK_KERNEL_HEADERS
# The user API only, at whatever version. Sets BPF_SYSTEM_CPPFLAGS: with -target bpf clang does not
# look into the folder where Debian and its kin keep asm/types.h, so say where the C compiler has it.
AC_DEFUN([FLOWTOP_CHECK_KERNEL_HEADERS], [
  AC_CHECK_HEADER([linux/bpf.h], [flowtop_linux=yes], [
    flowtop_linux=no
    FLOWTOP_MISSING([linux/bpf.h], [linux-libc-dev])
  ])

  AC_MSG_CHECKING([for the folder of asm/types.h])
  AS_ECHO(["@%:@include <asm/types.h>"]) > conftest.c
  flowtop_asm=`$CC $CPPFLAGS -E conftest.c 2>&AS_MESSAGE_LOG_FD |
    sed -n 's,^@%:@ @<:@0-9@:>@* "\(.*\)/asm/types\.h".*,\1,p' | sed 1q`
  rm -f conftest.c
  BPF_SYSTEM_CPPFLAGS=
  AS_IF([test -n "$flowtop_asm"], [BPF_SYSTEM_CPPFLAGS="-idirafter $flowtop_asm"])
  AC_MSG_RESULT([${flowtop_asm:-not found}])
  AC_SUBST([BPF_SYSTEM_CPPFLAGS])
])

# FLOWTOP_PKG(VARIABLE-PREFIX, MODULE, DEFAULT-LIBS)
# VARIABLE_CFLAGS and VARIABLE_LIBS: from the caller, else from pkg-config, else DEFAULT-LIBS.
AC_DEFUN([FLOWTOP_PKG], [
  AC_ARG_VAR([$1_CFLAGS], [compiler flags for $2])
  AC_ARG_VAR([$1_LIBS], [linker flags for $2])
  AS_IF([test "${$1_LIBS+set}" != set], [
    AS_IF([test -n "$PKG_CONFIG" && "$PKG_CONFIG" --exists $2 2>/dev/null], [
      AS_IF([test "${$1_CFLAGS+set}" != set], [$1_CFLAGS=`"$PKG_CONFIG" --cflags $2`])
      $1_LIBS=`"$PKG_CONFIG" --libs $2`
    ], [$1_LIBS="$3"])
  ])
])

# FLOWTOP_CHECK_LIBBPF
# By function, not by version: distributions carry patches back, and a version says nothing to who
# reads the error.
AC_DEFUN([FLOWTOP_CHECK_LIBBPF], [
  FLOWTOP_PKG([LIBBPF], [libbpf], [-lbpf])
  flowtop_save_CPPFLAGS=$CPPFLAGS
  flowtop_save_LIBS=$LIBS
  CPPFLAGS="$CPPFLAGS $LIBBPF_CFLAGS"
  LIBS="$LIBBPF_LIBS $LIBS"

  AS_IF([test $flowtop_linux = yes],
    [AC_CHECK_HEADER([bpf/libbpf.h], [flowtop_libbpf=yes], [flowtop_libbpf=no])],
    [flowtop_libbpf=unknown]) # its header needs the kernel's
  AS_IF([test $flowtop_libbpf = yes], [
    AC_MSG_CHECKING([for libbpf])
    AC_LINK_IFELSE([AC_LANG_CALL([], [bpf_object__load])], [], [
      # A static libbpf does not say what it needs itself.
      LIBBPF_LIBS="$LIBBPF_LIBS -lelf -lz"
      LIBS="$LIBBPF_LIBS $flowtop_save_LIBS"
      AC_LINK_IFELSE([AC_LANG_CALL([], [bpf_object__load])], [], [flowtop_libbpf=no])
    ])
    AS_IF([test $flowtop_libbpf = yes],
      [AC_MSG_RESULT([$LIBBPF_LIBS])], [AC_MSG_RESULT([does not link, see config.log])])
  ])
  AS_IF([test $flowtop_libbpf = no], [FLOWTOP_MISSING([libbpf], [libbpf-dev])])
  AS_IF([test $flowtop_libbpf = yes], [
    flowtop_libbpf_old=
    m4_foreach_w([flowtop_function],
      [bpf_iter_create bpf_map_create bpf_obj_get_info_by_fd bpf_prog_load
       bpf_map__set_initial_value bpf_map__set_max_entries bpf_object__find_map_by_name
       bpf_object__next_program bpf_object__open_mem bpf_program__attach
       bpf_program__attach_cgroup bpf_program__attach_iter bpf_program__expected_attach_type
       bpf_program__set_autoload libbpf_probe_bpf_helper],
      [AC_CHECK_FUNC(flowtop_function, [],
        [flowtop_libbpf_old="${flowtop_libbpf_old:+$flowtop_libbpf_old, }flowtop_function"])])
    AS_IF([test -n "$flowtop_libbpf_old"],
      [FLOWTOP_MISSING([a newer libbpf: this one lacks $flowtop_libbpf_old], [libbpf-dev])])
  ])
  CPPFLAGS=$flowtop_save_CPPFLAGS
  LIBS=$flowtop_save_LIBS
])

# FLOWTOP_CHECK_BPF
# Does with a small program what the build will do with ours. Nothing is loaded: no privilege, no
# BTF of the running kernel.
AC_DEFUN([FLOWTOP_CHECK_BPF], [
  AS_CASE([$host_cpu],
    [x86_64|amd64|i?86], [flowtop_bpf_arch=x86],
    [aarch64*|arm64], [flowtop_bpf_arch=arm64],
    [arm*], [flowtop_bpf_arch=arm],
    [s390*], [flowtop_bpf_arch=s390],
    [powerpc*|ppc*], [flowtop_bpf_arch=powerpc],
    [mips*], [flowtop_bpf_arch=mips],
    [riscv*], [flowtop_bpf_arch=riscv],
    [loongarch*], [flowtop_bpf_arch=loongarch],
    [AC_MSG_ERROR([$host_cpu is not supported: libbpf's bpf_tracing.h does not know it])])
  BPF_ARCH=$flowtop_bpf_arch
  AC_SUBST([BPF_ARCH])

  flowtop_clang_bpf=no
  AS_IF([test -n "$CLANG"], [
    AC_MSG_CHECKING([whether $CLANG compiles for the BPF target])
    AS_ECHO(['struct sock { int number; } __attribute__((preserve_access_index));
__attribute__((section("license"), used)) char flowtop_license@<:@@:>@ = "Dual MIT/GPL";
__attribute__((section("fentry/release_sock"), used)) int flowtop_try(unsigned long long *context)
{
	return __sync_fetch_and_add(&((struct sock *)context@<:@0@:>@)->number, 1);
}']) > conftest.bpf.c
    AS_IF([$CLANG -target bpf -mcpu=v3 -O2 -g -c conftest.bpf.c -o conftest.bpf.o >&AS_MESSAGE_LOG_FD 2>&1],
      [flowtop_clang_bpf=yes])
    AC_MSG_RESULT([$flowtop_clang_bpf])
    AS_IF([test $flowtop_clang_bpf = no],
      [FLOWTOP_MISSING([a clang for the BPF target, version 12 or later: $CLANG is not (details: config.log)], [clang])])
  ])

  AS_IF([test $flowtop_clang_bpf = yes && test -n "$BPFTOOL"], [
    AC_MSG_CHECKING([whether $BPFTOOL generates skeletons])
    AS_IF([$BPFTOOL gen skeleton conftest.bpf.o name flowtop_try > conftest.skel.h 2>&AS_MESSAGE_LOG_FD &&
           grep flowtop_try__elf_bytes conftest.skel.h >/dev/null],
      [flowtop_skeleton=yes], [flowtop_skeleton=no])
    AC_MSG_RESULT([$flowtop_skeleton])
    AS_IF([test $flowtop_skeleton = no],
      [FLOWTOP_MISSING([a bpftool that generates skeletons with the object's bytes, version 5.16 or later: $BPFTOOL does not (details: config.log)], [bpftool])])
  ])

  AS_IF([test $flowtop_clang_bpf = yes && test -n "$LLVM_STRIP"], [
    AC_MSG_CHECKING([whether $LLVM_STRIP keeps the BTF of BPF objects])
    AS_IF([$LLVM_STRIP -g -o conftest.bpf.stripped conftest.bpf.o >&AS_MESSAGE_LOG_FD 2>&1 &&
           grep BTF conftest.bpf.stripped >/dev/null],
      [AC_MSG_RESULT([yes])],
      [AC_MSG_RESULT([no, so bpftool does its part])
       LLVM_STRIP=])
  ])
  AM_CONDITIONAL([HAVE_LLVM_STRIP], [test -n "$LLVM_STRIP"])

  # Without these headers the check would blame clang for what is already named.
  AS_IF([test $flowtop_clang_bpf = yes && test $flowtop_libbpf = yes], [
    AC_MSG_CHECKING([whether BPF programs find the headers of kernel and libbpf])
    AS_ECHO(["@%:@include <linux/bpf.h>
@%:@include <linux/ptrace.h>
@%:@include <bpf/bpf_helpers.h>
@%:@include <bpf/bpf_core_read.h>
@%:@include <bpf/bpf_tracing.h>"]) > conftest.bpf.c
    AS_IF([$CLANG -target bpf -O2 -D__TARGET_ARCH_$BPF_ARCH $BPF_SYSTEM_CPPFLAGS $LIBBPF_CFLAGS -c conftest.bpf.c -o conftest.bpf.o >&AS_MESSAGE_LOG_FD 2>&1],
      [AC_MSG_RESULT([yes])], [
      AC_MSG_RESULT([no])
      FLOWTOP_MISSING([headers for BPF programs (details: config.log)], [linux-libc-dev libbpf-dev])
    ])
  ])
  rm -f conftest.*
])

# FLOWTOP_CHECK_COLLECTD
# Sets COLLECTD_CPPFLAGS and plugindir. collectd has no pkg-config file.
AC_DEFUN([FLOWTOP_CHECK_COLLECTD], [
  AS_CASE([$with_collectd_include],
    [/*], [],
    [AC_MSG_ERROR([--with-collectd-include=$with_collectd_include: not the full name of a folder])])

  # As system headers: their warnings are not ours. They need HAVE_CONFIG_H for the config.h beside
  # them, and find each other both as <collectd/core/...> and as "core/...".
  COLLECTD_CPPFLAGS="-DHAVE_CONFIG_H=1 -isystem $with_collectd_include"
  flowtop_parent=`AS_DIRNAME(["$with_collectd_include"])`
  AS_CASE([$flowtop_parent],
    [/usr/include], [], # already the compiler's, and its place in the order matters
    [COLLECTD_CPPFLAGS="$COLLECTD_CPPFLAGS -isystem $flowtop_parent"])
  AC_SUBST([COLLECTD_CPPFLAGS])

  AC_MSG_CHECKING([for collectd's headers in $with_collectd_include])
  flowtop_save_CPPFLAGS=$CPPFLAGS
  CPPFLAGS="$CPPFLAGS $COLLECTD_CPPFLAGS"
  # AC_LANG_SOURCE would put our own PACKAGE_NAME and the like first. Without the kernel's headers, which
  # are named already, no header of the C library compiles: then only look whether the folder is there.
  AS_IF([test $flowtop_linux = no], [
    AS_IF([test -r "$with_collectd_include/core/daemon/plugin.h"],
      [flowtop_collectd=yes], [flowtop_collectd=no])
  ], [AC_COMPILE_IFELSE([AC_LANG_DEFINES_PROVIDED
@%:@include <collectd/core/daemon/collectd.h>
@%:@include <collectd/core/daemon/plugin.h>
@%:@include <collectd/core/utils/common/common.h>
@%:@include <collectd/core/utils/metadata/meta_data.h>
void module_register(void) { plugin_register_shutdown("try", 0); }
], [flowtop_collectd=yes], [flowtop_collectd=no])])
  AC_MSG_RESULT([$flowtop_collectd])
  AS_IF([test $flowtop_collectd = no],
    [FLOWTOP_MISSING([collectd's headers in $with_collectd_include (another place: --with-collectd-include=DIR)],
      [collectd-dev])])
  CPPFLAGS=$flowtop_save_CPPFLAGS

  flowtop_plugindir_note=
  AS_CASE([$with_collectd_plugindir],
    [yes|no|''], [AC_MSG_ERROR([--with-collectd-plugindir needs a folder])],
    [default], [
      plugindir='${libdir}/collectd'
      # Debian's collectd does not look below the multiarch folder that packages have as libdir.
      AS_IF([test -d /usr/lib/collectd], [
        AS_CASE([$prefix:$exec_prefix],
          [/usr:NONE|/usr:/usr], [plugindir=/usr/lib/collectd],
          [flowtop_plugindir_note="This host's collectd looks in /usr/lib/collectd: install for it by
  --with-collectd-plugindir=/usr/lib/collectd, or set its PluginDir."])
      ])
    ],
    [plugindir=$with_collectd_plugindir])
  AC_SUBST([plugindir])
  flowtop_plugindir_shown=$plugindir
])

# FLOWTOP_CHECK_CMOCKA
# Only tests need it, so a packager may build without.
AC_DEFUN([FLOWTOP_CHECK_CMOCKA], [
  FLOWTOP_PKG([CMOCKA], [cmocka], [-lcmocka])
  flowtop_save_CPPFLAGS=$CPPFLAGS
  flowtop_save_LIBS=$LIBS
  CPPFLAGS="$CPPFLAGS $CMOCKA_CFLAGS"
  LIBS="$CMOCKA_LIBS $LIBS"
  AC_MSG_CHECKING([for cmocka])
  AC_LINK_IFELSE([AC_LANG_PROGRAM([[
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
]], [[return cmocka_run_group_tests_name("", (const struct CMUnitTest *)0, 0, 0);]])],
    [flowtop_cmocka=yes], [flowtop_cmocka=no])
  CPPFLAGS=$flowtop_save_CPPFLAGS
  LIBS=$flowtop_save_LIBS
  AC_MSG_RESULT([$flowtop_cmocka])
  flowtop_unit_tests=yes
  AS_IF([test $flowtop_cmocka = no], [
    flowtop_unit_tests="off: cmocka is missing (Debian: libcmocka-dev)"
    CMOCKA_CFLAGS=
    CMOCKA_LIBS=
    AC_MSG_WARN([no cmocka: there will be no unit tests. On Debian: apt-get install libcmocka-dev])
  ])
  AM_CONDITIONAL([HAVE_CMOCKA], [test $flowtop_cmocka = yes])
])

# FLOWTOP_CHECK_UTHASH
# Only the tests under a real kernel need it ("make tests").
AC_DEFUN([FLOWTOP_CHECK_UTHASH], [
  AC_CHECK_HEADER([uthash.h], [flowtop_native_tests=yes], [
    flowtop_native_tests="off: uthash is missing (Debian: uthash-dev)"
  ])
  AM_CONDITIONAL([HAVE_UTHASH], [test "$flowtop_native_tests" = yes])
])

# FLOWTOP_TRY_CFLAG(VARIABLE, FLAG, [SOURCE])
# Append FLAG to VARIABLE when the compiler takes it without a word.
AC_DEFUN([FLOWTOP_TRY_CFLAG], [
  AC_MSG_CHECKING([whether $CC accepts $2])
  flowtop_save_CFLAGS=$CFLAGS
  CFLAGS="$CFLAGS -Werror $2"
  AC_COMPILE_IFELSE([AC_LANG_SOURCE([m4_default([$3], [[int main(void) { return 0; }]])])],
    [AC_MSG_RESULT([yes])
     $1="${$1:+${$1} }$2"],
    [AC_MSG_RESULT([no])])
  CFLAGS=$flowtop_save_CFLAGS
])

AC_DEFUN([FLOWTOP_CHECK_WARNINGS], [
  WARN_CFLAGS=
  m4_foreach_w([flowtop_flag],
    [-Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Wformat=2
     -Wundef],
    [FLOWTOP_TRY_CFLAG([WARN_CFLAGS], flowtop_flag)])
  BPF_WARN_CFLAGS="-Wall -Wextra"
  AS_IF([test "x$enable_werror" != xno], [
    WARN_CFLAGS="$WARN_CFLAGS -Werror"
    BPF_WARN_CFLAGS="$BPF_WARN_CFLAGS -Werror"
  ])
  AC_SUBST([WARN_CFLAGS])
  AC_SUBST([BPF_WARN_CFLAGS])
])

# FLOWTOP_CHECK_HARDENING
# What a distribution sets itself goes before or wins: these are the defaults of everybody else.
AC_DEFUN([FLOWTOP_CHECK_HARDENING], [
  HARDENING_CFLAGS=
  AS_IF([test "x$enable_sanitizers" != xno], [
    FLOWTOP_TRY_CFLAG([HARDENING_CFLAGS], [-fsanitize=address,undefined])
    AS_IF([test -z "$HARDENING_CFLAGS"],
      [AC_MSG_ERROR([$CC has no sanitizers. With gcc on Debian: apt-get install libasan8 libubsan1; with clang: libclang-rt-dev])])
    HARDENING_CFLAGS="$HARDENING_CFLAGS -fno-sanitize-recover=undefined -fno-omit-frame-pointer"
    # gcc, by its own manual, sees too many of these between the sanitizers' checks.
    FLOWTOP_TRY_CFLAG([HARDENING_CFLAGS], [-Wno-maybe-uninitialized])
  ], [
    FLOWTOP_TRY_CFLAG([HARDENING_CFLAGS], [-fstack-protector-strong])
    # Refused, by a warning from the header or the preprocessor, without optimisation and where
    # the compiler or the caller has it on already: that is when it must stay out.
    FLOWTOP_TRY_CFLAG([HARDENING_CFLAGS], [-D_FORTIFY_SOURCE=2],
      [[#include <string.h>
int main(void) { return 0; }]])
  ])
  AC_SUBST([HARDENING_CFLAGS])
])
