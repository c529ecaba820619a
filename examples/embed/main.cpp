// The whole of a program that draws pictures: embed MODEL PICTURE.png
#include <cstdio>
#include <eddy/eddy.hpp>

int main(int argc, char** argv) try {
  if (argc != 3) return std::printf("eddy %s\nusage: embed MODEL PICTURE.png\n", eddy::version()), 0;
  eddy::save_png(argv[2], eddy::sample(eddy::load_model(argv[1]), {.num = 16}).x);
} catch (const eddy::Error& e) {
  return std::fprintf(stderr, "%s\n", e.what()), 1;
}
