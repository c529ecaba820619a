// Files over the system's calls: every return value is looked at, a failed sync counts.
#include "base/files.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "eddy/error.hpp"

namespace eddy::inline v0_1 {

namespace fs = std::filesystem;

namespace {

[[noreturn]] void fail(const char* what, const std::string& path, int code) {
  throw Error(std::string("cannot ") + what + " " + path + ": " + std::strerror(code));
}

[[noreturn]] void fail(const char* what, const std::string& path, const std::error_code& code) {
  throw Error(std::string("cannot ") + what + " " + path + ": " + code.message());
}

int open_retrying(const char* path, int flags, int mode) {
  int handle;
  do {
    handle = ::open(path, flags | O_CLOEXEC, mode);
  } while (handle < 0 && errno == EINTR);
  return handle;
}

}  // namespace

InputFile::InputFile(const std::string& path) : path_(path) {
  handle_ = open_retrying(path.c_str(), O_RDONLY | O_NONBLOCK, 0);  // a named pipe would wait for its writer
  if (handle_ < 0) fail("open", path, errno);
  struct stat info;
  if (::fstat(handle_, &info) != 0 || !S_ISREG(info.st_mode)) {
    ::close(handle_);
    throw Error("cannot read " + path + ": it is not a regular file");
  }
  size_ = static_cast<std::uint64_t>(info.st_size);
}

InputFile::~InputFile() { ::close(handle_); }

void InputFile::read(std::uint64_t offset, void* to, std::size_t bytes) const {
  auto* out = static_cast<char*>(to);
  while (bytes > 0) {
    const ssize_t got = ::pread(handle_, out, std::min<std::size_t>(bytes, std::size_t{1} << 30), static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail("read", path_, errno);
    if (got == 0) throw Error("cannot read " + path_ + ": it ends at byte " + std::to_string(offset));
    out += got;
    offset += static_cast<std::uint64_t>(got);
    bytes -= static_cast<std::size_t>(got);
  }
}

OutputFile::OutputFile(const std::string& path) : path_(path), temporary_(path + ".tmp-" + std::to_string(::getpid())) {
  handle_ = open_retrying(temporary_.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
  if (handle_ < 0) fail("write", path, errno);
}

OutputFile::~OutputFile() {
  if (handle_ < 0) return;
  ::close(handle_);
  ::unlink(temporary_.c_str());
}

void OutputFile::write(const void* from, std::size_t bytes) {
  const auto* in = static_cast<const char*>(from);
  while (bytes > 0) {
    const ssize_t put = ::write(handle_, in, std::min<std::size_t>(bytes, std::size_t{1} << 30));
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) fail("write", path_, errno);
    in += put;
    bytes -= static_cast<std::size_t>(put);
  }
}

void OutputFile::commit() {
  if (::fsync(handle_) != 0) fail("sync", path_, errno);
  const int handle = handle_;
  handle_ = -1;
  if (::close(handle) != 0) {
    const int code = errno;
    ::unlink(temporary_.c_str());
    fail("close", path_, code);
  }
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) {
    const int code = errno;
    ::unlink(temporary_.c_str());
    fail("rename", path_, code);
  }
  sync_directory(parent(path_));
}

PathKind path_kind(const std::string& path) {
  std::error_code code;
  const fs::file_status status = fs::status(path, code);
  if (fs::is_regular_file(status)) return PathKind::file;
  if (fs::is_directory(status)) return PathKind::directory;
  return fs::exists(status) ? PathKind::other : PathKind::missing;
}

bool exists(const std::string& path) { return path_kind(path) != PathKind::missing; }

bool same_path(const std::string& a, const std::string& b) {
  std::error_code code;
  return fs::equivalent(a, b, code) && !code;
}

std::string read_file(const std::string& path, std::uint64_t limit) {
  const InputFile file(path);
  if (file.size() > limit) {
    throw Error("cannot read " + path + ": " + std::to_string(file.size()) + " bytes are more than the limit of " +
                std::to_string(limit));
  }
  std::string content(static_cast<std::size_t>(file.size()), '\0');
  file.read(0, content.data(), content.size());
  return content;
}

void write_file(const std::string& path, const std::string& content) {
  OutputFile file(path);
  file.write(content);
  file.commit();
}

void make_directories(const std::string& path) {
  std::error_code code;
  fs::create_directories(path, code);
  if (code) fail("make the folder", path, code);
}

std::vector<std::string> list_directory(const std::string& path) {
  std::error_code code;
  std::vector<std::string> names;
  for (fs::directory_iterator entry(path, code), end; !code && entry != end; entry.increment(code)) {
    names.push_back(entry->path().filename().string());
  }
  if (code) fail("list", path, code);
  std::ranges::sort(names);
  return names;
}

void rename_path(const std::string& from, const std::string& to) {
  if (::rename(from.c_str(), to.c_str()) != 0) fail("rename", from, errno);
}

void remove_path(const std::string& path) {
  std::error_code code;
  fs::remove_all(path, code);
  if (code) fail("remove", path, code);
}

void copy_path(const std::string& from, const std::string& to) {
  std::error_code code;
  fs::copy(from, to, fs::copy_options::recursive | fs::copy_options::copy_symlinks, code);
  if (code) fail("copy", from, code);
}

void sync_directory(const std::string& path) {
  const int handle = open_retrying(path.c_str(), O_RDONLY | O_DIRECTORY, 0);
  if (handle < 0) fail("open the folder", path, errno);
  const int result = ::fsync(handle);
  const int code = errno;
  ::close(handle);
  if (result != 0 && code != EINVAL) fail("sync the folder", path, code);  // EINVAL: the file system has no such call
}

std::string join(const std::string& directory, const std::string& name) { return (fs::path(directory) / name).string(); }

std::string parent(const std::string& path) {
  const std::string result = fs::path(path).parent_path().string();
  return result.empty() ? "." : result;
}

std::string base_name(const std::string& path) {
  const fs::path p(path);
  return p.filename().empty() ? p.parent_path().filename().string() : p.filename().string();
}

std::string lower_extension(const std::string& path) {
  std::string extension = fs::path(path).extension().string();
  std::ranges::transform(extension, extension.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return extension;
}

void write_directory(const std::string& given, const std::function<void(const std::string&)>& write) {
  const std::size_t last = given.find_last_not_of('/');
  if (last == std::string::npos) throw Error("cannot write the folder '" + given + "'");
  const std::string path = given.substr(0, last + 1);  // "a/" is a
  const std::string temporary = path + ".tmp", old = path + ".tmp-old";
  remove_path(temporary);
  if (!exists(path) && exists(old)) rename_path(old, path);  // a crash came between the two renames below
  remove_path(old);
  make_directories(temporary);
  try {
    write(temporary);
    sync_directory(temporary);
    if (exists(path)) rename_path(path, old);
    rename_path(temporary, path);
    sync_directory(parent(path));
    remove_path(old);
  } catch (...) {
    try {
      remove_path(temporary);
    } catch (const Error&) {  // the first failure is the one to tell
    }
    throw;
  }
}

}  // namespace eddy::inline v0_1
