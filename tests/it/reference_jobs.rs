//! J1 and J2 at 100,000 rows: every count and checksum is the known one, for any number of threads.

use tempfile::TempDir;
use workload::{ReferenceJob, Workload, expected, verify};

use crate::examples::sync_files;

const ROWS: u64 = 100_000;

fn proves(job: ReferenceJob, spec: &str) {
    let data = TempDir::new().unwrap();
    Workload::new(ROWS).write_to(data.path()).unwrap();
    for threads in [1, 2] {
        let (code, out) = sync_files(spec, data.path(), threads);
        assert_eq!(code, 2, "it has rejects, so it is a partial success");
        let verdict = verify(job, out.path()).unwrap().to_string();
        assert_eq!(
            Some(verdict.as_str()),
            expected(job, ROWS),
            "{threads} threads"
        );
    }
}

#[test]
fn j1_gives_the_known_result() {
    proves(ReferenceJob::J1, "benches/jobs/j1.json");
}

#[test]
fn j2_gives_the_known_result() {
    proves(ReferenceJob::J2, "benches/jobs/j2.json");
}
