# What `cmake --install` puts where, and the target `aimp`: all of that, without
# the tests. aimprun finds the rest by its own place, so the folders are fixed
# and the whole prefix can be moved.
set(lua_dir share/lua/5.1)
set(module_dir lib/lua/5.1)

add_custom_target(aimp)
function(aimp_install_target target)
  if(TARGET ${target})
    add_dependencies(aimp ${target})
    install(TARGETS ${target} ${ARGN})
  endif()
endfunction()

aimp_install_target(aimprun RUNTIME DESTINATION bin)
aimp_install_target(aimp_core_module LIBRARY DESTINATION ${module_dir}/aimp)
aimp_install_target(aimp_http_module LIBRARY DESTINATION ${module_dir}/aimp/http)
install(DIRECTORY lua/aimp DESTINATION ${lua_dir} FILES_MATCHING PATTERN "*.lua")
