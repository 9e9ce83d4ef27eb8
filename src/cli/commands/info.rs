//! `pailfs info`: all that is known of files and directories, for people or for programs.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use futures_util::stream::{self, StreamExt};
use serde_json::{Map, Value, json};

use crate::cli::args::Typed;
use crate::cli::attributes::changes::{REQUESTS_MAX, line_of};
use crate::cli::attributes::target::{self, Failure};
use crate::cli::attributes::{access, text};
use crate::cli::commands::{print, runtime};
use crate::cli::config::attributes::{self, Audience};
use crate::cli::environment::Environment;

/// Every attribute and its value, as one JSON object.
const ALL: &[u8] = b"user.pailfs.info";

/// Shows what it can; fails where there is a path of which it can't.
pub fn run(typed: &Typed, environment: &Environment) -> anyhow::Result<ExitCode> {
    let config = attributes::info(typed);
    runtime()?.block_on(show(config.paths, &environment.directory, config.audience))
}

async fn show(
    paths: Vec<PathBuf>,
    directory: &Path,
    audience: Audience,
) -> anyhow::Result<ExitCode> {
    let answers = stream::iter(paths).map(async |path| {
        let answer = ask(&path, directory).await;
        (path, answer)
    });
    let mut answers = std::pin::pin!(answers.buffered(REQUESTS_MAX));
    let mut array = Vec::new();
    let mut shown = 0;
    let mut has_failed = false;
    while let Some((path, answer)) = answers.next().await {
        if audience == Audience::Programs {
            array.push(object(&path, &answer));
        }
        match answer {
            Ok(all) if audience == Audience::People => {
                let gap = if shown > 0 { "\n" } else { "" };
                print(format!("{gap}{}", text::info(&path, &all)).as_bytes())?;
                shown += 1;
            }
            Ok(_) => {}
            Err(failure) => {
                eprintln!("{}", line_of(&failure));
                has_failed = true;
            }
        }
    }
    if audience == Audience::Programs {
        print(format!("{:#}\n", Value::Array(array)).as_bytes())?;
    }
    Ok(if has_failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

async fn ask(path: &Path, directory: &Path) -> Result<Map<String, Value>, Failure> {
    let target = target::find(path, directory)?;
    let asked = async {
        let text = access::get(&target, ALL).await?;
        serde_json::from_slice(&text).context("the mount's answer makes no sense")
    };
    asked.await.map_err(|why| Failure { shown: path.to_owned(), why })
}

/// What programs read of a path.
fn object(path: &Path, answer: &Result<Map<String, Value>, Failure>) -> Value {
    let path = path.to_string_lossy();
    match answer {
        Ok(all) => json!({ "path": path, "attributes": all }),
        Err(failure) => json!({ "path": path, "error": format!("{:#}", failure.why) }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_read_attributes_or_an_error_of_each_path() {
        let all = json!({ "s3.etag": "\"e\"" }).as_object().cloned().unwrap();
        assert_eq!(
            object(Path::new("a"), &Ok(all)).to_string(),
            r#"{"path":"a","attributes":{"s3.etag":"\"e\""}}"#
        );
        let failure = Failure { shown: PathBuf::from("a"), why: anyhow::Error::msg("no") };
        let expected = r#"{"path":"a","error":"no"}"#;
        assert_eq!(object(Path::new("a"), &Err(failure)).to_string(), expected);
    }
}
