//! The tests that need the library or the program: one binary, so that the SDK is linked once.

mod model;
