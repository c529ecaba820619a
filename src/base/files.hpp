// The one place that touches the file system. Paths are UTF-8. Everything throws Error naming the path.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace eddy::inline v0_1 {

// An open file, read from the start.
class InputFile {
 public:
  explicit InputFile(const std::string& path);
  ~InputFile();
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;
  std::uint64_t size() const noexcept { return size_; }
  const std::string& path() const noexcept { return path_; }
  // Exactly `bytes` from `offset` on; throws Error when the file ends before.
  void read(std::uint64_t offset, void* to, std::size_t bytes) const;

 private:
  std::string path_;
  int handle_ = -1;
  std::uint64_t size_ = 0;
};

// A file that appears under its name only when it is complete: written as a `.tmp` beside it, synced, renamed.
// Dropped without commit(), it leaves nothing.
class OutputFile {
 public:
  explicit OutputFile(const std::string& path);
  ~OutputFile();
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;
  void write(const void* from, std::size_t bytes);
  void write(const std::string& text) { write(text.data(), text.size()); }
  void commit();

 private:
  std::string path_, temporary_;
  int handle_ = -1;
};

enum class PathKind { missing, file, directory, other };
PathKind path_kind(const std::string& path);
bool exists(const std::string& path);
bool same_path(const std::string& a, const std::string& b);  // both there, and one and the same

// The whole file; throws Error when it is larger than `limit`.
std::string read_file(const std::string& path, std::uint64_t limit);
void write_file(const std::string& path, const std::string& content);

void make_directories(const std::string& path);
// Names in a directory, sorted.
std::vector<std::string> list_directory(const std::string& path);
void rename_path(const std::string& from, const std::string& to);
// Also directories with what is in them; nothing happens when it is missing.
void remove_path(const std::string& path);
// A file, or a directory with what is in it, under a name that is free.
void copy_path(const std::string& from, const std::string& to);
// Makes entries of a directory durable.
void sync_directory(const std::string& path);

std::string join(const std::string& directory, const std::string& name);
std::string parent(const std::string& path);
std::string base_name(const std::string& path);
std::string lower_extension(const std::string& path);  // ".png", "" when there is none

// Writes a directory so that it appears complete or not at all: `write` fills `path` + ".tmp", then it is renamed. An
// existing one is replaced.
void write_directory(const std::string& path, const std::function<void(const std::string& directory)>& write);

}  // namespace eddy::inline v0_1
