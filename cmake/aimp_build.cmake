# How every part of the runtime is compiled, and the two functions that the
# layers' CMakeLists.txt use: aimp_layer() and aimp_c_test().
set(CMAKE_C_STANDARD 11)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_C_VISIBILITY_PRESET hidden)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

add_compile_options(-Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith)
add_compile_definitions(_GNU_SOURCE AIMP_VERSION="${PROJECT_VERSION}")
if(AIMP_FAILPOINTS)
  add_compile_definitions(AIMP_FAILPOINTS=1)
endif()
if(AIMP_SANITIZE)
  add_compile_options(-fsanitize=${AIMP_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${AIMP_SANITIZE})
endif()

# aimp_layer(NAME SOURCES a.c b.c DEPENDS lower layers and imported targets)
# makes the static library aimp_NAME from this folder.
function(aimp_layer name)
  cmake_parse_arguments(arg "" "" "SOURCES;DEPENDS" ${ARGN})
  add_library(aimp_${name} STATIC ${arg_SOURCES})
  target_include_directories(aimp_${name} PUBLIC ${CMAKE_SOURCE_DIR}/runtime ${CMAKE_SOURCE_DIR}/runtime/include)
  target_link_libraries(aimp_${name} PUBLIC ${arg_DEPENDS})
endfunction()

# aimp_c_test(x_test DEPENDS ...) builds x_test.c with cmocka and registers it
# with ctest under a hard time limit. One process each.
function(aimp_c_test name)
  if(NOT AIMP_TESTS)
    return()
  endif()
  cmake_parse_arguments(arg "" "" "DEPENDS" ${ARGN})
  add_executable(${name} ${name}.c)
  target_link_libraries(${name} PRIVATE ${arg_DEPENDS} PkgConfig::cmocka)
  add_test(NAME c/${name} COMMAND ${name})
  set_tests_properties(c/${name} PROPERTIES TIMEOUT 120)
endfunction()
