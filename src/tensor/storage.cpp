// Blocks of memory behind tensors.
#include "tensor/storage.hpp"

#include "base/memory_pool.hpp"

namespace eddy::inline v0_1 {

Storage::Storage(const Context& c, std::size_t size) : context(c), data(c.pool().allocate(size)), bytes(size) {}

Storage::Storage(const Context& c, void* foreign, std::size_t size, std::function<void()> d)
    : context(c), data(foreign), bytes(size), deleter(std::move(d)) {}

Node::~Node() = default;

Storage::~Storage() {
  if (deleter) {
    deleter();
  } else {
    context.pool().free(data, bytes);
  }
}

}  // namespace eddy::inline v0_1
