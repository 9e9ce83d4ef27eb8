//! Looking up names: what is remembered, else what S3 says.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::store::error::{ErrorKind, StoreError, StoreResult};
use crate::store::types::{HeadObject, ListObjects, ObjectHead};
use crate::vfs::Vfs;
use crate::vfs::error::{VfsError, VfsResult};
use crate::vfs::namespace::directory::{DirectoryFacts, Known};
use crate::vfs::namespace::habit::Wanted;
use crate::vfs::namespace::inode::{Inode, Location};
use crate::vfs::namespace::listing::Assembly;
use crate::vfs::namespace::names::{DirPrefix, Named, resolve};
use crate::vfs::ops::moves::Purpose;
use crate::vfs::types::{Entry, Ino, Lookup};

/// Of names that S3 gives to what is no bucket, or to none at all.
const RESERVED_PREFIXES: [&str; 3] = ["xn--", "sthree-", "amzn-s3-demo-"];
const RESERVED_SUFFIXES: [&str; 5] = ["-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"];

/// A name in a directory, and all that is known of it.
pub struct Found {
    pub name: Arc<str>,
    pub named: Meaning,
    pub known: Known,
    /// For how long it may be believed.
    pub ttl: Duration,
}

/// What a name stands for, whether or not it is there.
#[derive(Clone, Debug)]
pub enum Meaning {
    /// In the root of all buckets.
    Bucket,
    Key {
        bucket: Arc<str>,
        named: Named,
    },
}

impl Meaning {
    /// Where a file of this name is; `None` where it can only be a directory.
    pub fn file(&self) -> Option<(Arc<str>, Arc<str>)> {
        match self {
            Self::Key { bucket, named: Named::Plain { key, .. } | Named::FileOnly { key } } => {
                Some((Arc::clone(bucket), Arc::from(key.as_str())))
            }
            Self::Bucket | Self::Key { named: Named::DirOnly { .. }, .. } => None,
        }
    }

    /// Where a directory of this name is; `None` where it can only be a file.
    pub fn directory(&self, name: &str) -> Option<(Arc<str>, DirPrefix)> {
        match self {
            Self::Bucket => Some((Arc::from(name), DirPrefix::root(""))),
            Self::Key { bucket, named: Named::Plain { dir: Some(dir), .. } }
            | Self::Key { bucket, named: Named::DirOnly { dir } } => {
                Some((Arc::clone(bucket), dir.clone()))
            }
            Self::Key {
                named: Named::Plain { dir: None, .. } | Named::FileOnly { .. }, ..
            } => None,
        }
    }
}

impl Vfs {
    pub async fn lookup(&self, parent: Ino, name: &[u8]) -> VfsResult<Lookup> {
        let directory = self.inodes.directory(parent)?;
        let _pass = self.moves.pass(Purpose::Look, &[&directory]).await;
        let found = self.find(&directory, name).await?;
        self.peek(&directory, &found);
        let found = self.with_attributes(&directory, found).await?;
        if matches!(found.known, Known::File(_)) {
            self.note_looked(&directory);
        }
        match self.entered(&directory, &found) {
            Some(entry) => Ok(Lookup::Found(entry)),
            None => {
                directory.names().note_absent(&found.name);
                Ok(Lookup::Absent(found.ttl))
            }
        }
    }

    /// Takes back `count` lookups of an inode.
    pub fn forget(&self, ino: Ino, count: u64) {
        self.inodes.forget(ino, count);
    }

    /// What `name` in `directory` is, from memory where that is fresh.
    pub(crate) async fn find(&self, directory: &Inode, name: &[u8]) -> VfsResult<Found> {
        let named = meaning(directory, name)?;
        // `resolve` has checked that it is UTF-8; a bucket's name that is not is none.
        let name = std::str::from_utf8(name).map_err(|_| VfsError::NameNotUtf8)?;
        let name: Arc<str> = Arc::from(name);
        let mut remembered = self.remembered(directory, &name, &named);
        if remembered.is_none() {
            self.ask_ahead(directory, &name, &named).await;
            remembered = self.remembered(directory, &name, &named);
        }
        let (known, ttl) = match remembered {
            Some(remembered) => remembered,
            None => self.ask(directory, &name, &named).await?,
        };
        Ok(Found { name, named, known, ttl })
    }

    pub(crate) fn remembered(
        &self,
        directory: &Inode,
        name: &str,
        named: &Meaning,
    ) -> Option<(Known, Duration)> {
        let names = directory.names();
        // The list of buckets does not tell those that others share with us.
        if matches!(named, Meaning::Bucket) && names.last_known(name).is_none() {
            return None;
        }
        names.find(name, self.now(), self.ttl())
    }

    /// As [`Vfs::find`], with owner, mode and times.
    pub(crate) async fn find_whole(&self, directory: &Inode, name: &[u8]) -> VfsResult<Found> {
        let found = self.find(directory, name).await?;
        self.with_attributes(directory, found).await
    }

    /// The entry of a name that is there, with one lookup counted.
    pub(crate) fn entered(&self, directory: &Inode, found: &Found) -> Option<Entry> {
        let location = location(found)?;
        let kind = found.known.kind();
        let inode = self.inodes.enter(directory.ino, &found.name, kind, location);
        Some(self.entry(&inode, &found.known, found.ttl))
    }

    pub(crate) async fn ask(
        &self,
        directory: &Inode,
        name: &Arc<str>,
        named: &Meaning,
    ) -> VfsResult<(Known, Duration)> {
        let asked_at = self.now();
        let before = directory.names().last_known(name).cloned();
        let known = match named {
            Meaning::Bucket => self.ask_bucket(name, before).await?,
            Meaning::Key { bucket, named } => {
                self.ask_key(directory, bucket, named, before).await?
            }
        };
        let mut names = directory.names();
        names.learn(name, known.clone(), asked_at);
        // Somebody may have made the file here meanwhile.
        let remembered = names.find(name, self.now(), self.ttl());
        Ok(remembered.unwrap_or((known, Duration::ZERO)))
    }

    async fn ask_bucket(&self, name: &str, before: Option<Known>) -> VfsResult<Known> {
        if broken_rule(name).is_some() {
            return Ok(Known::Absent);
        }
        let known_before = match before {
            Some(Known::Directory(facts)) => Some(facts),
            Some(Known::Absent | Known::File(_)) | None => None,
        };
        match self.store.head_bucket(name).await {
            Ok(_region) => {}
            Err(error) if error.kind == ErrorKind::NotFound => return Ok(Known::Absent),
            // It is there, and may have objects that can be read by name.
            Err(error) if error.kind == ErrorKind::Forbidden => {
                if known_before.is_none() {
                    tracing::warn!(bucket = name, "the bucket is there, but not ours: {error}");
                }
            }
            Err(error) => return Err(error.into()),
        }
        match known_before {
            Some(facts) => Ok(Known::Directory(facts)),
            None => {
                let made_at = self.creation_of(name).await;
                Ok(Known::Directory(DirectoryFacts { made_at, ..self.unmarked() }))
            }
        }
    }

    /// When a bucket was made: only the list of all buckets tells, and only of our own.
    async fn creation_of(&self, bucket: &str) -> Option<SystemTime> {
        let listed = self.store.list_buckets().await.ok()?;
        listed.into_iter().find(|listed| listed.name == bucket)?.created
    }

    async fn ask_key(
        &self,
        directory: &Inode,
        bucket: &str,
        named: &Named,
        before: Option<Known>,
    ) -> VfsResult<Known> {
        let (key, dir) = match named {
            Named::DirOnly { dir } => return self.ask_directory(bucket, dir).await,
            Named::FileOnly { key } => return self.ask_escaped_file(bucket, key).await,
            Named::Plain { key, dir } => (key, dir),
        };
        let look = self.look(directory, (bucket, key), before.as_ref(), Wanted::Now);
        let Some(dir) = dir else { return Ok(self.known_file(look.await?)) };
        match &before {
            Some(Known::File(_)) => match look.await? {
                Some(head) => Ok(self.known_file(Some(head))),
                None => self.ask_directory(bucket, dir).await,
            },
            Some(Known::Directory(facts)) => match self.ask_again(bucket, dir, facts).await? {
                Known::Absent => Ok(self.known_file(look.await?)),
                known => Ok(known),
            },
            // Object and directory at once: one round trip.
            Some(Known::Absent) | None => {
                let (head, directory) = tokio::join!(look, self.ask_directory(bucket, dir));
                self.either(head, directory)
            }
        }
    }

    /// What stands under a name, of which both may be there.
    fn either(
        &self,
        head: VfsResult<Option<ObjectHead>>,
        directory: VfsResult<Known>,
    ) -> VfsResult<Known> {
        match (head, directory) {
            (_, Ok(known @ Known::Directory(_))) => Ok(known),
            (Ok(Some(head)), _) => Ok(self.known_file(Some(head))),
            (Err(error), _) | (_, Err(error)) => Err(error),
            (Ok(None), Ok(known)) => Ok(known),
        }
    }

    /// An object is under its escaped name only where a directory has its plain name, or where
    /// it is a marker that has bytes.
    async fn ask_escaped_file(&self, bucket: &str, key: &str) -> VfsResult<Known> {
        if key.ends_with('/') {
            let head = self.head(bucket, key).await?;
            return Ok(self.known_file(head.filter(|head| head.size > 0)));
        }
        let beside = format!("{key}/");
        let (head, beside) =
            tokio::join!(self.head(bucket, key), self.has_any_below(bucket, &beside));
        Ok(self.known_file(if beside? { head? } else { None }))
    }

    async fn ask_directory(&self, bucket: &str, dir: &DirPrefix) -> VfsResult<Known> {
        let Some(prefix) = dir.marker_key() else {
            let is_there = self.shows_any(bucket, dir).await?;
            return Ok(if is_there { Known::Directory(self.unmarked()) } else { Known::Absent });
        };
        match self.first_below(bucket, prefix).await? {
            None => Ok(Known::Absent),
            // In S3's order a marker comes before all that is below it.
            Some(key) if key == prefix => self.ask_marker(bucket, dir).await,
            Some(_) => Ok(Known::Directory(self.unmarked())),
        }
    }

    /// As [`Self::ask_directory`], of one that was there: a marker that it had tells by itself.
    async fn ask_again(
        &self,
        bucket: &str,
        dir: &DirPrefix,
        facts: &DirectoryFacts,
    ) -> VfsResult<Known> {
        if facts.made_at.is_some()
            && let Some(marker) = dir.marker_key()
            && let Some(head) = self.head(bucket, marker).await?
        {
            return Ok(Known::Directory(self.directory_facts(&head)));
        }
        self.ask_directory(bucket, dir).await
    }

    /// What the marker of a directory that is there says of it.
    pub(crate) async fn ask_marker(&self, bucket: &str, dir: &DirPrefix) -> VfsResult<Known> {
        let head = match dir.marker_key() {
            Some(marker) => self.head(bucket, marker).await?,
            None => None,
        };
        Ok(Known::Directory(match head {
            Some(head) => self.directory_facts(&head),
            None => self.unmarked(),
        }))
    }

    async fn has_any_below(&self, bucket: &str, prefix: &str) -> VfsResult<bool> {
        Ok(self.first_below(bucket, prefix).await?.is_some())
    }

    async fn first_below(&self, bucket: &str, prefix: &str) -> VfsResult<Option<String>> {
        let options =
            ListObjects { prefix: prefix.to_owned(), keys_max: Some(1), ..ListObjects::default() };
        let page = self.store.list_objects(bucket, options).await?;
        Ok(page.objects.into_iter().next().map(|object| object.key))
    }

    /// Whether a directory that stands for a piece of a name has names to show: shorter
    /// neighbours may begin with the same piece.
    async fn shows_any(&self, bucket: &str, dir: &DirPrefix) -> VfsResult<bool> {
        let mut assembly = Assembly::new(dir.clone());
        let mut continuation = None;
        loop {
            let options = ListObjects {
                prefix: dir.as_str().to_owned(),
                delimiter: Some("/".to_owned()),
                continuation,
                ..ListObjects::default()
            };
            let page = self.store.list_objects(bucket, options).await?;
            continuation = page.next.clone();
            if !assembly.page(page).is_empty() {
                return Ok(true);
            }
            if continuation.is_none() {
                return Ok(false);
            }
        }
    }

    pub(crate) fn known_file(&self, head: Option<ObjectHead>) -> Known {
        head.map_or(Known::Absent, |head| Known::File(self.facts_of(&head)))
    }

    pub(crate) async fn head(&self, bucket: &str, key: &str) -> VfsResult<Option<ObjectHead>> {
        let head = self.store.head_object(bucket, key, HeadObject::default()).await;
        Ok(absent_if_not_found(head)?)
    }
}

/// What a name in this directory stands for.
pub(crate) fn meaning(directory: &Inode, name: &[u8]) -> VfsResult<Meaning> {
    match directory.place().location {
        Location::Account => Ok(Meaning::Bucket),
        Location::Directory { bucket, prefix } => {
            Ok(Meaning::Key { bucket, named: resolve(&prefix, name)? })
        }
        Location::File { .. } => Err(VfsError::NotDirectory),
    }
}

/// Where the thing is that was found; `None` where there is none.
fn location(found: &Found) -> Option<Location> {
    match &found.known {
        Known::Absent => None,
        Known::File(_) => {
            let (bucket, key) = found.named.file()?;
            Some(Location::File { bucket, key })
        }
        Known::Directory(_) => {
            let (bucket, prefix) = found.named.directory(&found.name)?;
            Some(Location::Directory { bucket, prefix })
        }
    }
}

fn absent_if_not_found<T>(answer: StoreResult<T>) -> Result<Option<T>, StoreError> {
    match answer {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The rule of S3 that a bucket's name breaks, so that no request is made for `.git` and the like
/// (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html>).
pub(crate) fn broken_rule(name: &str) -> Option<&'static str> {
    let is_end = |char: char| char.is_ascii_lowercase() || char.is_ascii_digit();
    let is_letter = |char: char| is_end(char) || matches!(char, '.' | '-');
    let rules = [
        (name.chars().all(is_letter), "has no other characters than a-z, 0-9, `.` and `-`"),
        ((3..=63).contains(&name.len()), "has 3 to 63 characters"),
        (
            name.starts_with(is_end) && name.ends_with(is_end),
            "begins and ends with a letter or a digit",
        ),
        (!name.contains(".."), "has no two dots side by side"),
        (name.parse::<Ipv4Addr>().is_err(), "does not look like an IP address"),
        (
            !RESERVED_PREFIXES.iter().any(|prefix| name.starts_with(prefix)),
            "does not begin with xn--, sthree- or amzn-s3-demo-, which S3 keeps for itself",
        ),
        (
            !RESERVED_SUFFIXES.iter().any(|suffix| name.ends_with(suffix)),
            "does not end in -s3alias, --ol-s3, .mrap, --x-s3 or --table-s3, which S3 keeps for itself",
        ),
    ];
    rules.into_iter().find(|(is_kept, _)| !is_kept).map(|(_, rule)| rule)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(name: &str, expected: Option<&str>) {
        let broken = broken_rule(name);
        let fits = match (broken, expected) {
            (Some(rule), Some(words)) => rule.contains(words),
            (broken, expected) => broken.is_none() && expected.is_none(),
        };
        assert!(fits, "{name}: {broken:?}, not {expected:?}");
    }

    #[test]
    fn names_of_buckets_keep_the_rules() {
        for name in ["abc", "a-b.c", "0ab", "my.bucket-1", "1.2.3", &"a".repeat(63)] {
            check(name, None);
        }
    }

    #[test]
    fn a_broken_rule_is_said() {
        for name in ["ab", "", &"a".repeat(64)] {
            check(name, Some("3 to 63"));
        }
        for name in ["Abc", "a_b", "größe", "a b"] {
            check(name, Some("no other characters"));
        }
        for name in ["-abc", "abc-", ".git", "abc."] {
            check(name, Some("begins and ends"));
        }
        check("a..b", Some("two dots"));
        check("10.0.0.1", Some("IP address"));
        for name in ["xn--abc", "sthree-abc", "amzn-s3-demo-bucket"] {
            check(name, Some("begin with"));
        }
        for name in ["a-s3alias", "a--ol-s3", "a.mrap", "a--x-s3", "a--table-s3"] {
            check(name, Some("end in"));
        }
    }
}
