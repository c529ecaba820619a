// The edge between the library and its host: what standard and foreign libraries throw becomes Error.
#pragma once

namespace eddy::inline v0_1 {

// In a handler of everything: `T f() try { ... } catch (...) { throw_as_error("f"); }`. Error passes as it is. For functions that
// call nothing of the user's: exceptions of callbacks pass unchanged.
[[noreturn]] void throw_as_error(const char* function);

}  // namespace eddy::inline v0_1
