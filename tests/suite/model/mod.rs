//! The filesystem against a model of it: random operations, one outcome.
