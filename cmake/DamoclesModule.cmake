# SPDX-License-Identifier: Apache-2.0 OR MIT
set(DAMOCLES_WARNINGS -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wnon-virtual-dtor)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # g++ 12 sees uninitialised reads in every kj::Maybe of an absl::StatusOr; ASan and valgrind do not.
  list(APPEND DAMOCLES_WARNINGS -Wno-maybe-uninitialized)
endif()

# Several sources in one compilation: half the time of a build from nothing, but a change in one
# file compiles its neighbours too, names in their anonymous namespaces must differ, and a missing
# include goes unseen.  For builds from nothing (presets ci, release, asan, tsan), not for work.
option(DAMOCLES_UNITY_BUILD "Compile the sources of a module together" OFF)
function(damocles_join target)
  set_target_properties(${target} PROPERTIES
                        UNITY_BUILD ${DAMOCLES_UNITY_BUILD} UNITY_BUILD_BATCH_SIZE 8)
  if(DAMOCLES_UNITY_BUILD AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # g++ takes what is included from the joined file for a header, coroutine frames with it.
    target_compile_options(${target} PRIVATE -Wno-subobject-linkage)
  endif()
endfunction()

# The arithmetic's loops come out best when each file is optimised by itself.
set(DAMOCLES_SEPARATE_MODULES bls12_381 hash)

# Arithmetic that is not optimised takes a sanitizer's run ten times as long.
set(DAMOCLES_HOT_MODULES bls12_381 hash poseidon merkle circuit groth16 post params prover practice)
set(DAMOCLES_HOT_OPTIONS "" CACHE STRING "Further options of arithmetic, as a list")

# damocles_module(NAME [LIBRARY target] DEPS modules... SOURCES files... PACKAGES targets...)
#
# One module: a folder of lib/ and of include/damocles/, a namespace, a CMake target damocles_NAME.
# Its objects also become part of an installed library: the one, unless LIBRARY says another.  DEPS are the arrows: what the module
# may include (tests/tidy reads them from modules.txt).
file(WRITE ${PROJECT_BINARY_DIR}/modules.txt "")
function(damocles_module name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "LIBRARY" "DEPS;SOURCES;PACKAGES")
  if(NOT arg_LIBRARY)
    set(arg_LIBRARY damocles)
  endif()
  list(TRANSFORM arg_DEPS PREPEND damocles_ OUTPUT_VARIABLE deps)
  if(arg_SOURCES)
    add_library(damocles_${name} STATIC ${arg_SOURCES})
    target_include_directories(damocles_${name} PUBLIC ${PROJECT_SOURCE_DIR}/include
                               PRIVATE ${PROJECT_SOURCE_DIR})
    target_link_libraries(damocles_${name} PUBLIC ${deps} ${arg_PACKAGES})
    target_compile_options(damocles_${name} PRIVATE ${DAMOCLES_WARNINGS})
    if(name IN_LIST DAMOCLES_HOT_MODULES)
      target_compile_options(damocles_${name} PRIVATE -O2 ${DAMOCLES_HOT_OPTIONS})
    endif()
    if(NOT name IN_LIST DAMOCLES_SEPARATE_MODULES)
      damocles_join(damocles_${name})
    endif()
    # The objects, not the archives: those would have to be exported too.
    target_sources(${arg_LIBRARY} PRIVATE $<TARGET_OBJECTS:damocles_${name}>)
  else()
    add_library(damocles_${name} INTERFACE)
    target_include_directories(damocles_${name} INTERFACE ${PROJECT_SOURCE_DIR}/include)
    target_link_libraries(damocles_${name} INTERFACE ${deps} ${arg_PACKAGES})
  endif()
  target_link_libraries(${arg_LIBRARY} PUBLIC ${arg_PACKAGES})
  string(REPLACE ";" " " line "${name}: ${arg_DEPS}")
  file(APPEND ${PROJECT_BINARY_DIR}/modules.txt "${line}\n")
endfunction()
