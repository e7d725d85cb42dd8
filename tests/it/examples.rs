//! The examples run as a user runs them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

/// The program of an example. `cargo test` builds the examples before it runs any test.
pub(crate) fn example(name: &str) -> Command {
    let test_program = std::env::current_exe().unwrap();
    let profile = test_program.ancestors().nth(2).unwrap();
    let file = format!("{name}{}", std::env::consts::EXE_SUFFIX);
    let program = profile.join("examples").join(file);
    assert!(
        program.exists(),
        "{} is missing: run `cargo test`, which builds examples, or `cargo build --examples` first",
        program.display()
    );
    let mut command = Command::new(program);
    command.current_dir(env!("CARGO_MANIFEST_DIR"));
    command
}

/// Runs `sync_files`; gives its exit code and the folder that it wrote.
pub(crate) fn sync_files(job: &str, data: &Path, threads: u32) -> (i32, TempDir) {
    let out = TempDir::new().unwrap();
    let output = example("sync_files")
        .arg(job)
        .arg("--data")
        .arg(data)
        .arg("--out")
        .arg(out.path())
        .args(["--threads", &threads.to_string()])
        .output()
        .unwrap();
    (exit_code(&output), out)
}

/// The exit code; what the program said is shown if the test fails.
#[allow(clippy::print_stdout)]
fn exit_code(output: &Output) -> i32 {
    println!("{}", String::from_utf8_lossy(&output.stdout));
    println!("{}", String::from_utf8_lossy(&output.stderr));
    output.status.code().unwrap()
}

/// The records of a CSV file; the file may be missing.
fn records(file: PathBuf) -> Vec<csv::StringRecord> {
    if !file.exists() {
        return Vec::new();
    }
    let mut reader = csv::Reader::from_path(file).unwrap();
    reader.records().map(Result::unwrap).collect()
}

#[test]
fn quickstart_runs_and_succeeds() {
    let output = example("quickstart").output().unwrap();
    assert_eq!(exit_code(&output), 0);
}

#[test]
fn each_job_of_nycflights_runs_by_itself() {
    let data = Path::new("examples/data/nycflights");
    // Job, object, records written, records rejected.
    for (job, object, written, rejected) in [
        ("carriers", "carrier", 16, 0),
        ("airports", "airport", 1458, 0),
        ("planes", "plane", 3322, 0),
        // 78 of the flights that took off went to airports that are not in the list.
        ("flights", "flight", 2599, 78),
        ("desks", "desk", 22, 0),
    ] {
        let spec = data.join(format!("{job}.json"));
        let (code, out) = sync_files(spec.to_str().unwrap(), data, 1);
        assert_eq!(
            code,
            if rejected == 0 { 0 } else { 2 },
            "exit code of {job}"
        );
        let file = |folder: &str| out.path().join(folder).join(format!("{object}.csv"));
        assert_eq!(records(file("")).len(), written, "{job}");
        assert_eq!(records(file("rejects")).len(), rejected, "{job}");
    }
}

/// A job over `rows.csv` that upserts numbers by name.
const NUMBERS: &str = r#"{
  "version": 1, "name": "numbers",
  "dataset": {"version": 1, "source": {"file": {"name": "rows.csv", "columns": [
    {"name": "name", "type": "text"}, {"name": "n", "type": "integer"}]}}},
  "objects": [{"name": "number", "identity": {"supplied": ["name"]}, "fields": [
    {"name": "name", "type": "text"}, {"name": "n", "type": "integer"}]}],
  "destinations": [{"object": "number", "mode": {"upsert": {"identifiers": [["name"]]}}, "mapping": {"fields": [
    {"field": "name", "from": "name"}, {"field": "n", "from": "n"}]}}]
}"#;

#[test]
fn exit_codes_and_files_of_sync_files() {
    let folder = TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name);
    let text = |name: &str| std::fs::read_to_string(path(name)).unwrap();
    std::fs::write(path("job.json"), NUMBERS).unwrap();
    let run = |job: &str, more: &[&str]| {
        let mut command = example("sync_files");
        command
            .arg(path(job))
            .arg("--data")
            .arg(folder.path())
            .arg("--out")
            .arg(path("out"));
        exit_code(
            &command
                .arg("--report")
                .arg(path("report.json"))
                .args(more)
                .output()
                .unwrap(),
        )
    };

    std::fs::write(
        path("rows.csv"),
        "name,n,extra\na,1,\"\"\n=b,x,keep\nc,3,\n",
    )
    .unwrap();
    assert_eq!(run("job.json", &["--dry-run"]), 2);
    assert!(
        !path("out").exists(),
        "a dry run writes nothing but the report"
    );
    let report: serde_json::Value = serde_json::from_str(&text("report.json")).unwrap();
    assert_eq!(report["destinations"][0]["rejects"]["bad_value"], 1);

    assert_eq!(
        run("job.json", &["--threads", "2"]),
        2,
        "one record rejected"
    );
    assert_eq!(text("out/number.csv"), "name,n\na,1\nc,3\n");
    let rejects = text("out/rejects/_source.csv");
    let (header, record) = rejects.split_once('\n').unwrap();
    assert_eq!(
        header,
        "name,n,extra,_reason,_field,_message,_position,_raw,_attempts,_version,_op"
    );
    assert!(record.starts_with("'=b,x,keep,bad_value,n,"), "{record}");
    assert!(record.contains("rows.csv:3 (byte 20)"), "{record}");

    std::fs::write(path("rows.csv"), "name,n\na,1\n").unwrap();
    assert_eq!(run("job.json", &[]), 0);
    assert!(
        !path("out/rejects/_source.csv").exists(),
        "rejects of an earlier run are gone"
    );

    std::fs::write(path("rows.csv"), "name,n\na,x\n").unwrap();
    assert_eq!(run("job.json", &[]), 1, "every record was rejected");
    std::fs::remove_file(path("rows.csv")).unwrap();
    assert_eq!(run("job.json", &[]), 1, "no source file");

    std::fs::write(
        path("wrong.json"),
        NUMBERS.replace("\"from\": \"n\"", "\"from\": \"m\""),
    )
    .unwrap();
    std::fs::write(path("rows.csv"), "name,n\na,1\n").unwrap();
    assert_eq!(run("wrong.json", &[]), 64, "a wrong job");
    assert_eq!(run("nowhere.json", &[]), 64, "no job");
    assert_eq!(run("job.json", &["--threads", "none"]), 64, "bad usage");
}

/// What a program said, and its exit code.
fn said(output: &Output) -> (i32, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (
        exit_code(output),
        text(&output.stdout),
        text(&output.stderr),
    )
}

#[test]
fn own_destination_appends_lines() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("people.jsonl");
    for run in 1..=2 {
        let output = example("own_destination").arg(&file).output().unwrap();
        let (code, out, _) = said(&output);
        assert_eq!(code, 0);
        assert!(out.contains("partial_success"), "{out}");
        let lines = std::fs::read_to_string(&file).unwrap();
        assert_eq!(lines.lines().count(), 2 * run);
        assert!(
            lines.starts_with(r#"{"name":"Ada","born":"1815-12-10"}"#),
            "{lines}"
        );
    }
}

#[test]
fn own_connection_syncs_its_pages() {
    let (code, out, _) = said(&example("own_connection").output().unwrap());
    assert_eq!(code, 0);
    assert!(out.contains("12 readings at home"), "{out}");
}

#[test]
fn own_job_checks_before_it_runs() {
    let (code, out, _) = said(&example("own_job").output().unwrap());
    assert_eq!(code, 1);
    assert!(
        out.contains("people.csv:4 (byte 42): bad_value: expected a date like `%d.%m.%Y`"),
        "{out}"
    );
    assert!(
        out.contains("too many bad records") && !out.contains("inserted"),
        "{out}"
    );
    let (code, out, _) = said(&example("own_job").arg("40").output().unwrap());
    assert_eq!(code, 2);
    assert!(out.contains("inserted                2"), "{out}");
}

#[test]
fn incremental_loses_nothing_when_it_is_killed() {
    let folder = TempDir::new().unwrap();
    let (code, out, _) = said(&example("incremental").arg(folder.path()).output().unwrap());
    assert_eq!(code, 0, "{out}");
    assert!(
        out.contains("each order is there once, or among the rejects once: true"),
        "{out}"
    );
}

#[test]
fn filter_evaluates_what_it_is_given() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("seats.csv");
    std::fs::write(&file, "name,seats\nAda,3\nBo,0\n\"C, D\",many\nEve,\n").unwrap();
    let filter = |words: &[&str]| said(&example("filter").arg(&file).args(words).output().unwrap());

    let (code, out, _) =
        filter(&[r#"{"like": {"of": {"field": "name"}, "pattern": "%d%", "ignore_case": true}}"#]);
    assert_eq!(
        (code, out.as_str()),
        (0, "name,seats\nAda,3\n\"C, D\",many\n")
    );

    let seats = ["--type", "seats=integer"];
    let (code, out, errors) = filter(
        &[
            &[r#"{"gt": [{"field": "seats"}, {"value": 0}]}"#][..],
            &seats,
        ]
        .concat(),
    );
    assert_eq!((code, out.as_str()), (2, "name,seats\nAda,3\n"));
    assert!(
        errors.contains("seats.csv:4 (byte 22): bad_value"),
        "{errors}"
    );

    let share = r#"{"divide": {"of": {"value": 12}, "by": {"field": "seats"}, "digits": 1, "rounding": "half_even"}}"#;
    let (code, out, errors) = filter(&[&[share, "--formula", "share"][..], &seats].concat());
    assert_eq!(
        (code, out.as_str()),
        (2, "name,seats,share\nAda,3,4.0\nEve,,\n")
    );
    assert!(
        errors.contains("seats.csv:3 (byte 17): division_by_zero"),
        "{errors}"
    );

    let (code, _, errors) = filter(&[r#"{"gt": [{"field": "size"}, {"value": 0}]}"#]);
    assert_eq!(code, 64);
    assert!(
        errors.contains("expression.gt[0].field") && errors.contains("`size`"),
        "{errors}"
    );
    assert_eq!(filter(&[]).0, 64);
}

#[test]
fn own_store_counts_its_starts() {
    let folder = TempDir::new().unwrap();
    for start in 1..=3 {
        let (code, out, _) = said(&example("own_store").arg(folder.path()).output().unwrap());
        assert_eq!((code, out), (0, format!("start {start}\n")));
    }
}

#[test]
fn own_cipher_opens_a_secret_in_its_place_only() {
    let (code, out, _) = said(&example("own_cipher").output().unwrap());
    let said = "47 bytes are saved\nopened in its place: true\nopened elsewhere: false\n";
    assert_eq!((code, out), (0, said.into()));
}

#[test]
fn own_examples_stay_short() {
    for name in [
        "own_destination",
        "own_connection",
        "own_job",
        "own_store",
        "own_cipher",
        "filter",
    ] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("examples/{name}.rs"));
        let lines = std::fs::read_to_string(path).unwrap().lines().count();
        assert!(lines < 150, "{name} has {lines} lines");
    }
}

#[test]
fn next_runs_prints_utc_a_line_or_refuses() {
    let run = |arguments: &[&str]| {
        let output = example("next_runs").args(arguments).output().unwrap();
        (
            exit_code(&output),
            String::from_utf8(output.stdout).unwrap(),
            String::from_utf8(output.stderr).unwrap(),
        )
    };
    let from = ["--from", "2026-03-28T12:00:00+01:00", "-n", "2"];
    let cron = ["--cron", "30 2 * * *", "--zone", "Europe/Berlin"];
    let (code, printed, _) = run(&[&cron[..], &from].concat());
    assert_eq!(
        (code, printed.as_str()),
        (0, "2026-03-29T01:00:00Z\n2026-03-30T00:30:00Z\n")
    );
    let text = ["--text", "every day at 02:30 Europe/Berlin", "--local"];
    let (code, printed, _) = run(&[&text[..], &from].concat());
    assert_eq!(code, 0);
    assert_eq!(
        printed,
        "2026-03-29T03:00:00+02:00\n2026-03-30T02:30:00+02:00\n"
    );
    for (wrong, because) in [
        (&["--cron", "30 2 30 2 *"][..], "it would never run"),
        (&["--cron", "60 2 * * *"], "out of range"),
        (
            &["--cron", "30 2 * * *", "--zone", "Europe/Berlyn"],
            "no such zone",
        ),
        (&["--text", "now and then"], "this is no schedule"),
        (&["--cron"], "usage:"),
        (&["--cron", "30 2 * * *", "--from", "yesterday"], "usage:"),
    ] {
        let (code, printed, said) = run(wrong);
        assert_eq!((code, printed.as_str()), (64, ""), "{wrong:?}");
        assert!(said.contains(because), "{wrong:?}: {said}");
    }
}

/// The figures of each line of a table, by its name: runs, partly, failed, again, skipped, records, rejected.
fn figures(table: &str) -> BTreeMap<String, Vec<u64>> {
    let line = |line: &str| {
        let mut words = line.trim_start_matches("- ").split_whitespace();
        let name = words.next()?.to_owned();
        let numbers: Vec<u64> = words.map_while(|word| word.parse().ok()).collect();
        (numbers.len() == 7).then_some((name, numbers))
    };
    table.lines().filter_map(line).collect()
}

/// The names of the elements of an XML document, opened and closed as they must be, with attributes and texts that a parser takes.
fn elements(document: &str) -> Vec<&str> {
    let is_text = |text: &str| {
        let entities = ["amp;", "lt;", "gt;", "quot;"];
        let known = |rest: &str| entities.iter().any(|entity| rest.starts_with(entity));
        !text.contains(['<', '>']) && text.split('&').skip(1).all(known)
    };
    let (mut open, mut all, mut rest) = (Vec::new(), Vec::new(), document.trim_end());
    while let Some(tag) = rest.strip_prefix('<') {
        let (tag, behind) = tag.split_once('>').unwrap();
        let (text, next) = behind.split_at(behind.find('<').unwrap_or(behind.len()));
        assert!(is_text(text), "{text}");
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name));
        } else {
            let (name, attributes) = tag.split_once(' ').unwrap_or((tag, ""));
            let pieces: Vec<&str> = attributes.trim_end_matches('/').split('"').collect();
            assert_eq!(pieces.len() % 2, 1, "{tag}");
            for (at, piece) in pieces.iter().enumerate() {
                // In front of each value its name; behind the last one nothing.
                let is_name = piece.ends_with('=') || (at + 1 == pieces.len() && piece.is_empty());
                assert!(is_text(piece) && (at % 2 == 1 || is_name), "{tag}");
            }
            all.push(name);
            if !tag.ends_with('/') {
                open.push(name);
            }
        }
        assert_eq!(open.is_empty(), next.is_empty(), "one element holds all");
        rest = next;
    }
    assert!(rest.is_empty() && open.is_empty(), "{rest}");
    all
}

#[test]
fn a_day_of_the_scheduler_is_as_its_schedules_say_and_the_same_each_time() {
    let folder = TempDir::new().unwrap();
    let day = |file: &str, more: &[&str]| {
        let path = folder.path().join(file);
        let output = example("scheduler")
            .arg("--out")
            .arg(&path)
            .args(more)
            .output()
            .unwrap();
        assert_eq!(exit_code(&output), 0);
        let table = figures(&String::from_utf8(output.stdout).unwrap());
        (table, std::fs::read_to_string(path).unwrap())
    };
    let (table, picture) = day("day.svg", &[]);
    for (name, runs, partly, failed, again, skipped) in [
        // The prices of the day are not there at first.
        ("nightly", 2, 0, 1, 1, 0),
        ("products", 1, 0, 0, 0, 0),
        ("prices", 2, 0, 0, 0, 0),
        // It read ahead once in vain, which was no run.
        ("shelves", 1, 0, 0, 0, 0),
        ("invoices", 1, 0, 0, 0, 0),
        // Four customers are not there yet when their orders come.
        ("orders", 96, 4, 0, 0, 0),
        ("customers", 24, 0, 0, 0, 0),
        // Four of 72 are due while one goes on that takes half an hour.
        ("stock", 68, 0, 0, 0, 4),
        // 13 of which one is tried three times.
        ("payments", 15, 0, 2, 2, 0),
        ("parcels", 13, 0, 0, 0, 0),
        ("escalations", 2, 0, 0, 0, 0),
        ("archive", 1, 0, 0, 0, 0),
    ] {
        assert_eq!(
            table[name][..5],
            [runs, partly, failed, again, skipped],
            "{name}"
        );
    }
    // Each order is read once, and those are refused whose customers are not there.
    assert_eq!(table["orders"][5..], [518, 4]);

    let shapes = elements(&picture);
    let bars: u64 = table.values().map(|row| row[0]).sum();
    let titles = shapes.iter().filter(|name| **name == "title").count() as u64;
    // Of the picture, of each run, and of each run that was left out.
    assert_eq!(titles, 1 + bars + table["stock"][4]);
    assert!(picture.contains("cron &quot;0 7-19 * * MON-FRI&quot; Europe/Berlin"));

    // Also when people watch it.
    assert_eq!(day("slow.svg", &["--realtime", "1"]), (table, picture));
    for wrong in [&["--out"][..], &["--realtime", "soon"], &["--quick"]] {
        assert_eq!(
            said(&example("scheduler").args(wrong).output().unwrap()).0,
            64
        );
    }
}
