# The packages aimp is built from, all of them Debian 12's.
find_package(PkgConfig REQUIRED)
pkg_check_modules(luajit REQUIRED IMPORTED_TARGET luajit)
pkg_check_modules(libuv REQUIRED IMPORTED_TARGET libuv)
pkg_check_modules(libcurl REQUIRED IMPORTED_TARGET libcurl)
if(AIMP_TESTS)
  pkg_check_modules(cmocka REQUIRED IMPORTED_TARGET cmocka)
endif()

# lua5.1-luv.pc asks for a lua5.1.pc that LuaJIT does not bring, so luv is
# looked for by its files. LuaJIT's headers come first: luv's folder also has
# those of Lua 5.1 where its development package is installed.
find_path(LUV_INCLUDE_DIR luv/luv.h PATH_SUFFIXES lua5.1 REQUIRED)
find_library(LUV_LIBRARY NAMES lua5.1-luv REQUIRED)
add_library(luv::luv INTERFACE IMPORTED)
target_include_directories(luv::luv INTERFACE
  ${luajit_INCLUDE_DIRS} ${LUV_INCLUDE_DIR} ${LUV_INCLUDE_DIR}/luv)
target_link_libraries(luv::luv INTERFACE ${LUV_LIBRARY} PkgConfig::luajit PkgConfig::libuv)
