#include "base/files.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <stdexcept>

#include "eddy/error.hpp"
#include "support/catch.hpp"
#include "support/temporary.hpp"

using namespace eddy;
using eddy::test::Temporary;

namespace {

std::string read(const std::string& path) { return read_file(path, 1 << 20); }

}  // namespace

TEST_CASE("files: an output file appears under its name only when it is committed") {
  const Temporary folder;
  const std::string path = folder / "a";
  write_file(path, "old");
  {
    OutputFile file(path);
    file.write("new ");
    CHECK(read(path) == "old");
    file.write("content");
    file.commit();
    CHECK(read(path) == "new content");
  }
  CHECK(read(path) == "new content");
  CHECK(list_directory(folder / "") == std::vector<std::string>{"a"});
}

TEST_CASE("files: an output file that is dropped leaves the old one and nothing beside it") {
  const Temporary folder;
  write_file(folder / "a", "old");
  for (const char* name : {"a", "b"}) {
    OutputFile file(folder / name);
    file.write("half");
  }
  CHECK(list_directory(folder / "") == std::vector<std::string>{"a"});
  CHECK(read(folder / "a") == "old");
}

TEST_CASE("files: an output file that cannot take its name is an Error, and leaves nothing beside it") {
  const Temporary folder;
  make_directories(folder / "a/b");
  OutputFile file(folder / "a");
  file.write("x");
  CHECK_THROWS_WITH(file.commit(), Catch::Contains(folder / "a"));
  CHECK(list_directory(folder / "") == std::vector<std::string>{"a"});
  CHECK(path_kind(folder / "a/b") == PathKind::directory);
  CHECK_THROWS_WITH(OutputFile(folder / "missing/a"), Catch::Contains(folder / "missing/a"));
}

TEST_CASE("files: a full device is an Error that names the file, and leaves the old one") {
  if (!exists("/dev/full")) return;
  const Temporary folder;
  const std::string path = folder / "a";
  write_file(path, "old");
  REQUIRE(::symlink("/dev/full", (path + ".tmp-" + std::to_string(::getpid())).c_str()) == 0);
  CHECK_THROWS_WITH(write_file(path, "new"), Catch::Contains(path));
  CHECK(read(path) == "old");
  CHECK(list_directory(folder / "") == std::vector<std::string>{"a"});
}

TEST_CASE("files: an input file is read from any place, and not beyond its end") {
  const Temporary folder;
  const std::string path = folder / "a";
  write_file(path, "0123456789");
  const InputFile file(path);
  CHECK(file.size() == 10);
  char part[4] = {};
  file.read(3, part, 3);
  CHECK(std::string(part) == "345");
  file.read(10, part, 0);
  CHECK_THROWS_WITH(file.read(7, part, 4), Catch::Contains(path) && Catch::Contains("ends at byte 10"));
  std::filesystem::resize_file(path, 5);  // cut short by another process
  CHECK_THROWS_WITH(file.read(4, part, 3), Catch::Contains("ends at byte 5"));
}

TEST_CASE("files: what is no regular file is refused without waiting for it") {
  const Temporary folder;
  REQUIRE(::mkfifo((folder / "pipe").c_str(), 0600) == 0);
  CHECK(path_kind(folder / "pipe") == PathKind::other);
  CHECK_THROWS_WITH(InputFile(folder / "pipe"), Catch::Contains(folder / "pipe"));
  CHECK_THROWS_WITH(InputFile(folder / ""), Catch::Contains("not a regular file"));
  CHECK_THROWS_WITH(InputFile(folder / "missing"), Catch::Contains(folder / "missing"));
}

TEST_CASE("files: a whole file is read up to the limit, an empty one too") {
  const Temporary folder;
  const std::string content("a\0b\n\r\xff", 6);
  write_file(folder / "a", content);
  CHECK(read_file(folder / "a", 6) == content);
  CHECK_THROWS_WITH(read_file(folder / "a", 5), Catch::Contains(folder / "a") && Catch::Contains("limit of 5"));
  write_file(folder / "empty", "");
  CHECK(read_file(folder / "empty", 0).empty());
}

TEST_CASE("files: folders are made, listed in order, renamed and removed with what is in them") {
  const Temporary folder;
  make_directories(folder / "a/b/c");
  make_directories(folder / "a/b/c");
  for (const char* name : {"z", "B", "a1", "a10"}) write_file(folder / ("a/" + std::string(name)), "");
  CHECK(list_directory(folder / "a") == std::vector<std::string>{"B", "a1", "a10", "b", "z"});
  CHECK(path_kind(folder / "a/b") == PathKind::directory);
  CHECK(path_kind(folder / "a/z") == PathKind::file);
  CHECK(path_kind(folder / "a/y") == PathKind::missing);
  rename_path(folder / "a", folder / "x");
  CHECK(exists(folder / "x/b/c"));
  CHECK(!exists(folder / "a"));
  remove_path(folder / "x");
  remove_path(folder / "x");
  CHECK(list_directory(folder / "").empty());

  CHECK_THROWS_WITH(list_directory(folder / "x"), Catch::Contains(folder / "x"));
  CHECK_THROWS_WITH(rename_path(folder / "x", folder / "y"), Catch::Contains(folder / "x"));
  CHECK_THROWS_WITH(sync_directory(folder / "x"), Catch::Contains(folder / "x"));
  write_file(folder / "x", "");
  CHECK_THROWS_WITH(make_directories(folder / "x/y"), Catch::Contains(folder / "x/y"));
}

TEST_CASE("files: the parts of a path") {
  CHECK(join("a/b", "c") == "a/b/c");
  CHECK(join("a/b/", "c") == "a/b/c");
  CHECK(join("a", "/c") == "/c");
  CHECK(parent("a/b/c") == "a/b");
  CHECK(parent("c") == ".");
  CHECK(base_name("a/b") == "b");
  CHECK(base_name("a/b/") == "b");
  CHECK(lower_extension("a.b/PHOTO.JpEg") == ".jpeg");
  CHECK(lower_extension("a.b/none").empty());
}

TEST_CASE("files: a directory is written whole, in the place of the old one") {
  const Temporary folder;
  const std::string path = folder / "model";
  for (const char* content : {"one", "two"}) {
    write_directory(path, [&](const std::string& directory) {
      CHECK(directory != path);
      write_file(join(directory, content), content);
    });
    CHECK(list_directory(path) == std::vector<std::string>{content});
    CHECK(list_directory(folder / "") == std::vector<std::string>{"model"});
  }
}

TEST_CASE("files: a directory that fails on the way leaves the old one, and passes the exception on") {
  const Temporary folder;
  const std::string path = folder / "model";
  write_directory(path, [](const std::string& directory) { write_file(join(directory, "old"), "x"); });
  CHECK_THROWS_AS(write_directory(path,
                                  [](const std::string& directory) {
                                    write_file(join(directory, "half"), "x");
                                    throw std::out_of_range("of the writer");
                                  }),
                  std::out_of_range);
  CHECK(list_directory(path) == std::vector<std::string>{"old"});
  CHECK(list_directory(folder / "") == std::vector<std::string>{"model"});
}

TEST_CASE("files: what a crash left beside a directory does no harm") {
  const Temporary folder;
  const std::string path = folder / "model";
  const auto write = [](const std::string& directory) { write_file(join(directory, "new"), "x"); };
  make_directories(path + ".tmp");
  write_file(path + ".tmp/torn", "x");
  write_directory(path, write);
  CHECK(list_directory(path) == std::vector<std::string>{"new"});

  // Between the two renames of a replacement: the old one is whole, under its other name only.
  rename_path(path, path + ".tmp-old");
  CHECK_THROWS_AS(write_directory(path, [](const std::string&) { throw std::out_of_range("again"); }),
                  std::out_of_range);
  CHECK(list_directory(path) == std::vector<std::string>{"new"});
}

TEST_CASE("files: a folder's name may end in separators") {
  const Temporary folder;
  for (int i = 0; i < 2; ++i) {
    write_directory(folder / "a//", [](const std::string& directory) { write_file(join(directory, "x"), "1"); });
    CHECK(list_directory(folder / "") == std::vector<std::string>{"a"});
    CHECK(read(folder / "a/x") == "1");
  }
  CHECK_THROWS_AS(write_directory("/", [](const std::string&) {}), Error);
}
