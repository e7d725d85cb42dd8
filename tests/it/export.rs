//! Jobs as one document.

use syncline::ErrorKind;
use syncline::spec::{ExportSpec, JobSpec};

/// The jobs of the benchmarks and the examples.
fn jobs() -> Vec<JobSpec> {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut jobs = Vec::new();
    for folder in ["benches/jobs", "examples/data/nycflights"] {
        for entry in std::fs::read_dir(root.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|end| end == "json") {
                jobs.push(JobSpec::from_json(&std::fs::read_to_string(path).unwrap()).unwrap());
            }
        }
    }
    assert!(jobs.len() > 5, "{}", jobs.len());
    jobs
}

#[test]
fn an_export_is_the_same_bytes_in_whatever_order_the_jobs_come() {
    let mut jobs = jobs();
    let text = ExportSpec::new(jobs.clone()).to_json();
    jobs.reverse();
    assert_eq!(ExportSpec::new(jobs.clone()).to_json(), text);
    let read = ExportSpec::from_json(&text).unwrap();
    assert_eq!(read.to_json(), text);
    assert_eq!(read, ExportSpec::new(jobs));
}

#[test]
fn what_is_wrong_with_an_export_is_told_with_its_path() {
    let text = ExportSpec::new(jobs()).to_json();
    let wrong = |from: &str, to: &str| {
        assert!(text.contains(from), "{from}");
        let error = ExportSpec::from_json(&text.replacen(from, to, 1)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        error.problems()[0].to_string()
    };
    assert!(wrong("\"version\": 1", "\"version\": 2").starts_with("version: "));
    let of_job = wrong("      \"version\": 1", "      \"version\": 7");
    assert!(
        of_job.starts_with("jobs[0].version: ") && of_job.contains('7'),
        "{of_job}"
    );
    let of_dataset = wrong("        \"version\": 1", "        \"version\": 3");
    assert!(
        of_dataset.starts_with("jobs[0].dataset.version: "),
        "{of_dataset}"
    );
    assert!(wrong("\"destinations\"", "\"targets\"").starts_with("jobs[0].targets: unknown field"));
    let first = ExportSpec::from_json(&text).unwrap().jobs.remove(0);
    let twice = serde_json::json!({"version": 1, "jobs": [first, first]}).to_string();
    let error = ExportSpec::from_json(&twice).unwrap_err();
    assert_eq!(error.problems()[0].path, "jobs[1].name");
}
