//! What is mounted, from how users write it.
//!
//! `BUCKET`, `BUCKET/PREFIX`, `s3://BUCKET[/PREFIX]`; `/` or `s3://` is every bucket. Whether the
//! bucket is there is for S3 to say.

use crate::vfs::types::Source;

const SCHEME: &str = "s3://";

/// Reads a source; the error says what is wrong with it.
pub fn parse(text: &str) -> Result<Source, String> {
    let path = text.strip_prefix(SCHEME).unwrap_or(text);
    if path.is_empty() || path == "/" {
        return if text.is_empty() { Err("is empty".to_owned()) } else { Ok(Source::Account) };
    }
    let (bucket, prefix) = path.split_once('/').unwrap_or((path, ""));
    if bucket.is_empty() {
        return Err(format!("has no bucket before the slash; {SCHEME}BUCKET/PREFIX is meant"));
    }
    if let Some(odd) = bucket.chars().find(|character| !is_bucket_character(*character)) {
        return Err(format!("a bucket's name has no {odd:?}"));
    }
    Ok(Source::Prefix { bucket: bucket.to_owned(), prefix: normalise(prefix) })
}

/// As `mount` and `df` show it.
#[must_use]
pub fn name(source: &Source) -> String {
    match source {
        Source::Account => SCHEME.to_owned(),
        Source::Prefix { bucket, prefix } if prefix.is_empty() => format!("{SCHEME}{bucket}"),
        Source::Prefix { bucket, prefix } => format!("{SCHEME}{bucket}/{prefix}"),
    }
}

/// AWS allows letters, digits, dots and hyphens, and once allowed underscores; other servers
/// too.
fn is_bucket_character(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '.' | '-' | '_')
}

fn normalise(prefix: &str) -> String {
    if prefix.is_empty() || prefix.ends_with('/') {
        prefix.to_owned()
    } else {
        format!("{prefix}/")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, bucket: &str, prefix: &str, shown: &str) {
        let source = parse(text).unwrap();
        let expected = Source::Prefix { bucket: bucket.to_owned(), prefix: prefix.to_owned() };
        assert_eq!(source, expected);
        assert_eq!(name(&source), shown);
    }

    #[test]
    fn a_bucket_and_a_prefix_of_it_can_be_written_in_several_ways() {
        check("b", "b", "", "s3://b");
        check("b/", "b", "", "s3://b");
        check("s3://b", "b", "", "s3://b");
        check("b/p", "b", "p/", "s3://b/p/");
        check("s3://b/p/q/", "b", "p/q/", "s3://b/p/q/");
        check("my_b.x-1/ä b", "my_b.x-1", "ä b/", "s3://my_b.x-1/ä b/");
    }

    #[test]
    fn a_slash_is_every_bucket() {
        assert_eq!(parse("/"), Ok(Source::Account));
        assert_eq!(parse("s3://"), Ok(Source::Account));
        assert_eq!(parse("s3:///"), Ok(Source::Account));
        assert_eq!(name(&Source::Account), "s3://");
    }

    #[test]
    fn what_is_no_source_is_refused_with_the_reason() {
        assert!(parse("").unwrap_err().contains("empty"));
        assert!(parse("/b").unwrap_err().contains("no bucket"));
        assert!(parse("https://h/b").unwrap_err().contains("':'"));
        assert!(parse("b c").unwrap_err().contains("' '"));
    }
}
