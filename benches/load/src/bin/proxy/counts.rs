//! Counts: what was asked for, by what it means to S3.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

/// What went over the network since the beginning.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    table: Mutex<Table>,
}

#[derive(Clone, Debug, Default)]
struct Table {
    requests: BTreeMap<&'static str, u64>,
    failed: u64,
    connections: u64,
    /// Bodies from the client to the server, and back.
    sent_bytes: u64,
    received_bytes: u64,
    under_way: u64,
    under_way_max: u64,
}

impl Counts {
    pub(crate) fn connected(&self) {
        self.table().connections += 1;
    }

    pub(crate) fn asked(&self, kind: &'static str) {
        let mut table = self.table();
        *table.requests.entry(kind).or_default() += 1;
        table.under_way += 1;
        table.under_way_max = table.under_way_max.max(table.under_way);
    }

    pub(crate) fn sent(&self, bytes: u64) {
        self.table().sent_bytes += bytes;
    }

    pub(crate) fn answered(&self, status: u16, bytes: u64) {
        let mut table = self.table();
        table.failed += u64::from(status >= 400);
        table.received_bytes += bytes;
        table.under_way = table.under_way.saturating_sub(1);
    }

    pub(crate) fn snapshot(&self) -> Value {
        let table = self.table().clone();
        json!({
            "requests": table.requests,
            "failed": table.failed,
            "connections": table.connections,
            "sent_bytes": table.sent_bytes,
            "received_bytes": table.received_bytes,
            "under_way_max": table.under_way_max,
        })
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a request is, from its head.
pub(crate) fn kind_of(head: &str) -> &'static str {
    let mut words = head.split(' ');
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let asks_for =
        |name: &str| query.split('&').any(|parameter| parameter.split('=').next() == Some(name));
    let key = path.trim_start_matches('/').split_once('/').map_or("", |(_, key)| key);
    match (method, key.is_empty()) {
        ("GET", true) if path == "/" => "BUCKETS",
        ("GET", true) if asks_for("uploads") || asks_for("location") => "BUCKET",
        ("GET", true) => "LIST",
        ("HEAD", true) => "BUCKET",
        ("HEAD", false) => "HEAD",
        ("GET", false) => "GET",
        ("PUT", false) if asks_for("partNumber") => "PART",
        ("PUT", false) if head.to_ascii_lowercase().contains("x-amz-copy-source:") => "COPY",
        ("PUT", false) => "PUT",
        ("POST", false) if asks_for("uploads") => "BEGIN",
        ("POST", false) if asks_for("uploadId") => "COMPLETE",
        ("DELETE", _) => "DELETE",
        _ => "OTHER",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_known_by_its_first_line() {
        let kinds = [
            ("GET /b?list-type=2&prefix=a%2F", "LIST"),
            ("GET /b/?delimiter=/&prefix=", "LIST"),
            ("GET /b/a/k", "GET"),
            ("HEAD /b/k", "HEAD"),
            ("HEAD /b", "BUCKET"),
            ("PUT /b/k", "PUT"),
            ("PUT /b/k?x-id=UploadPart&partNumber=1&uploadId=u", "PART"),
            ("POST /b/k?uploads=", "BEGIN"),
            ("POST /b/k?uploadId=u", "COMPLETE"),
            ("POST /b?delete", "OTHER"),
            ("DELETE /b/k", "DELETE"),
            ("GET /", "BUCKETS"),
        ];
        for (line, kind) in kinds {
            assert_eq!(kind_of(&format!("{line} HTTP/1.1\r\nhost: h\r\n\r\n")), kind, "{line}");
        }
        assert_eq!(kind_of("PUT /b/k HTTP/1.1\r\nX-Amz-Copy-Source: b/l\r\n\r\n"), "COPY");
    }
}
