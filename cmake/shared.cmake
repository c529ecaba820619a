# A shared library is named by its interface's version, so that two of them live in one process, and lets out its own names
# alone: instantiations of the standard library's templates would be shared with the host's.
get_target_property(eddy_type eddy TYPE)
if(eddy_type STREQUAL "SHARED_LIBRARY")
  set_target_properties(eddy PROPERTIES VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR})
  if(UNIX AND NOT APPLE)
    target_link_options(eddy PRIVATE LINKER:--version-script=${PROJECT_SOURCE_DIR}/cmake/exports.map)
    set_target_properties(eddy PROPERTIES LINK_DEPENDS ${PROJECT_SOURCE_DIR}/cmake/exports.map)
  endif()
endif()
