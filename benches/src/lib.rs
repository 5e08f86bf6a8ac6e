//! Benchmarks; see README.md beside this folder for what was measured and how.
