"""Measures this package and others against one server. See docs/explanation/benchmarks.md."""
