#include "base/boundary.hpp"

#include <new>
#include <stdexcept>
#include <string>

#include "eddy/error.hpp"
#include "support/catch.hpp"

using namespace eddy;

namespace {

template <class Exception>
void fail(const Exception& exception) try {
  throw exception;
} catch (...) {
  throw_as_error("f");
}

}  // namespace

TEST_CASE("boundary: foreign exceptions become Error, the library's own stay what they are") {
  CHECK_THROWS_WITH(fail(std::bad_alloc()), "f: out of memory");
  CHECK_THROWS_WITH(fail(std::length_error("long")), "f: long");
  CHECK_THROWS_AS(fail(std::length_error("long")), Error);
  CHECK_THROWS_WITH(fail(Error("mine")), "mine");
  CHECK_THROWS_AS(fail(Cancelled()), Cancelled);
}
