//! Jobs as one document.

use syncline::ErrorKind;
use syncline::spec::{ChainSpec, ExportSpec, JobSpec, LinkSpec, Member, RunSettings};

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

#[test]
fn chains_of_jobs_and_chains_are_read_as_they_were_written() {
    let links = vec![
        LinkSpec::new("users"),
        LinkSpec::chain("users").after([Member::job("users")]),
        LinkSpec::new("tickets").after([Member::job("users"), Member::chain("users")]),
    ];
    let schedule = "every day at 06:30".parse().unwrap();
    let nightly = ChainSpec::new("nightly", links)
        .with_settings(RunSettings::new(schedule))
        .with_read_ahead(false);
    assert!(nightly.problems().is_empty(), "{:?}", nightly.problems());
    let plain = ChainSpec::new("users", vec![LinkSpec::new("a")]);
    let export = ExportSpec::new(vec![]).with_chains(vec![nightly, plain]);
    let text = export.to_json();
    assert_eq!(ExportSpec::from_json(&text).unwrap(), export);
    // What is as always is not said.
    assert_eq!(text.matches("\"settings\"").count(), 1);
    assert_eq!(text.matches("\"read_ahead\"").count(), 1);

    let link = |link: &str| {
        let chain = format!(r#"{{"version": 1, "name": "x", "links": [{link}]}}"#);
        let document = format!(r#"{{"version": 1, "jobs": [], "chains": [{chain}]}}"#);
        ExportSpec::from_json(&document)
    };
    assert!(link(r#"{"job": "a"}"#).is_ok());
    for (wrong, told) in [
        ("{}", "either a `job` or a `chain`"),
        (
            r#"{"job": "a", "chain": "b"}"#,
            "either a `job` or a `chain`",
        ),
        (r#"{"job": "a", "after": [7]}"#, "give the name of a job"),
        (
            r#"{"job": "a", "after": [{"job": "b"}]}"#,
            "give the name of a job",
        ),
        (r#"{"job": "a", "then": []}"#, "unknown field"),
    ] {
        let error = link(wrong).unwrap_err();
        let problem = error.problems()[0].to_string();
        assert!(
            problem.starts_with("chains[0].links[0]"),
            "{wrong}: {problem}"
        );
        assert!(problem.contains(told), "{wrong}: {problem}");
    }
}
