//! The command line of the workload; see the library.

use std::path::Path;
use std::process::ExitCode;

use workload::{Shape, Workload, verify};

const USAGE: &str = "\
usage: workload generate ROWS DIR [--accounts N]   writes accounts.csv, account_updates.csv, usage.csv
       workload shape SHAPE ROWS DIR               writes SHAPE.csv and the job that copies it, SHAPE.json;
                                                   SHAPE is usage, narrow, wide or long
       workload verify J1|J2 OUTDIR                prints counts and checksums of what the job left in OUTDIR";

#[allow(clippy::print_stdout, clippy::print_stderr)]
fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(line) => {
            println!("{line}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("workload: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[String]) -> Result<String, Box<dyn std::error::Error + Send + Sync>> {
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["generate", rows, directory] => {
            let rows: u64 = rows.parse()?;
            Workload::new(rows).write_to(Path::new(directory))?;
            Ok(format!("{rows} usage rows in {directory}"))
        }
        ["generate", rows, directory, "--accounts", accounts] => {
            let workload = Workload::new(rows.parse()?).with_accounts(accounts.parse()?);
            workload.write_to(Path::new(directory))?;
            Ok(format!(
                "{rows} usage rows of {accounts} accounts in {directory}"
            ))
        }
        ["shape", shape, rows, directory] => {
            let shape: Shape = shape.parse()?;
            shape.write_to(rows.parse()?, Path::new(directory))?;
            Ok(format!("{rows} {} rows in {directory}", shape.name()))
        }
        ["verify", job, directory] => Ok(verify(job.parse()?, Path::new(directory))?.to_string()),
        _ => Err(USAGE.into()),
    }
}
