//! The library's hot paths one by one, through its public API, over data that is always the same.
//!
//! A [`Kernel`] is one piece of work. `cargo bench -p micro` times all of them beside [limits] of the machine;
//! `.ci/instructions` counts the instructions of the library's own.

#![allow(
    clippy::unwrap_used,
    reason = "a measurement that cannot be set up ends the program"
)]

mod data;
mod file;
mod keys;
pub mod limits;
mod values;

use std::fmt;

/// One piece of work that can be made in any size.
#[derive(Debug, Clone, Copy)]
pub struct Kernel {
    /// What the work is a part of: its [stage](STAGES).
    pub stage: &'static str,
    /// What sets it apart within its stage.
    pub name: &'static str,
    /// How many rows it is timed with.
    pub rows: usize,
    /// Whether it is none of the library's: what the machine would need for the same bytes at least.
    pub is_limit: bool,
    make: fn(usize) -> Work,
}

impl Kernel {
    const fn new(
        stage: &'static str,
        name: &'static str,
        rows: usize,
        make: fn(usize) -> Work,
    ) -> Self {
        Kernel {
            stage,
            name,
            rows,
            is_limit: false,
            make,
        }
    }

    const fn limit(self) -> Self {
        Kernel {
            is_limit: true,
            ..self
        }
    }

    /// Sets the work up, with so many rows.
    pub fn make(&self, rows: usize) -> Work {
        (self.make)(rows)
    }
}

impl fmt::Display for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let limit = if self.is_limit { "limit: " } else { "" };
        let rows = match self.rows {
            1_000_000 => "1 M",
            100_000 => "100 k",
            _ => "8 k",
        };
        write!(f, "{limit}{} ({rows})", self.name)
    }
}

/// Work that is set up and can be done any number of times.
pub struct Work {
    /// Rows, keys or cells at a time.
    pub rows: usize,
    /// The bytes that are read or written at a time, whichever are more.
    pub bytes: usize,
    run: Box<dyn FnMut() -> u64>,
}

impl Work {
    fn new(rows: usize, bytes: usize, run: impl FnMut() -> u64 + 'static) -> Self {
        Work {
            rows,
            bytes,
            run: Box::new(run),
        }
    }

    /// Does the work once; the answer is something that depends on all of it.
    pub fn run(&mut self) -> u64 {
        (self.run)()
    }
}

impl fmt::Debug for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (f.debug_struct("Work").field("rows", &self.rows)).finish_non_exhaustive()
    }
}

/// The stages of a job, in their order.
pub const STAGES: [&str; 12] = [
    "tokenise",
    "read",
    "parse",
    "convert",
    "filter",
    "formula",
    "lookup_build",
    "lookup_probe",
    "self_lookup",
    "dedupe",
    "upsert",
    "write",
];

/// The kernels of a stage, with its limits behind.
pub fn stage(name: &str) -> impl Iterator<Item = &'static Kernel> {
    KERNELS.iter().filter(move |kernel| kernel.stage == name)
}

const BATCH: usize = 8192;
const FILE: usize = 100_000;
const SMALL: usize = 100_000;
const LARGE: usize = 1_000_000;

/// Everything there is to measure.
pub const KERNELS: &[Kernel] = &[
    Kernel::new("tokenise", "usage.csv", FILE, file::tokenise),
    Kernel::new("tokenise", "copy of the bytes", FILE, limits::copy_file).limit(),
    Kernel::new("tokenise", "sum of the bytes", FILE, limits::sum_file).limit(),
    Kernel::new("read", "text", FILE, file::read_text),
    Kernel::new("read", "integer", FILE, file::read_integer),
    Kernel::new("read", "decimal", FILE, file::read_decimal),
    Kernel::new("read", "boolean", FILE, file::read_boolean),
    Kernel::new("read", "datetime", FILE, file::read_datetime),
    Kernel::new("read", "all seven columns", FILE, file::read_all),
    Kernel::new("read", "copy of the bytes", FILE, limits::copy_file).limit(),
    Kernel::new("parse", "integer", BATCH, values::parse_integer),
    Kernel::new("parse", "decimal", BATCH, values::parse_decimal),
    Kernel::new("parse", "float", BATCH, values::parse_float),
    Kernel::new("parse", "boolean", BATCH, values::parse_boolean),
    Kernel::new("parse", "date", BATCH, values::parse_date),
    Kernel::new("parse", "datetime", BATCH, values::parse_datetime),
    Kernel::new("parse", "local_datetime", BATCH, values::parse_local),
    Kernel::new("parse", "walk over the cells", BATCH, values::walk_cells).limit(),
    Kernel::new("convert", "exact, as it is", BATCH, values::widen_decimal),
    Kernel::new("convert", "exact, to text", BATCH, values::integer_to_text),
    Kernel::new("convert", "in range, text", BATCH, values::text_to_integer),
    Kernel::new("convert", "in range", BATCH, values::float_to_integer),
    Kernel::new("convert", "lossy", BATCH, values::datetime_to_date),
    Kernel::new("convert", "copy of a column", BATCH, limits::copy_column).limit(),
    Kernel::new("filter", "boolean", BATCH, values::filter_boolean),
    Kernel::new("filter", "integer", BATCH, values::filter_integer),
    Kernel::new("filter", "text", BATCH, values::filter_text),
    Kernel::new("filter", "rows of a batch", BATCH, values::filter_batch),
    Kernel::new("filter", "copy of a column", BATCH, limits::copy_column).limit(),
    Kernel::new("formula", "multiply", BATCH, values::multiply),
    Kernel::new("formula", "utc_day", BATCH, values::utc_day),
    Kernel::new("formula", "concat", BATCH, values::concat),
    Kernel::new("formula", "copy of a column", BATCH, limits::copy_column).limit(),
    Kernel::new("lookup_build", "text", SMALL, keys::build_text),
    Kernel::new("lookup_build", "text", LARGE, keys::build_text),
    Kernel::new("lookup_build", "integer", SMALL, keys::build_integer),
    Kernel::new("lookup_build", "integer", LARGE, keys::build_integer),
    Kernel::new("lookup_build", "random writes", SMALL, limits::writes).limit(),
    Kernel::new("lookup_build", "random writes", LARGE, limits::writes).limit(),
    Kernel::new("lookup_probe", "text", SMALL, keys::probe_text),
    Kernel::new("lookup_probe", "text", LARGE, keys::probe_text),
    Kernel::new("lookup_probe", "integer", SMALL, keys::probe_integer),
    Kernel::new("lookup_probe", "integer", LARGE, keys::probe_integer),
    Kernel::new("lookup_probe", "random reads", SMALL, limits::reads).limit(),
    Kernel::new("lookup_probe", "random reads", LARGE, limits::reads).limit(),
    Kernel::new("self_lookup", "tree", SMALL, keys::self_lookup),
    Kernel::new("self_lookup", "random reads", SMALL, limits::reads).limit(),
    Kernel::new("dedupe", "every other row", SMALL, keys::dedupe),
    Kernel::new("dedupe", "random writes", SMALL, limits::writes).limit(),
    Kernel::new("upsert", "all new", SMALL, keys::upsert_new),
    Kernel::new("upsert", "all known", SMALL, keys::upsert_known),
    Kernel::new("upsert", "random writes", SMALL, limits::writes).limit(),
    Kernel::new("write", "usage.csv", FILE, file::write),
    Kernel::new("write", "copy of the bytes", FILE, limits::copy_file).limit(),
];

#[cfg(test)]
mod tests {
    use super::*;

    /// Also proves that each can run twice, as it is timed.
    #[test]
    fn every_kernel_gives_the_same_answer_each_time() {
        for kernel in KERNELS {
            let mut work = kernel.make(500);
            let first = work.run();
            assert_ne!(first, 0, "{kernel:?}");
            assert_eq!(work.run(), first, "{kernel:?}");
        }
    }

    #[test]
    fn every_stage_has_kernels_and_a_limit() {
        for name in STAGES {
            assert!(stage(name).any(|kernel| !kernel.is_limit), "{name}");
            assert!(stage(name).any(|kernel| kernel.is_limit), "{name}");
        }
        assert!(KERNELS.iter().all(|kernel| STAGES.contains(&kernel.stage)));
    }
}
