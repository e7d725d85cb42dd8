//! Patterns of days and times.
