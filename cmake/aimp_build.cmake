# How every part of the runtime is compiled, and the two functions that the
# layers' CMakeLists.txt use: aimp_layer() and aimp_c_test().
set(CMAKE_C_STANDARD 11)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_C_VISIBILITY_PRESET hidden)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)

# Instead of CMake's -O3 -DNDEBUG: assertions guard shared memory and are kept,
# and a crash in the field should have line numbers. Flags of the user's win.
if(CMAKE_C_FLAGS_RELEASE STREQUAL "-O3 -DNDEBUG")
  set(CMAKE_C_FLAGS_RELEASE "-O2 -g")
endif()

# -Wno-format-truncation: messages are cut to their buffers on purpose.
add_compile_options(-Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith
  -Wno-format-truncation)
add_compile_definitions(_GNU_SOURCE AIMP_VERSION="${PROJECT_VERSION}")
if(AIMP_FAILPOINTS)
  add_compile_definitions(AIMP_FAILPOINTS=1)
endif()

if(AIMP_SANITIZE)
  add_compile_options(-fsanitize=${AIMP_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${AIMP_SANITIZE})
else()
  # -fstack-clash-protection and the rest cost no measurable time. _FORTIFY_SOURCE
  # needs optimisation, and sanitizers bring their own checks.
  add_compile_options(-fstack-protector-strong -fstack-clash-protection
    $<$<CONFIG:Release,RelWithDebInfo>:-D_FORTIFY_SOURCE=2>)
  add_link_options(-Wl,-z,relro,-z,now,-z,noexecstack)
endif()

# What ctest puts into the environment of every test: aimp_test_environment(var c)
# or (var spec). Leaks are looked for in C tests alone: LuaJIT hides pointers from
# LeakSanitizer, so everything a Lua state owns would count as lost. And specs
# crash workers on purpose, which must end them by that signal.
function(aimp_test_environment out kind)
  set(asan abort_on_error=1:detect_stack_use_after_return=1)
  if(kind STREQUAL spec)
    string(APPEND asan :detect_leaks=0:handle_segv=0:handle_sigbus=0:handle_sigfpe=0)
  endif()
  set(${out} "ASAN_OPTIONS=${asan}" UBSAN_OPTIONS=print_stacktrace=1 TSAN_OPTIONS=halt_on_error=1
    PARENT_SCOPE)
endfunction()

# aimp_layer(NAME SOURCES a.c b.c DEPENDS lower layers and imported targets)
# makes the static library aimp_NAME from this folder.
function(aimp_layer name)
  cmake_parse_arguments(arg "" "" "SOURCES;DEPENDS" ${ARGN})
  add_library(aimp_${name} STATIC ${arg_SOURCES})
  target_include_directories(aimp_${name} PUBLIC ${CMAKE_SOURCE_DIR}/runtime ${CMAKE_SOURCE_DIR}/runtime/include)
  target_link_libraries(aimp_${name} PUBLIC ${arg_DEPENDS})
endfunction()

# aimp_c_test(x_test [SOURCES helper.c] DEPENDS ...) builds x_test.c with cmocka
# and registers it with ctest under a hard time limit. One process each.
function(aimp_c_test name)
  if(NOT AIMP_TESTS)
    return()
  endif()
  cmake_parse_arguments(arg "" "" "SOURCES;DEPENDS" ${ARGN})
  add_executable(${name} ${name}.c ${arg_SOURCES})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_CURRENT_BINARY_DIR})
  target_link_libraries(${name} PRIVATE ${arg_DEPENDS} PkgConfig::cmocka)
  # gcc does not know that a cmocka assertion which fails leaves the test.
  target_compile_options(${name} PRIVATE -Wno-maybe-uninitialized)
  add_test(NAME c/${name} COMMAND ${name})
  aimp_test_environment(environment c)
  set_tests_properties(c/${name} PROPERTIES TIMEOUT 120 ENVIRONMENT "${environment}")
endfunction()

# ninja lint, or one of its parts: what scripts/lint runs.
add_custom_target(lint COMMAND ${CMAKE_SOURCE_DIR}/scripts/lint USES_TERMINAL)
foreach(check format tidy lua layers text shell man docs)
  add_custom_target(lint-${check} COMMAND ${CMAKE_SOURCE_DIR}/scripts/lint ${check} USES_TERMINAL)
endforeach()
