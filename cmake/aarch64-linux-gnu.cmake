# Cross-compiles to Linux on arm64 with Debian's g++-aarch64-linux-gnu; programs are linked statically, so that qemu-user
# runs them without a folder of arm64 libraries. The libraries that eddy is built from are headers, the machine's own.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
set(CMAKE_EXE_LINKER_FLAGS_INIT -static)
find_program(EDDY_QEMU NAMES qemu-aarch64-static qemu-aarch64)
if(EDDY_QEMU)
  set(CMAKE_CROSSCOMPILING_EMULATOR ${EDDY_QEMU})
endif()
