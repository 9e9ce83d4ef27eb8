//! A bucket as somebody else sees it, past every mount.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::TryStreamExt;
use pailfs::store::error::{ErrorKind, StoreResult};
use pailfs::store::types::{
    CreateBucket, CreateMultipart, DeleteObject, GetObject, HeadObject, ListObjects, ListUploads,
    ListedUpload, ObjectAttributes, ObjectHead, Payload, Resource, Tags, WriteOptions,
};
use pailfs::store::{ObjectStore, Upload};

use crate::support::runtime::block_on;

/// A bucket, looked at from outside. Every failure but `NotFound` panics.
pub(crate) struct Bucket {
    store: Arc<dyn ObjectStore>,
    pub(crate) name: String,
}

impl Bucket {
    /// Makes a bucket of that name.
    pub(crate) fn create(store: Arc<dyn ObjectStore>, name: String) -> Self {
        block_on(store.create_bucket(&name, CreateBucket::default())).expect("a new bucket");
        Self { store, name }
    }

    /// Whether there still is such a bucket.
    pub(crate) fn is_there(&self) -> bool {
        found("", block_on(self.store.head_bucket(&self.name))).is_some()
    }

    pub(crate) fn put(&self, key: &str, bytes: impl AsRef<[u8]>) {
        self.put_with(key, bytes, WriteOptions::default());
    }

    /// With user metadata alone.
    pub(crate) fn put_described(&self, key: &str, bytes: &str, metadata: &[(&str, &str)]) {
        let owned = metadata.iter().map(|(name, value)| (name.to_string(), value.to_string()));
        let attributes =
            ObjectAttributes { metadata: owned.collect(), ..ObjectAttributes::default() };
        self.put_with(key, bytes, WriteOptions { attributes, ..WriteOptions::default() });
    }

    pub(crate) fn put_with(&self, key: &str, bytes: impl AsRef<[u8]>, options: WriteOptions) {
        let payload = Payload::from(Bytes::copy_from_slice(bytes.as_ref()));
        let put = block_on(self.store.put_object(&self.name, key, payload, options));
        put.unwrap_or_else(|error| panic!("put of {key:?}: {error}"));
    }

    /// The bytes of an object, if there is one.
    pub(crate) fn get(&self, key: &str) -> Option<Vec<u8>> {
        let got = block_on(async {
            let got = self.store.get_object(&self.name, key, GetObject::default()).await?;
            let chunks: Vec<Bytes> = got.body.try_collect().await?;
            Ok(chunks.concat())
        });
        found(key, got)
    }

    pub(crate) fn head(&self, key: &str) -> Option<ObjectHead> {
        found(key, block_on(self.store.head_object(&self.name, key, HeadObject::default())))
    }

    /// A value of an object's user metadata.
    #[track_caller]
    pub(crate) fn metadata(&self, key: &str, name: &str) -> Option<String> {
        let head = self.head(key).expect("an object");
        head.attributes.metadata.get(name).cloned()
    }

    pub(crate) fn tags(&self, key: &str) -> Tags {
        let object = Resource::object(&self.name, key);
        block_on(self.store.get_tags(&object)).expect("tags")
    }

    /// How many grants the ACL of an object has.
    pub(crate) fn grants(&self, key: &str) -> usize {
        let object = Resource::object(&self.name, key);
        block_on(self.store.get_acl(&object)).expect("an ACL").grants.len()
    }

    pub(crate) fn delete(&self, key: &str) {
        let options = DeleteObject::default();
        block_on(self.store.delete_object(&self.name, key, options)).expect("a delete");
    }

    /// All keys, in S3's order.
    pub(crate) fn keys(&self) -> Vec<String> {
        let mut keys = Vec::new();
        let mut options = ListObjects::default();
        loop {
            let page = block_on(self.store.list_objects(&self.name, options.clone()));
            let page = page.expect("a listing");
            keys.extend(page.objects.into_iter().map(|object| object.key));
            match page.next {
                Some(next) => options.continuation = Some(next),
                None => return keys,
            }
        }
    }

    /// Multipart uploads that nobody completed or aborted.
    pub(crate) fn uploads(&self) -> usize {
        self.listed_uploads().len()
    }

    /// The keys of those.
    pub(crate) fn uploading(&self) -> Vec<String> {
        self.listed_uploads().into_iter().map(|upload| upload.key).collect()
    }

    /// How many parts there are in uploads of a key.
    pub(crate) fn parts(&self, key: &str) -> usize {
        let of_key = self.listed_uploads().into_iter().filter(|upload| upload.key == key);
        let parts = of_key.filter_map(|ListedUpload { upload, .. }| {
            let upload = Upload { bucket: &self.name, key, upload: &upload };
            // It may have ended since.
            found(key, block_on(self.store.list_parts(upload, None)))
        });
        parts.map(|page| page.parts.len()).sum()
    }

    /// Begins a multipart upload, and leaves it.
    pub(crate) fn begin_upload(&self, key: &str) {
        let begun = self.store.create_multipart(&self.name, key, CreateMultipart::default());
        block_on(begun).expect("an upload");
    }

    fn listed_uploads(&self) -> Vec<ListedUpload> {
        let page = block_on(self.store.list_uploads(&self.name, ListUploads::default()));
        page.expect("a listing of uploads").uploads
    }
}

#[track_caller]
fn found<T>(key: &str, result: StoreResult<T>) -> Option<T> {
    match result {
        Ok(value) => Some(value),
        Err(error) if error.kind == ErrorKind::NotFound => None,
        Err(error) => panic!("{key:?}: {error}"),
    }
}
