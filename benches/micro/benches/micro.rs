//! Times every kernel, stage by stage, with the limits of the machine beside.

use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};
use micro::{Kernel, STAGES, stage};

fn main() {
    assert_eq!(STAGES, TIMED, "each stage is timed");
    divan::main();
}

/// A function for each stage, since that is how the harness groups.
macro_rules! time {
    ($($stage:ident)*) => {
        const TIMED: [&str; STAGES.len()] = [$(stringify!($stage)),*];
        $(
            #[divan::bench(args = stage(stringify!($stage)), max_time = 1)]
            fn $stage(bencher: Bencher, kernel: &Kernel) {
                let mut work = kernel.make(kernel.rows);
                bencher
                    .counter(ItemsCount::new(work.rows))
                    .counter(BytesCount::new(work.bytes))
                    .bench_local(|| work.run());
            }
        )*
    };
}

time! {
    tokenise read parse convert filter formula lookup_build lookup_probe self_lookup dedupe upsert write
}
