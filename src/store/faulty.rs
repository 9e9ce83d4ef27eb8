//! A store that fails on purpose, for tests.
