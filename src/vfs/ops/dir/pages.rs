//! The pages of one directory's listing: asked for as its course has it, learnt and told in order.
//!
//! Requests are tasks that belong to the listing and go with it. While a page's uncertain names
//! are asked for, the next pages are under way.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::task::JoinSet;

use crate::store::ObjectStore;
use crate::store::error::{StoreError, StoreResult};
use crate::store::types::{ListObjects, ObjectPage};
use crate::vfs::Vfs;
use crate::vfs::error::{VfsError, VfsResult};
use crate::vfs::namespace::directory::listed::Stamp;
use crate::vfs::namespace::directory::{Begun, Known, Marker};
use crate::vfs::namespace::inode::{Inode, Location};
use crate::vfs::namespace::listing::course::{Course, Request, Taken};
use crate::vfs::namespace::listing::{Assembly, Item};
use crate::vfs::namespace::names::DirPrefix;

/// What the keys that are listed have in common, and what is rolled up.
#[derive(Clone, Debug)]
pub(super) struct Scope {
    pub(super) bucket: Arc<str>,
    pub(super) prefix: Arc<str>,
    /// `None`: everything below is told key by key.
    pub(super) delimiter: Option<&'static str>,
}

/// A course and the requests that it has under way.
pub(super) struct Requests {
    scope: Scope,
    course: Course,
    tasks: JoinSet<Answer>,
}

enum Answer {
    Page { stretch: u64, asked: Stamp, page: StoreResult<ObjectPage> },
    Probe { after: String, first: StoreResult<Option<String>> },
}

/// A listing under way.
pub(super) struct Pages {
    bucket: Arc<str>,
    prefix: DirPrefix,
    requests: Requests,
    assembly: Assembly,
    telling: Telling,
    /// When the page before was asked for: some of its objects are told with the next.
    before: Option<Stamp>,
}

/// What a listing is to say of names that are only here so far.
pub(super) struct Telling {
    begun: Begun,
    /// Names that were being written here when the listing began, as far as it has not told
    /// them.
    pinned: HashSet<Arc<str>>,
    names: usize,
}

impl Requests {
    pub(super) fn new(scope: Scope, course: Course) -> Self {
        Self { scope, course, tasks: JoinSet::new() }
    }

    /// The next page in order. `stamp` is that of what is asked for now.
    pub(super) async fn next(&mut self, vfs: &Vfs, stamp: impl Fn() -> Stamp) -> VfsResult<Taken> {
        while let Some(answer) = self.tasks.try_join_next() {
            self.apply(vfs, answer.ok())?;
        }
        loop {
            let taken = self.course.take();
            self.ask(&vfs.store, stamp());
            if let Some(taken) = taken {
                return Ok(taken);
            }
            let answer = self.tasks.join_next().await;
            self.apply(vfs, answer.and_then(Result::ok))?;
        }
    }

    /// Asks for what the course has next, without waiting for it.
    pub(super) fn ask(&mut self, store: &Arc<dyn ObjectStore>, asked: Stamp) {
        for request in self.course.plan_requests() {
            let (store, scope) = (Arc::clone(store), self.scope.clone());
            self.tasks.spawn(async move { answer(&*store, scope, request, asked).await });
        }
    }

    fn apply(&mut self, vfs: &Vfs, answer: Option<Answer>) -> VfsResult<()> {
        match answer {
            // The task has said why.
            None => return Err(VfsError::Foreign("a request for a page was cut off".to_owned())),
            Some(Answer::Page { stretch, asked, page: Ok(page) }) => {
                self.course.arrived(stretch, page, asked);
            }
            Some(Answer::Page { stretch, page: Err(error), .. }) => {
                self.course.failed(stretch);
                if self.course.is_stuck() {
                    return Err(unlistable(error));
                }
            }
            Some(Answer::Probe { after, first }) => {
                let first = first.ok();
                self.course.probed(&after, first.as_ref().map(Option::as_deref));
            }
        }
        if self.course.is_ordered() {
            return Ok(());
        }
        if vfs.lists_in_order.swap(false, Ordering::Relaxed) {
            tracing::info!("the server does not list keys in S3's order: page after page, then");
        }
        if self.course.is_broken() {
            let broken = "the server began to list keys out of order".to_owned();
            return Err(VfsError::Foreign(broken));
        }
        Ok(())
    }
}

async fn answer(store: &dyn ObjectStore, scope: Scope, request: Request, asked: Stamp) -> Answer {
    let options = ListObjects {
        prefix: scope.prefix.to_string(),
        delimiter: scope.delimiter.map(str::to_owned),
        ..ListObjects::default()
    };
    match request {
        Request::Page { stretch, after, continuation } => {
            let options = ListObjects { start_after: after, continuation, ..options };
            let page = store.list_objects(&scope.bucket, options).await;
            Answer::Page { stretch, asked, page }
        }
        Request::Probe { after } => {
            let start_after = Some(after.clone());
            let options = ListObjects { start_after, keys_max: Some(1), ..options };
            let page = store.list_objects(&scope.bucket, options).await;
            Answer::Probe { after, first: page.map(first_of) }
        }
    }
}

fn first_of(page: ObjectPage) -> Option<String> {
    let object = page.objects.into_iter().map(|object| object.key).min();
    let prefix = page.prefixes.into_iter().min();
    match (object, prefix) {
        (Some(object), Some(prefix)) => Some(object.min(prefix)),
        (object, prefix) => object.or(prefix),
    }
}

impl Vfs {
    /// A listing of what is below `prefix`, which is that of `directory`.
    pub(super) fn begin_pages(
        &self,
        directory: &Inode,
        bucket: Arc<str>,
        prefix: DirPrefix,
    ) -> Pages {
        let telling = Telling::new(directory, self.now());
        let scope = Scope {
            bucket: Arc::clone(&bucket),
            prefix: Arc::from(prefix.as_str()),
            delimiter: Some("/"),
        };
        let course = Course::new(prefix.as_str(), self.lists_in_order());
        Pages {
            bucket,
            requests: Requests::new(scope, course),
            assembly: Assembly::new(prefix.clone()),
            prefix,
            telling,
            before: None,
        }
    }

    /// Whether no listing has contradicted S3's order so far.
    pub(super) fn lists_in_order(&self) -> bool {
        self.lists_in_order.load(Ordering::Relaxed)
    }

    /// The next page, learnt, as names that are there for this mount.
    pub(super) async fn page(
        &self,
        directory: &Inode,
        pages: &mut Pages,
    ) -> VfsResult<(Vec<Item>, bool)> {
        if !pages.are_of(directory) {
            return Err(VfsError::Stale);
        }
        let stamp = || directory.names().stamp(self.now());
        let taken = pages.requests.next(self, stamp).await?;
        // It took a while, in which the directory may have gone elsewhere.
        if !pages.are_of(directory) {
            return Err(VfsError::Stale);
        }
        let is_last = taken.page.next.is_none();
        let told = self.without_asking(pages.assembly.page(taken.page));
        let asked = pages.before.map_or(taken.asked, |before| before.older(taken.asked));
        // What is held back is told as of the page that it came with.
        pages.before = Some(if pages.assembly.holds_back() { asked } else { taken.asked });
        let mut items = pages.telling.learn(directory, told, asked);
        items = self.settle(directory, items).await;
        if is_last {
            items.extend(pages.telling.end(directory, pages.assembly.marker()));
            self.note_listed(directory, pages.telling.names);
        }
        Ok((items, is_last))
    }
}

/// Why a directory can't be read.
///
/// C libraries take `ENOENT` there for the end of a directory that was removed: a bucket that is
/// gone would look empty, and whoever compares with it would delete what it had.
fn unlistable(error: StoreError) -> VfsError {
    if error.is_of_bucket() { VfsError::BucketGone(error) } else { error.into() }
}

impl Telling {
    fn new(directory: &Inode, now: Duration) -> Self {
        let names = directory.names();
        let pinned = names.pinned().into_iter().map(|(name, _)| name).collect();
        Self { begun: names.begin_listing(now), pinned, names: 0 }
    }

    /// Of a listing that was asked for at `asked_at`; `None` where what the directory has known
    /// since may have been forgotten.
    pub(super) fn since(directory: &Inode, asked_at: Duration) -> Option<Self> {
        let is_untouched = directory.names().upheavals() == 0;
        is_untouched.then(|| Self::new(directory, asked_at))
    }

    /// What is there of names that were listed, by the last word of all.
    pub(super) fn learn(&mut self, directory: &Inode, told: Vec<Item>, asked: Stamp) -> Vec<Item> {
        let mut names = directory.names();
        let mut items = Vec::with_capacity(told.len());
        for (name, known) in told {
            let now_known = names.learn_listed(&name, known, asked);
            self.pinned.remove(&name);
            if now_known != Known::Absent {
                items.push((name, now_known));
            }
        }
        self.names += items.len();
        items
    }

    /// The listing has told all: what it did not tell are names that are only here so far.
    pub(super) fn end(&mut self, directory: &Inode, marker: Marker) -> Vec<Item> {
        let mut names = directory.names();
        names.listed(self.begun, marker);
        let told_by_us = self.pinned.drain().filter_map(|name| {
            let known = names.last_known(&name).cloned()?;
            (known != Known::Absent).then_some((name, known))
        });
        told_by_us.collect()
    }
}

impl Pages {
    /// Not those of a directory that was renamed since the listing began.
    fn are_of(&self, directory: &Inode) -> bool {
        match directory.place().location {
            Location::Directory { bucket, prefix } => {
                (&bucket, &prefix) == (&self.bucket, &self.prefix)
            }
            Location::Account | Location::File { .. } => false,
        }
    }
}
