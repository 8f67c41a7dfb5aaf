# SPDX-License-Identifier: Apache-2.0 OR MIT
# Run at each build (cmake -DSOURCE=... -DHEADER=... -P): writes the commit that is being built, with
# "-dirty" if files differ from it, and touches the header only when that has changed.
execute_process(COMMAND git -C ${SOURCE} describe --always --dirty --abbrev=12 --exclude=*
                OUTPUT_VARIABLE commit OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
if(NOT commit)
  set(commit unknown)
endif()
file(CONFIGURE OUTPUT ${HEADER} CONTENT "#define DAMOCLES_COMMIT \"${commit}\"\n")
