//! What a case works with: a store, a bucket of its own, and words to say what it expects.
//!
//! A case answers with the first thing that was not as S3 has it; it never panics, so that
//! the cases a server is known to fail stay quiet.

use std::fmt::Debug;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::future::try_join_all;
use pailfs::store::error::{ErrorKind, StoreError, StoreResult};
use pailfs::store::types::{
    ByteStream, CreateBucket, DeleteObject, GetObject, HeadObject, ListObjects, ListUploads,
    ListVersions, ObjectAttributes, ObjectHead, Payload, WriteOptions, Written,
};
use pailfs::store::{ObjectStore, Upload};

/// One thing that S3 does.
pub(super) struct Case {
    /// The name of its function.
    pub(super) name: &'static str,
    pub(super) run: for<'a> fn(&'a Bench) -> Running<'a>,
}

pub(super) type Running<'a> = Pin<Box<dyn Future<Output = Outcome> + Send + 'a>>;

/// The cases of a family: a table with a row for each of the functions named.
macro_rules! cases {
    ($($case:ident),* $(,)?) => {
        pub(super) const CASES: &[$crate::conformance::bench::Case] = &[$(
            $crate::conformance::bench::Case {
                name: stringify!($case),
                run: |bench| Box::pin($case(bench)),
            }
        ),*];
    };
}
pub(super) use cases;

/// What was not as expected, and where in the suite.
#[derive(Debug)]
pub(super) struct Failure(pub(super) String);

pub(super) type Outcome = Result<(), Failure>;

impl Failure {
    #[track_caller]
    pub(super) fn new(what: &str) -> Self {
        let caller = Location::caller();
        let file = caller.file().rsplit('/').next().unwrap_or_default();
        Self(format!("{what} ({file}:{})", caller.line()))
    }
}

impl From<StoreError> for Failure {
    #[track_caller]
    fn from(error: StoreError) -> Self {
        Self::new(&format!("failed with {:?}, {error}", error.kind))
    }
}

#[track_caller]
pub(super) fn equal<T: PartialEq + Debug>(what: &str, got: T, expected: T) -> Outcome {
    if got == expected {
        return Ok(());
    }
    Err(Failure::new(&format!("{what}: got {got:?}, expected {expected:?}")))
}

#[track_caller]
pub(super) fn holds(what: &str, condition: bool) -> Outcome {
    if condition { Ok(()) } else { Err(Failure::new(what)) }
}

/// The call must fail with one of these kinds.
#[track_caller]
pub(super) fn refused<T>(what: &str, result: StoreResult<T>, kinds: &[ErrorKind]) -> Outcome {
    match result {
        Err(error) if kinds.contains(&error.kind) => Ok(()),
        Err(error) => Err(Failure::new(&format!(
            "{what}: failed with {:?}, {error}; expected {kinds:?}",
            error.kind
        ))),
        Ok(_) => Err(Failure::new(&format!("{what}: succeeded; expected {kinds:?}"))),
    }
}

/// The call must fail with this kind and S3's own code.
#[track_caller]
pub(super) fn refused_with<T>(
    what: &str,
    result: StoreResult<T>,
    kind: ErrorKind,
    code: &str,
) -> Outcome {
    match &result {
        Err(error) if error.code != code => Err(Failure::new(&format!(
            "{what}: failed with {:?}, {error}; expected {code}",
            error.kind
        ))),
        _ => refused(what, result, &[kind]),
    }
}

/// A store and the buckets that one case has made in it.
pub(super) struct Bench {
    pub(super) store: Arc<dyn ObjectStore>,
    /// Fresh, empty, and the case's alone.
    pub(super) bucket: String,
    others: Mutex<Vec<String>>,
}

impl Bench {
    pub(super) async fn new(store: Arc<dyn ObjectStore>, bucket: String) -> Result<Self, Failure> {
        store.create_bucket(&bucket, CreateBucket::default()).await?;
        Ok(Self { store, bucket, others: Mutex::new(Vec::new()) })
    }

    /// Another bucket, removed after the case like the first.
    pub(super) async fn another_bucket(
        &self,
        suffix: &str,
        options: CreateBucket,
    ) -> Result<String, Failure> {
        let name = format!("{}-{suffix}", self.bucket);
        self.store.create_bucket(&name, options).await?;
        self.others.lock().unwrap_or_else(PoisonError::into_inner).push(name.clone());
        Ok(name)
    }

    /// Removes all that the case has made.
    pub(super) async fn clean(self) -> Outcome {
        let others = self.others.into_inner().unwrap_or_else(PoisonError::into_inner);
        for bucket in others.iter().chain([&self.bucket]) {
            remove_bucket(self.store.as_ref(), bucket).await?;
        }
        Ok(())
    }

    pub(super) async fn put(&self, key: &str, text: &str) -> StoreResult<Written> {
        self.put_with(key, text, WriteOptions::default()).await
    }

    pub(super) async fn put_with(
        &self,
        key: &str,
        text: &str,
        options: WriteOptions,
    ) -> StoreResult<Written> {
        let payload = Payload::from(Bytes::copy_from_slice(text.as_bytes()));
        self.store.put_object(&self.bucket, key, payload, options).await
    }

    pub(super) async fn put_class(&self, key: &str, class: &str) -> StoreResult<Written> {
        let attributes =
            ObjectAttributes { storage_class: Some(class.to_owned()), ..Default::default() };
        self.put_with(key, "cold", WriteOptions { attributes, ..Default::default() }).await
    }

    pub(super) async fn head(&self, key: &str) -> StoreResult<ObjectHead> {
        self.store.head_object(&self.bucket, key, HeadObject::default()).await
    }

    pub(super) async fn get(&self, key: &str) -> StoreResult<Vec<u8>> {
        self.get_with(key, GetObject::default()).await
    }

    pub(super) async fn get_with(&self, key: &str, options: GetObject) -> StoreResult<Vec<u8>> {
        collect(self.store.get_object(&self.bucket, key, options).await?.body).await
    }

    pub(super) async fn delete(&self, key: &str) -> StoreResult<()> {
        self.store.delete_object(&self.bucket, key, DeleteObject::default()).await.map(drop)
    }

    /// Keys and common prefixes of all pages.
    pub(super) async fn list(&self, options: ListObjects) -> StoreResult<Listed> {
        let mut listed = Listed::default();
        let mut options = options;
        loop {
            let page = self.store.list_objects(&self.bucket, options.clone()).await?;
            listed.pages.push(page.objects.len() + page.prefixes.len());
            listed.keys.extend(page.objects.into_iter().map(|object| object.key));
            listed.prefixes.extend(page.prefixes);
            match page.next {
                Some(next) => options.continuation = Some(next),
                None => return Ok(listed),
            }
        }
    }

    /// Puts thousands of empty objects, some at a time.
    pub(super) async fn put_many(&self, keys: &[String]) -> Outcome {
        for some in keys.chunks(32) {
            try_join_all(some.iter().map(|key| self.put(key, ""))).await?;
        }
        Ok(())
    }

    /// Puts every key, its own name as its bytes.
    pub(super) async fn put_all(&self, keys: &[&str]) -> Outcome {
        for key in keys {
            self.put(key, key).await?;
        }
        Ok(())
    }
}

/// What all pages of a listing held.
#[derive(Debug, Default)]
pub(super) struct Listed {
    pub(super) keys: Vec<String>,
    pub(super) prefixes: Vec<String>,
    /// Entries on each page.
    pub(super) pages: Vec<usize>,
}

pub(super) async fn collect(mut body: ByteStream) -> StoreResult<Vec<u8>> {
    let mut bytes = Vec::new();
    while let Some(chunk) = body.next().await {
        bytes.extend_from_slice(&chunk?);
    }
    Ok(bytes)
}

/// Bytes that differ at every offset within a few megabytes.
pub(super) fn pattern(bytes: usize, seed: u64) -> Bytes {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut data = vec![0; bytes];
    random.fill(&mut data);
    Bytes::from(data)
}

/// The hex MD5 that S3 uses as the ETag of a plain PUT.
pub(super) fn md5_hex(bytes: &[u8]) -> String {
    hex(&md5(bytes))
}

pub(super) fn md5(bytes: &[u8]) -> Vec<u8> {
    use md5::Digest;
    md5::Md5::digest(bytes).to_vec()
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

async fn remove_bucket(store: &dyn ObjectStore, bucket: &str) -> Outcome {
    for upload in store.list_uploads(bucket, ListUploads::default()).await?.uploads {
        let upload = Upload { bucket, key: &upload.key, upload: &upload.upload };
        store.abort_multipart(upload).await?;
    }
    loop {
        let page = store.list_versions(bucket, ListVersions::default()).await?;
        for version in page.versions {
            let options =
                DeleteObject { version: Some(version.version_id), ..DeleteObject::default() };
            store.delete_object(bucket, &version.key, options).await?;
        }
        if page.next.is_none() {
            break;
        }
    }
    store.delete_bucket(bucket).await?;
    Ok(())
}
