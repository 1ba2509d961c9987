# The Debian package, by CPack: `ninja package` in a build folder. It holds what
# `cmake --install` installs, named and compressed as Debian wants it
# (cmake/aimp_deb_files.cmake). Version and description are project()'s.
set(CPACK_GENERATOR DEB)
set(CPACK_VERBATIM_VARIABLES ON)
set(CPACK_PRE_BUILD_SCRIPTS ${CMAKE_CURRENT_LIST_DIR}/aimp_deb_files.cmake)

# Who publishes packages says where mail about them goes.
set(CPACK_DEBIAN_PACKAGE_MAINTAINER "aimp developers <developers@aimp.invalid>"
  CACHE STRING "Maintainer of the Debian package")
set(CPACK_DEBIAN_PACKAGE_RELEASE 1 CACHE STRING "Debian's revision of the package")
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION interpreters)
set(CPACK_DEBIAN_PACKAGE_DESCRIPTION [[
aimprun runs a Lua script on an event loop (LuaJIT, libuv) and spreads its
work over worker processes: tasks that wait cost no thread, tasks that
compute use every core, and a worker that dies takes along nothing but what
it ran.
.
The package has the interpreter, its Lua modules, an HTTP client, the
manual and programs to start from.]])

# Libraries are found by dpkg-shlibdeps, which knows C symbols but neither
# bytecode nor string.buffer, so LuaJIT's version is given. What is loaded by
# name: cjson by aimp.http, the roots that libcurl checks servers against.
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_DEPENDS "libluajit-5.1-2 (>= 2.1.0~beta3+git20220320), lua-cjson")
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS ca-certificates)
# Line numbers of crashes go into aimp-dbgsym_….ddeb, as Debian does it.
set(CPACK_DEBIAN_DEBUGINFO_PACKAGE ON)

include(CPack)
