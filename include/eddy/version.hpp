// The version of the library, read by CMake from here, and the export macro.
#pragma once

#define EDDY_VERSION_MAJOR 0
#define EDDY_VERSION_MINOR 1
#define EDDY_VERSION_PATCH 0

// EDDY_API marks what a shared build exports. EDDY_STATIC is set while a static library is built (then nothing is
// exported from the binary that links it), EDDY_SHARED in the interface of a shared one.
#if defined(_WIN32)
#if defined(EDDY_BUILDING_SHARED)
#define EDDY_API __declspec(dllexport)
#elif defined(EDDY_SHARED)
#define EDDY_API __declspec(dllimport)
#else
#define EDDY_API
#endif
#elif defined(EDDY_STATIC)
#define EDDY_API
#else
#define EDDY_API __attribute__((visibility("default")))
#endif

namespace eddy::inline v0_1 {

// "MAJOR.MINOR.PATCH" of the library that is linked (the macros above are those of the headers).
EDDY_API const char* version() noexcept;

}  // namespace eddy::inline v0_1
