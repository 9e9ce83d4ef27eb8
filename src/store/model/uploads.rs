//! Uploads: multipart uploads from their creation to their end.

use std::sync::Arc;

use crate::store::error::StoreResult;
use crate::store::model::Model;
use crate::store::model::acl;
use crate::store::model::blobs;
use crate::store::model::digest;
use crate::store::model::engine::Scope;
use crate::store::model::lock;
use crate::store::model::multipart;
use crate::store::model::names;
use crate::store::model::objects::{self, NewObject};
use crate::store::model::range;
use crate::store::model::refusal;
use crate::store::model::state::{
    Change, ObjectName, State, StoredObject, StoredPart, Update, UploadInfo, UploadName,
    whole_seconds,
};
use crate::store::model::writes;
use crate::store::types::{
    Checksum, CompleteMultipart, CopySource, CreateMultipart, Part, Payload, Range, Written,
};

impl Model {
    pub(super) async fn create_upload(
        &self,
        object: ObjectName,
        options: CreateMultipart,
    ) -> StoreResult<String> {
        names::check_key(&object.key)?;
        multipart::check_checksum_type(options.checksum)?;
        let prepared = self.prepare(options.write)?;
        let info = Arc::new(UploadInfo { checksum: options.checksum, ..prepared });
        let upload = writes::fresh_upload_id(self.clock.wall());
        let scope = Scope::object(&object);
        let name = UploadName { object, upload: upload.clone() };
        let decide = move |state: &State| {
            let bucket = state.bucket(&name.object.bucket)?;
            acl::check_allowed(&bucket.info, &info.acl)?;
            lock::check_lockable(&bucket.info, &info.documents)?;
            Ok((vec![Update::Upload { name, info: Some(info) }], upload))
        };
        self.engine.change(scope, decide).await
    }

    pub(super) async fn put_part(
        &self,
        name: UploadName,
        number: u32,
        expected: Option<&Checksum>,
        payload: Payload,
    ) -> StoreResult<Part> {
        let info = self.upload_info(&name, number)?;
        multipart::check_part_algorithm(info.checksum, expected)?;
        let algorithm = expected.map(|checksum| checksum.algorithm);
        let algorithm = algorithm.or(info.checksum.map(|(algorithm, _)| algorithm));
        let received = self.place.receive(payload, algorithm).await?;
        writes::check_checksum(expected, &received.digests)?;
        let part = StoredPart {
            size: received.bytes,
            md5: received.digests.md5,
            checksum: received.digests.checksum,
            last_modified: whole_seconds(self.clock.wall()),
            segments: received.segments.into(),
        };
        self.store_part(name, number, part).await
    }

    pub(super) async fn copy_part(
        &self,
        name: UploadName,
        number: u32,
        source: CopySource,
        range: Option<Range>,
    ) -> StoreResult<Part> {
        let info = self.upload_info(&name, number)?;
        let found = self.find_source(&source)?;
        let range = range::resolve_source(range, found.object.size)?;
        writes::check_source_bytes(range.end - range.start)?;
        let segments: Arc<[_]> = blobs::plan_slices(&found.object.segments, &range).into();
        let algorithm = info.checksum.map(|(algorithm, _)| algorithm);
        let digests = writes::digest_segments(Arc::clone(&segments), algorithm, None).await?;
        let part = StoredPart {
            size: range.end - range.start,
            md5: digests.md5,
            checksum: digests.checksum,
            last_modified: whole_seconds(self.clock.wall()),
            segments,
        };
        self.store_part(name, number, part).await
    }

    pub(super) async fn complete_upload(
        &self,
        name: UploadName,
        parts: Vec<Part>,
        options: CompleteMultipart,
    ) -> StoreResult<Written> {
        let part_bytes_min = self.options.part_bytes_min;
        let scope = Scope::object(&name.object);
        let decide =
            move |state: &State| plan_complete(state, name, &parts, options, part_bytes_min);
        self.engine.change(scope, decide).await
    }

    pub(super) async fn abort_upload(&self, name: UploadName) -> StoreResult<()> {
        let scope = Scope::object(&name.object);
        let decide = move |state: &State| {
            state.upload(&name)?;
            Ok((vec![Update::Upload { name, info: None }], ()))
        };
        self.engine.change(scope, decide).await
    }

    fn upload_info(&self, name: &UploadName, number: u32) -> StoreResult<Arc<UploadInfo>> {
        multipart::check_part_number(number)?;
        self.engine.read(|state| Ok(Arc::clone(&state.upload(name)?.info)))
    }

    async fn store_part(
        &self,
        name: UploadName,
        number: u32,
        part: StoredPart,
    ) -> StoreResult<Part> {
        let (etag, checksum) = (digest::etag_of(&part.md5), part.checksum.clone());
        let scope = Scope::part(&name, number);
        let decide = move |state: &State| {
            state.upload(&name)?;
            Ok((vec![Update::Part { name, number, part: Arc::new(part) }], ()))
        };
        self.engine.change(scope, decide).await?;
        Ok(Part { number, etag, checksum })
    }
}

/// Plans the object that an upload becomes, dated as S3 does by when the upload began.
fn plan_complete(
    state: &State,
    name: UploadName,
    parts: &[Part],
    options: CompleteMultipart,
    part_bytes_min: u64,
) -> StoreResult<(Change, Written)> {
    let upload = state.upload(&name)?;
    let checksum = upload.info.checksum;
    let assembled = multipart::plan_object(&upload.parts, parts, checksum, part_bytes_min)?;
    match (&options.checksum, &assembled.checksum) {
        (Some(_), None) => {
            return Err(refusal::invalid_request("The upload was started without a checksum"));
        }
        (expected @ Some(_), actual) if expected != actual => {
            return Err(refusal::bad_digest("checksum"));
        }
        _ => {}
    }
    let object = StoredObject {
        size: assembled.size,
        etag: assembled.etag.clone(),
        checksum: assembled.checksum.clone(),
        parts: Some(assembled.parts),
        segments: assembled.segments,
        ..writes::object_of(UploadInfo::clone(&upload.info))
    };
    let new = NewObject {
        name: name.object.clone(),
        object,
        last_modified: upload.info.started,
        conditions: options.conditions,
        fresh_id: writes::fresh_id(),
    };
    let (mut change, version_id) = objects::plan_put(state, new)?;
    change.push(Update::Upload { name, info: None });
    let (etag, checksum) = (assembled.etag, assembled.checksum);
    Ok((change, Written { etag, version_id, checksum, last_modified: None }))
}
