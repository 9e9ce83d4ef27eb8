//! What becomes of the versions of one key.

use super::*;
use crate::store::types::ETag;

/// A bucket `b` in which the key `k` is written and deleted.
struct Bench {
    state: State,
    ids: u32,
}

impl Bench {
    fn new(versioning: Versioning) -> Self {
        let mut state = State::default();
        state.add_bucket_for_test("b", versioning);
        Self { state, ids: 0 }
    }

    fn set(&mut self, versioning: Versioning) {
        self.state.add_bucket_for_test("b", versioning);
    }

    fn fresh_id(&mut self) -> Arc<str> {
        self.ids += 1;
        Arc::from(format!("v{}", self.ids))
    }

    fn put(&mut self, etag: &str, conditions: Conditions) -> StoreResult<Option<String>> {
        let fresh_id = self.fresh_id();
        let object = StoredObject { etag: ETag::new(etag), ..StoredObject::empty_for_test() };
        let new = NewObject {
            name: ObjectName::new("b", "k"),
            object,
            last_modified: SystemTime::UNIX_EPOCH,
            conditions,
            fresh_id,
        };
        let (change, version) = plan_put(&self.state, new)?;
        self.apply(change);
        Ok(version)
    }

    fn delete(&mut self, options: &DeleteObject) -> StoreResult<Deleted> {
        let (fresh_id, now) = (self.fresh_id(), SystemTime::UNIX_EPOCH);
        let name = ObjectName::new("b", "k");
        let (change, deleted) = plan_delete(&self.state, &name, options, fresh_id, now)?;
        self.apply(change);
        Ok(deleted)
    }

    fn delete_version(&mut self, version: &str) -> Deleted {
        let version = Some(version.to_owned());
        self.delete(&DeleteObject { version, ..DeleteObject::default() }).unwrap()
    }

    fn apply(&mut self, change: Change) {
        for update in change {
            self.state.apply(update);
        }
    }

    /// `id=etag` of every version, newest first; a delete marker has no ETag.
    #[track_caller]
    fn check(&self, expected: &[&str]) {
        let versions = self.state.buckets["b"].objects.get("k");
        let seen: Vec<_> = versions
            .into_iter()
            .flat_map(Versions::newest_first)
            .map(|version| {
                let etag = version.object.as_ref().map(|object| object.etag.to_string());
                format!("{}={}", version.id(), etag.unwrap_or_default())
            })
            .collect();
        assert_eq!(seen, expected);
    }
}

fn marker(id: &str) -> Deleted {
    Deleted { delete_marker: true, version_id: Some(id.to_owned()) }
}

#[test]
fn without_versioning_a_write_replaces_and_a_delete_removes() {
    let mut bench = Bench::new(Versioning::Never);
    assert_eq!(bench.put("a", Conditions::default()).unwrap(), None);
    assert_eq!(bench.put("b", Conditions::default()).unwrap(), None);
    bench.check(&["null=b"]);
    assert_eq!(bench.delete(&DeleteObject::default()).unwrap(), Deleted::default());
    bench.check(&[]);
    assert_eq!(bench.delete(&DeleteObject::default()).unwrap(), Deleted::default());
    assert!(bench.state.buckets["b"].objects.is_empty());
}

#[test]
fn with_versioning_nothing_is_lost() {
    let mut bench = Bench::new(Versioning::Enabled);
    assert_eq!(bench.put("a", Conditions::default()).unwrap().as_deref(), Some("v1"));
    bench.put("b", Conditions::default()).unwrap();
    assert_eq!(bench.delete(&DeleteObject::default()).unwrap(), marker("v3"));
    bench.check(&["v3=", "v2=b", "v1=a"]);
    assert_eq!(bench.delete_version("v3"), marker("v3"));
    let removed = Deleted { delete_marker: false, version_id: Some("v2".to_owned()) };
    assert_eq!(bench.delete_version("v2"), removed);
    assert_eq!(bench.delete_version("v2"), removed);
    bench.check(&["v1=a"]);
}

#[test]
fn a_delete_marks_even_what_was_never_there() {
    let mut bench = Bench::new(Versioning::Enabled);
    assert_eq!(bench.delete(&DeleteObject::default()).unwrap(), marker("v1"));
    bench.check(&["v1="]);
}

#[test]
fn suspended_versioning_keeps_one_null_version_among_the_others() {
    let mut bench = Bench::new(Versioning::Never);
    bench.put("a", Conditions::default()).unwrap();
    bench.set(Versioning::Enabled);
    bench.put("b", Conditions::default()).unwrap();
    bench.check(&["v2=b", "null=a"]);
    bench.set(Versioning::Suspended);
    assert_eq!(bench.put("c", Conditions::default()).unwrap().as_deref(), Some("null"));
    bench.check(&["null=c", "v2=b"]);
    assert_eq!(bench.delete(&DeleteObject::default()).unwrap(), marker("null"));
    bench.check(&["null=", "v2=b"]);
}

#[test]
fn a_marker_counts_as_absent_for_conditions() {
    let mut bench = Bench::new(Versioning::Enabled);
    bench.put("a", Conditions::absent()).unwrap();
    assert_eq!(bench.put("b", Conditions::absent()).unwrap_err().code, "PreconditionFailed");
    bench.delete(&DeleteObject::default()).unwrap();
    let matching = Conditions::matching(ETag::new("a"));
    assert_eq!(bench.put("b", matching).unwrap_err().code, "NoSuchKey");
    assert!(bench.put("b", Conditions::absent()).is_ok());
}

#[test]
fn a_delete_meets_its_condition() {
    let mut bench = Bench::new(Versioning::Never);
    bench.put("a", Conditions::default()).unwrap();
    let matching = |etag: &str| DeleteObject {
        version: None,
        conditions: Conditions::matching(ETag::new(etag)),
    };
    assert_eq!(bench.delete(&matching("b")).unwrap_err().code, "PreconditionFailed");
    assert!(bench.delete(&matching("a")).is_ok());
    bench.check(&[]);
}

#[test]
fn an_amended_object_keeps_its_version() {
    let mut bench = Bench::new(Versioning::Enabled);
    bench.put("a", Conditions::default()).unwrap();
    bench.put("b", Conditions::default()).unwrap();
    let found = bench.state.buckets["b"].find("k", Some("v1")).unwrap();
    let name = ObjectName::new("b", "k");
    bench.apply(plan_amend(&name, &found, |object| object.etag = ETag::new("c")));
    bench.check(&["v2=b", "v1=c"]);
}

#[test]
fn a_marker_hides_the_object_and_is_none_itself() {
    let mut bench = Bench::new(Versioning::Enabled);
    bench.put("a", Conditions::default()).unwrap();
    bench.delete(&DeleteObject::default()).unwrap();
    let bucket = &bench.state.buckets["b"];
    let code = |version| bucket.find("k", version).err().map(|error| error.code.into_owned());
    assert_eq!(code(None).as_deref(), Some("NoSuchKey"));
    assert_eq!(code(Some("v2")).as_deref(), Some("MethodNotAllowed"));
    assert_eq!(code(Some("v9")).as_deref(), Some("NoSuchVersion"));
    assert_eq!(code(Some("v1")), None);
}
