# Run by CPack between laying out the package's files and packing them. Debian's
# policy: a licence is called copyright; changelogs and man pages are compressed,
# without time stamps.
set(doc ${CPACK_TEMPORARY_INSTALL_DIRECTORY}/usr/share/doc/aimp)
set(man ${CPACK_TEMPORARY_INSTALL_DIRECTORY}/usr/share/man/man1/aimprun.1)

# SOURCE_DATE_EPOCH sets the date.
string(TIMESTAMP date "%a, %d %b %Y %H:%M:%S +0000" UTC)
file(WRITE ${doc}/changelog.Debian
"aimp (${CPACK_PACKAGE_VERSION}-${CPACK_DEBIAN_PACKAGE_RELEASE}) unstable; urgency=medium

  * Built from aimp ${CPACK_PACKAGE_VERSION}; its own changes are in changelog.gz.

 -- ${CPACK_DEBIAN_PACKAGE_MAINTAINER}  ${date}
")
file(RENAME ${doc}/LICENSE ${doc}/copyright)
file(RENAME ${doc}/CHANGELOG.md ${doc}/changelog)
execute_process(
  COMMAND gzip -9n ${doc}/changelog ${doc}/changelog.Debian ${man}
  COMMAND_ERROR_IS_FATAL ANY)

# What was made here has the umask of who packages.
file(CHMOD ${doc}/changelog.Debian.gz PERMISSIONS OWNER_READ OWNER_WRITE GROUP_READ WORLD_READ)
file(CHMOD_RECURSE ${CPACK_TEMPORARY_INSTALL_DIRECTORY}/usr DIRECTORY_PERMISSIONS
  OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
