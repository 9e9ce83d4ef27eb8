//! Content types: what an object is said to hold, guessed from its name when it is made.
//!
//! Pure. An object that is there keeps the type that it has; browsers and other tools go by it,
//! this program never does.

/// What S3 says of an object that was put without a type.
pub const UNKNOWN: &str = "binary/octet-stream";

/// The type of the empty object that makes a directory.
pub const DIRECTORY_MARKER: &str = "application/x-directory";

/// Endings that the table of `mime_guess` lacks, or has under a name from before its
/// registration, or that mean two things: for `.ts`, a program or a video, no guess is right.
const OURS: &[(&str, Option<&str>)] = &[
    ("jsonl", Some("application/x-ndjson")),
    ("md", Some("text/markdown")),
    ("ndjson", Some("application/x-ndjson")),
    ("toml", Some("application/toml")),
    ("ts", None),
    ("yaml", Some("application/yaml")),
    ("yml", Some("application/yaml")),
    ("zst", Some("application/zstd")),
];

/// The type of a file of this name; `None` where the name tells nothing, and S3 may say
/// [`UNKNOWN`].
#[must_use]
pub fn of_name(name: &str) -> Option<&'static str> {
    let (stem, ending) = name.rsplit_once('.')?;
    if stem.is_empty() {
        return None;
    }
    match OURS.iter().find(|(ours, _)| ending.eq_ignore_ascii_case(ours)) {
        Some((_, content_type)) => *content_type,
        None => mime_guess::from_ext(ending).first_raw(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(name: &str, expected: Option<&str>) {
        assert_eq!(of_name(name), expected, "{name}");
    }

    #[test]
    fn a_name_tells_by_its_ending() {
        check("index.html", Some("text/html"));
        check("PHOTO.JPG", Some("image/jpeg"));
        check("table.parquet", Some("application/vnd.apache.parquet"));
        check("archive.tar.gz", Some("application/gzip"));
        check("code.js", Some("text/javascript"));
        check("data.csv", Some("text/csv"));
    }

    #[test]
    fn what_the_table_lacks_or_has_under_an_old_name_is_ours() {
        check("README.md", Some("text/markdown"));
        check("values.YAML", Some("application/yaml"));
        check("dump.zst", Some("application/zstd"));
    }

    #[test]
    fn a_name_that_tells_nothing_has_no_type() {
        for name in ["", "Makefile", ".html", "file.", "file.unheard-of", "main.ts", "..."] {
            check(name, None);
        }
    }
}
