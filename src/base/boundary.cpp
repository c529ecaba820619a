#include "base/boundary.hpp"

#include <exception>
#include <new>
#include <string>

#include "eddy/error.hpp"

namespace eddy::inline v0_1 {

void throw_as_error(const char* function) {
  try {
    throw;
  } catch (const Error&) {
    throw;
  } catch (const std::bad_alloc&) {
    throw Error(std::string(function) + ": out of memory");
  } catch (const std::exception& e) {
    throw Error(std::string(function) + ": " + e.what());
  }
}

}  // namespace eddy::inline v0_1
