# What `cmake --install` puts where: headers, the library, the program, documentation, the CMake package and a pkg-config file.
include(CMakePackageConfigHelpers)
set(eddy_package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/eddy)

install(TARGETS eddy EXPORT eddy-targets
        RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
        ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
if(TARGET eddy_program)
  install(TARGETS eddy_program RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()
install(DIRECTORY include/eddy DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.hpp")
install(FILES LICENSE README.md DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(DIRECTORY docs DESTINATION ${CMAKE_INSTALL_DOCDIR})  # README's links lead there
install(EXPORT eddy-targets NAMESPACE eddy:: DESTINATION ${eddy_package_dir})
configure_package_config_file(cmake/eddy-config.cmake.in ${PROJECT_BINARY_DIR}/eddy-config.cmake
                              INSTALL_DESTINATION ${eddy_package_dir})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/eddy-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/eddy-config.cmake ${PROJECT_BINARY_DIR}/eddy-config-version.cmake
        DESTINATION ${eddy_package_dir})

# The prefix is told from the place of the file, so the tree may be moved; absolute folders stay as they are.
if(IS_ABSOLUTE "${CMAKE_INSTALL_LIBDIR}")
  set(eddy_pc_prefix "${CMAKE_INSTALL_PREFIX}")
else()
  file(RELATIVE_PATH eddy_pc_prefix "/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/")
  string(REGEX REPLACE "/$" "" eddy_pc_prefix "\${pcfiledir}/${eddy_pc_prefix}")
endif()
set(eddy_pc_libdir "\${prefix}")
cmake_path(APPEND eddy_pc_libdir "${CMAKE_INSTALL_LIBDIR}")
set(eddy_pc_includedir "\${prefix}")
cmake_path(APPEND eddy_pc_includedir "${CMAKE_INSTALL_INCLUDEDIR}")
if(eddy_type STREQUAL "SHARED_LIBRARY")
  set(eddy_pc_cflags "-DEDDY_SHARED")
else()
  set(eddy_pc_libs "-lstdc++ -lm -pthread")
endif()
configure_file(cmake/eddy.pc.in ${PROJECT_BINARY_DIR}/eddy.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/eddy.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
