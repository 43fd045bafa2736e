//! Other people's programs, called to check what we wrote.

use std::process::Command;

/// The output of a tool that must succeed; `None`, loudly, when it is not installed.
pub fn run(tool: &str, arguments: &[&str]) -> Option<String> {
    Some(attempt(tool, arguments)?.unwrap_or_else(|error| panic!("{error}")))
}

/// The output of a tool that may fail, or what it said; `None`, loudly, when it is not installed.
pub fn attempt(tool: &str, arguments: &[&str]) -> Option<Result<String, String>> {
    let output = match Command::new(tool).args(arguments).output() {
        Ok(output) => output,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            eprintln!("SKIP: {tool} is not installed");
            return None;
        }
        Err(error) => panic!("{tool}: {error}"),
    };
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    Some(if output.status.success() {
        Ok(text)
    } else {
        Err(format!("{tool} {arguments:?} failed:\n{text}{errors}"))
    })
}
