//! Restores of archived objects as an attribute shows and asks for them: `user.s3.restore`.

use crate::store::types::{Restore, RestoreObject};
use crate::vfs::xattr::documents::parse_value;
use crate::vfs::xattr::documents::schema::RESTORE_REQUEST;
use crate::vfs::xattr::time::rfc3339;

/// How fast S3 can be asked to be.
const TIERS: [&str; 3] = ["Standard", "Bulk", "Expedited"];

/// Where a restore stands: `none`, `ongoing`, or `available until <RFC 3339>`.
#[must_use]
pub fn shown(restore: Option<&Restore>) -> String {
    match restore {
        None => "none".to_owned(),
        Some(Restore::Ongoing) => "ongoing".to_owned(),
        Some(Restore::Until(time)) => format!("available until {}", rfc3339(*time)),
    }
}

/// What is asked for: days, as `5` or `days=5`, and perhaps a tier, as in `days=5 tier=Bulk`;
/// or `RestoreRequest` as JSON or XML.
pub fn parse(text: &str) -> Result<RestoreObject, String> {
    let text = text.trim_ascii();
    if !text.starts_with(['{', '<']) {
        return words(text);
    }
    let value = parse_value(RESTORE_REQUEST, "RestoreRequest", text)?;
    let tier = value["GlacierJobParameters"]["Tier"].as_str().map(str::to_owned);
    Ok(RestoreObject { days: days_of(&value["Days"].to_string())?, tier })
}

fn words(text: &str) -> Result<RestoreObject, String> {
    let (mut days, mut tier) = (None, None);
    for word in text.split_ascii_whitespace() {
        let is_new = match word.split_once('=').unwrap_or(("days", word)) {
            ("days", value) => days.replace(days_of(value)?).is_none(),
            ("tier", value) => tier.replace(tier_of(value)?).is_none(),
            (name, _) => return Err(format!("there is no {name}, only days and tier")),
        };
        if !is_new {
            return Err(format!("{word}: it is there twice"));
        }
    }
    let days = days.ok_or("a number of days is needed, as in \"days=5 tier=Bulk\"")?;
    Ok(RestoreObject { days, tier })
}

fn days_of(text: &str) -> Result<u32, String> {
    let days = text.parse().ok().filter(|days| *days > 0);
    days.ok_or_else(|| format!("{text:?} is not a number of days"))
}

fn tier_of(text: &str) -> Result<String, String> {
    let tier = TIERS.into_iter().find(|tier| tier.eq_ignore_ascii_case(text));
    let tier = tier.ok_or_else(|| format!("there is no tier {text:?}, only {}", TIERS.join(", ")));
    tier.map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use proptest::proptest;

    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Result<(u32, Option<&str>), &str>) {
        let expected =
            expected.map(|(days, tier)| RestoreObject { days, tier: tier.map(str::to_owned) });
        assert_eq!(parse(text), expected.map_err(str::to_owned), "{text}");
    }

    #[test]
    fn a_restore_is_shown_by_where_it_stands() {
        let until = Restore::Until(UNIX_EPOCH + Duration::from_secs(1_769_860_800));
        assert_eq!(shown(None), "none");
        assert_eq!(shown(Some(&Restore::Ongoing)), "ongoing");
        assert_eq!(shown(Some(&until)), "available until 2026-01-31T12:00:00Z");
    }

    #[test]
    fn a_restore_is_asked_for_by_days_and_perhaps_a_tier() {
        check("5", Ok((5, None)));
        check("days=5\n", Ok((5, None)));
        check("days=5 tier=bulk", Ok((5, Some("Bulk"))));
        check(" tier=EXPEDITED  7 ", Ok((7, Some("Expedited"))));
    }

    #[test]
    fn a_restore_is_asked_for_by_the_document_of_s3() {
        check(r#"{"Days":5}"#, Ok((5, None)));
        let json = r#"{"Days":5,"GlacierJobParameters":{"Tier":"Bulk"}}"#;
        check(json, Ok((5, Some("Bulk"))));
        check(&format!(r#"{{"RestoreRequest":{json}}}"#), Ok((5, Some("Bulk"))));
        check("<RestoreRequest><Days>5</Days></RestoreRequest>", Ok((5, None)));
    }

    #[test]
    fn a_restore_that_is_none_is_refused() {
        let needed = "a number of days is needed, as in \"days=5 tier=Bulk\"";
        check("", Err(needed));
        check("tier=Bulk", Err(needed));
        check("0", Err("\"0\" is not a number of days"));
        check("-5", Err("\"-5\" is not a number of days"));
        check("days=", Err("\"\" is not a number of days"));
        check("5 6", Err("6: it is there twice"));
        check("5 speed=1", Err("there is no speed, only days and tier"));
        check("5 tier=Fast", Err("there is no tier \"Fast\", only Standard, Bulk, Expedited"));
        check("{}", Err("Days: missing"));
        check(r#"{"Days":"5"}"#, Err("Days: a number is needed"));
        check(r#"{"Days":5000000000}"#, Err("\"5000000000\" is not a number of days"));
        let tier = r#"{"Days":5,"GlacierJobParameters":{"Tier":"bulk"}}"#;
        let words = "Standard or Bulk or Expedited is needed";
        check(tier, Err(&format!("GlacierJobParameters.Tier: {words}")));
    }

    proptest! {
        #[test]
        fn any_text_is_taken_or_refused(text in "\\PC*|[0-9a-z= ]*|[{}Days:0-9.\"]*") {
            let _restore = parse(&text);
        }
    }
}
