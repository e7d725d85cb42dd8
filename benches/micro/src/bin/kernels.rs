//! Runs one kernel so many times, for a program that counts instructions: see `.ci/instructions`.
//!
//! ```text
//! kernels                     lists the kernels
//! kernels STAGE/NAME TIMES
//! ```

#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::collections::BTreeSet;
use std::process::ExitCode;

use micro::{KERNELS, Kernel};

/// Enough for every path to be warm, and for the seeds of hash tables to make no difference.
const ROWS: usize = 4096;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match &arguments[..] {
        [] => {
            let mut seen = BTreeSet::new();
            for kernel in KERNELS.iter().filter(|kernel| !kernel.is_limit) {
                if seen.insert(label(kernel)) {
                    println!("{}", label(kernel));
                }
            }
            ExitCode::SUCCESS
        }
        [wanted, times] => {
            let kernel = KERNELS.iter().find(|kernel| label(kernel) == *wanted);
            let (Some(kernel), Ok(times)) = (kernel, times.parse::<u32>()) else {
                eprintln!("kernels: no kernel `{wanted}`, or `{times}` is no number");
                return ExitCode::FAILURE;
            };
            let mut work = kernel.make(ROWS);
            for _ in 0..times {
                std::hint::black_box(work.run());
            }
            ExitCode::SUCCESS
        }
        _ => {
            eprintln!("usage: kernels [STAGE/NAME TIMES]");
            ExitCode::FAILURE
        }
    }
}

/// Without the number of rows, so that kernels that differ in nothing else are one.
fn label(kernel: &Kernel) -> String {
    format!("{}/{}", kernel.stage, kernel.name)
}
