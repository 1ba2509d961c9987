# What `cmake --install` puts where, and the target `aimp`: all of that, without
# the tests. aimprun finds the rest by its own place, so the whole prefix can be
# moved. The folders are options for LuaRocks alone, which lays a rock's files
# out anew (aimp-scm-1.rockspec).
set(AIMP_LUA_DIR share/lua/5.1 CACHE STRING "Folder of the installed Lua files, below the prefix")
set(AIMP_MODULE_DIR lib/lua/5.1 CACHE STRING "Folder of the installed C modules, below the prefix")
set(AIMP_DOC_DIR share/doc/aimp CACHE STRING "Folder of the installed documents, below the prefix")
mark_as_advanced(AIMP_LUA_DIR AIMP_MODULE_DIR AIMP_DOC_DIR)

add_custom_target(aimp)
function(aimp_install_target target)
  if(TARGET ${target})
    add_dependencies(aimp ${target})
    install(TARGETS ${target} ${ARGN})
  endif()
endfunction()

aimp_install_target(aimprun RUNTIME DESTINATION bin)
aimp_install_target(aimp_core_module LIBRARY DESTINATION ${AIMP_MODULE_DIR}/aimp)
aimp_install_target(aimp_http_module LIBRARY DESTINATION ${AIMP_MODULE_DIR}/aimp/http)
install(DIRECTORY lua/aimp DESTINATION ${AIMP_LUA_DIR} FILES_MATCHING PATTERN "*.lua")
# For editors: the library of lua-language-server.
install(DIRECTORY types DESTINATION share/aimp)

install(FILES docs/man/aimprun.1 DESTINATION share/man/man1)
install(FILES README.md CHANGELOG.md LICENSE DESTINATION ${AIMP_DOC_DIR})
# As in the repository, so that the links from README.md to docs/ hold.
install(DIRECTORY docs DESTINATION ${AIMP_DOC_DIR} PATTERN man EXCLUDE)
install(DIRECTORY examples DESTINATION ${AIMP_DOC_DIR})
