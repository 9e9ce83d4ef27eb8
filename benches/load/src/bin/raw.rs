//! `bench-raw`: the least that S3 costs: sockets and signatures, no files, no cache, no retries.
//!
//! `bench-raw COMMAND ... --endpoint HOST:PORT --connections N`, every command a row of
//! `scripts/bench` or what makes and checks the objects of one. Prints one line of JSON.

use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use pailfs_bench::arguments::Arguments;
use pailfs_bench::content::Contents;
use pailfs_bench::framing;
use pailfs_bench::measure::{self, Stopwatch};
use pailfs_bench::s3::{Connection, Endpoint, Request, Upload};
use serde_json::{Value, json};

/// The parts of a multipart upload and the ranges of a large read.
const PART_BYTES: u64 = 8 << 20;
const PAGE_BYTES: u64 = 4 << 10;

/// What the connections of a command share.
struct Client {
    endpoint: Endpoint,
    contents: Contents,
    connections: u64,
    requests: AtomicU64,
}

fn main() -> ExitCode {
    let outcome = Arguments::parse(std::env::args().skip(1)).and_then(run);
    measure::report("bench-raw", outcome)
}

fn run(mut arguments: Arguments) -> Result<Value, String> {
    let client = client(&arguments)?;
    let command: String = arguments.word("command")?;
    let watch = Stopwatch::start();
    let facts = match command.as_str() {
        "make-bucket" => client.once(&Request { method: "PUT", ..Request::default() }),
        "put" => client.put(&arguments.word::<String>("key")?, arguments.word("size")?),
        "get" => client.get(&arguments.word::<String>("key")?, arguments.word("size")?),
        "first" => client.first(&arguments.word::<String>("key")?),
        "random" => client.random(&mut arguments),
        "put-many" => client.many(&mut arguments, Way::Put),
        "get-many" => client.many(&mut arguments, Way::Get),
        "delete-many" => client.delete_many(&arguments.word::<String>("prefix")?),
        "put-tree" => client.put_tree(&mut arguments),
        "streams" => client.streams(&mut arguments),
        "list" => client.list(&arguments.word::<String>("prefix")?),
        "list-tree" => client.list_tree(&arguments.word::<String>("prefix")?),
        other => Err(format!("no such command: {other}")),
    }?;
    let seconds = watch.seconds();
    let requests = client.requests.load(Ordering::Relaxed);
    Ok(json!({ "seconds": seconds, "requests": requests, "facts": facts }))
}

fn client(arguments: &Arguments) -> Result<Client, String> {
    let endpoint = Endpoint {
        address: arguments.required("endpoint")?,
        bucket: arguments.option("bucket", "bench".to_owned())?,
        access_key: arguments.option("access-key", "bench".to_owned())?,
        secret_key: arguments.option("secret-key", "benchbench".to_owned())?,
        region: arguments.option("region", "us-east-1".to_owned())?,
    };
    let connections = arguments.option("connections", 16)?;
    let contents = Contents::default();
    Ok(Client { endpoint, contents, connections, requests: AtomicU64::new(0) })
}

#[derive(Clone, Copy, Debug)]
enum Way {
    Put,
    Get,
}

/// The name of one of many files.
fn name_of(prefix: &str, index: u64) -> String {
    format!("{prefix}{index:06}")
}

fn part_count(size: u64) -> u64 {
    size.div_ceil(PART_BYTES).max(1)
}

impl Client {
    /// Does `work` for each index, by as many connections as there are.
    fn each<T: Send>(
        &self,
        count: u64,
        work: impl Fn(&mut Connection<'_>, u64) -> Result<T, String> + Sync,
    ) -> Result<Vec<T>, String> {
        let next = AtomicU64::new(0);
        let job = || {
            let mut connection = Connection::open(&self.endpoint, &self.contents)?;
            let mut done = Vec::new();
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                if index >= count {
                    break;
                }
                done.push((index, work(&mut connection, index)?));
            }
            self.requests.fetch_add(connection.requests, Ordering::Relaxed);
            Ok(done)
        };
        let done: Result<Vec<_>, String> = thread::scope(|scope| {
            let jobs = (0..self.connections.min(count)).map(|_| scope.spawn(job));
            let jobs = jobs.collect::<Vec<_>>();
            jobs.into_iter().map(|job| job.join().map_err(|_| "a panic".to_owned())?).collect()
        });
        let mut done = done?.into_iter().flatten().collect::<Vec<_>>();
        done.sort_by_key(|(index, _)| *index);
        Ok(done.into_iter().map(|(_, value)| value).collect())
    }

    fn once(&self, request: &Request<'_>) -> Result<Value, String> {
        self.each(1, |connection, _| connection.head(request))?;
        Ok(Value::Null)
    }

    fn get(&self, key: &str, size: u64) -> Result<Value, String> {
        self.each(part_count(size), |connection, part| {
            let first = part * PART_BYTES;
            connection.check(key, first, size.min(first + PART_BYTES) - 1)
        })?;
        Ok(json!({ "bytes": size }))
    }

    fn first(&self, key: &str) -> Result<Value, String> {
        self.each(1, |connection, _| connection.check(key, 0, 0))?;
        Ok(Value::Null)
    }

    fn put(&self, key: &str, size: u64) -> Result<Value, String> {
        if size <= PART_BYTES {
            let body = Some(Upload::Content { offset: 0, length: size });
            return self.once(&Request { method: "PUT", key, body, ..Request::default() });
        }
        let query = "uploads=";
        let create = Request { method: "POST", key, query, ..Request::default() };
        let begun = self.each(1, |connection, _| connection.text(&create))?.concat();
        let upload = between(&begun, "<UploadId>", "</UploadId>").ok_or("no upload id")?;
        let etags = self.each(part_count(size), |connection, part| {
            let offset = part * PART_BYTES;
            let body = Upload::Content { offset, length: PART_BYTES.min(size - offset) };
            let query = format!("partNumber={}&uploadId={}", part + 1, escape(upload));
            let put = Request { method: "PUT", key, query: &query, body: Some(body), range: None };
            let head = connection.head(&put)?;
            framing::header(&head, "etag").map(str::to_owned).ok_or("no etag".to_owned())
        })?;
        let parts = (1..).zip(&etags).map(|(number, etag)| {
            format!("<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>")
        });
        let text = parts.collect::<String>();
        let text = format!("<CompleteMultipartUpload>{text}</CompleteMultipartUpload>");
        let query = format!("uploadId={}", escape(upload));
        let body = Some(Upload::Text(&text));
        self.once(&Request { method: "POST", key, query: &query, body, range: None })?;
        Ok(json!({ "bytes": size }))
    }

    fn random(&self, arguments: &mut Arguments) -> Result<Value, String> {
        let key: String = arguments.word("key")?;
        let (size, count): (u64, u64) = (arguments.word("size")?, arguments.word("count")?);
        let mut random = fastrand::Rng::with_seed(arguments.option("seed", 1)?);
        let pages = (0..count).map(|_| random.u64(..size / PAGE_BYTES)).collect::<Vec<_>>();
        self.each(count, |connection, index| {
            let first = pages[index as usize] * PAGE_BYTES;
            connection.check(&key, first, first + PAGE_BYTES - 1)
        })?;
        Ok(json!({ "count": count }))
    }

    fn many(&self, arguments: &mut Arguments, way: Way) -> Result<Value, String> {
        let prefix: String = arguments.word("prefix")?;
        let (count, size): (u64, u64) = (arguments.word("count")?, arguments.word("size")?);
        self.each(count, |connection, index| {
            let key = name_of(&prefix, index);
            match way {
                Way::Get => connection.check(&key, 0, size - 1),
                Way::Put => put_small(connection, &key, size),
            }
        })?;
        Ok(json!({ "count": count }))
    }

    /// So many directories of so many files each.
    fn put_tree(&self, arguments: &mut Arguments) -> Result<Value, String> {
        let prefix: String = arguments.word("prefix")?;
        let (directories, files): (u64, u64) =
            (arguments.word("directories")?, arguments.word("files")?);
        let size: u64 = arguments.word("size")?;
        self.each(directories * files, |connection, index| {
            let key = format!("{prefix}d{:03}/f{:03}", index / files, index % files);
            put_small(connection, &key, size)
        })?;
        Ok(Value::Null)
    }

    fn delete_many(&self, prefix: &str) -> Result<Value, String> {
        let keys = self.each(1, |connection, _| {
            let mut keys = Vec::new();
            pages(connection, &format!("prefix={}", escape(prefix)), |page| {
                keys.extend(
                    page.split("<Key>")
                        .skip(1)
                        .filter_map(|rest| rest.split("</Key>").next().map(str::to_owned)),
                );
            })?;
            Ok(keys)
        })?;
        let keys = keys.concat();
        self.each(keys.len() as u64, |connection, index| {
            let key = keys[index as usize].as_str();
            connection.head(&Request { method: "DELETE", key, ..Request::default() })
        })?;
        Ok(json!({ "count": keys.len() }))
    }

    /// Every object by a connection of its own, one range after the other.
    fn streams(&self, arguments: &mut Arguments) -> Result<Value, String> {
        let prefix: String = arguments.word("prefix")?;
        let (count, size): (u64, u64) = (arguments.word("count")?, arguments.word("size")?);
        let watch = Stopwatch::start();
        let seconds = self.each(count, |connection, index| {
            let key = name_of(&prefix, index);
            for part in 0..part_count(size) {
                let first = part * PART_BYTES;
                connection.check(&key, first, size.min(first + PART_BYTES) - 1)?;
            }
            Ok(watch.seconds())
        })?;
        Ok(json!({ "bytes": count * size, "stream_seconds": seconds }))
    }

    fn list(&self, prefix: &str) -> Result<Value, String> {
        let counts = self.each(1, |connection, _| {
            let mut count = 0;
            pages(connection, &format!("prefix={}", escape(prefix)), |page| {
                count += page.matches("<Key>").count();
            })?;
            Ok(count)
        })?;
        Ok(json!({ "count": counts.iter().sum::<usize>() }))
    }

    /// Level by level, as one who does not know how deep it goes.
    fn list_tree(&self, prefix: &str) -> Result<Value, String> {
        let (mut level, mut count) = (vec![prefix.to_owned()], 0);
        while !level.is_empty() {
            let found = self.each(level.len() as u64, |connection, index| {
                let (mut keys, mut below) = (0, Vec::new());
                let query = format!("prefix={}", escape(&level[index as usize]));
                pages(connection, &format!("delimiter=%2F&{query}"), |page| {
                    keys += page.matches("<Key>").count();
                    below.extend(prefixes(page));
                })?;
                Ok((keys, below))
            })?;
            count += found.iter().map(|(keys, _)| keys).sum::<usize>();
            level = found.into_iter().flat_map(|(_, below)| below).collect();
        }
        Ok(json!({ "count": count }))
    }
}

fn put_small(connection: &mut Connection<'_>, key: &str, size: u64) -> Result<(), String> {
    let body = Some(Upload::Content { offset: 0, length: size });
    connection.head(&Request { method: "PUT", key, body, ..Request::default() }).map(drop)
}

/// Every page of a listing; `query` is what follows the token in order of names.
fn pages(
    connection: &mut Connection<'_>,
    query: &str,
    mut take: impl FnMut(&str),
) -> Result<(), String> {
    let mut token = String::new();
    loop {
        let (delimiter, prefix) = query.split_once("prefix=").unwrap_or((query, ""));
        let query = format!("{token}{delimiter}list-type=2&prefix={prefix}");
        let page =
            connection.text(&Request { method: "GET", query: &query, ..Request::default() })?;
        take(&page);
        match between(&page, "<NextContinuationToken>", "</NextContinuationToken>") {
            Some(next) => token = format!("continuation-token={}&", escape(next)),
            None => return Ok(()),
        }
    }
}

fn prefixes(page: &str) -> impl Iterator<Item = String> {
    page.split("<CommonPrefixes>")
        .skip(1)
        .filter_map(|rest| between(rest, "<Prefix>", "</Prefix>").map(str::to_owned))
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    text.split_once(before)?.1.split_once(after).map(|(middle, _)| middle)
}

fn escape(text: &str) -> String {
    text.bytes().fold(String::new(), |mut escaped, byte| {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                escaped.push(char::from(byte));
            }
            other => escaped.push_str(&format!("%{other:02X}")),
        }
        escaped
    })
}
