#ifndef EDDY_CATCH2_V3
#define CATCH_CONFIG_MAIN
#endif
#include "support/catch.hpp"
#ifdef EDDY_CATCH2_V3
int main(int argc, char** argv) { return Catch::Session().run(argc, argv); }
#endif
