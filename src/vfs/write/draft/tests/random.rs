//! Random changes, against a vector of bytes.

use proptest::prelude::{Just, ProptestConfig, Strategy, prop_oneof, proptest};

use super::*;

/// Four cells and a bit.
const FILE_BYTES_MAX: u64 = 4 * CELL + MIB;

/// Of the disk cache: less than the longest file has, and more than most do.
const KEPT_BYTES_MAX: u64 = 20 * MIB;

#[derive(Clone, Debug)]
enum Step {
    Write { at: u64, bytes: u64, byte: u8 },
    Append { bytes: u64, byte: u8 },
    Truncate(u64),
    Punch(u64, u64),
    CopyFrom { at: u64, start: u64, bytes: u64 },
    Commit,
    Read(u64, u64),
    Wait,
    FailNext,
}

/// Places in the file, the ends of cells among them.
fn place() -> impl Strategy<Value = u64> {
    prop_oneof![
        0..FILE_BYTES_MAX,
        (0..5u64, 0..5u64).prop_map(|(cell, more)| (cell * CELL + more).saturating_sub(2)),
    ]
}

fn length() -> impl Strategy<Value = u64> {
    prop_oneof![1..10u64, 1..200_000u64, MIB / 2..6 * MIB, Just(CELL)]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => (place(), length(), 1..255u8)
            .prop_map(|(at, bytes, byte)| Step::Write { at, bytes, byte }),
        2 => (length(), 1..255u8).prop_map(|(bytes, byte)| Step::Append { bytes, byte }),
        1 => prop_oneof![Just(0), place()].prop_map(Step::Truncate),
        1 => (place(), length()).prop_map(|(at, bytes)| Step::Punch(at, bytes)),
        2 => (place(), place(), length())
            .prop_map(|(at, start, bytes)| Step::CopyFrom { at, start, bytes }),
        2 => Just(Step::Commit),
        2 => (place(), length()).prop_map(|(at, bytes)| Step::Read(at, bytes)),
        1 => Just(Step::Wait),
        1 => Just(Step::FailNext),
    ]
}

struct Run {
    world: World,
    source: ObjectRef,
    source_content: Vec<u8>,
    draft: Arc<Draft>,
    model: Vec<u8>,
    disk: Disk,
}

impl Run {
    async fn new(memory: u64, disk: Disk, base_bytes: Option<u64>) -> Self {
        let world = World::keeping(memory, disk, KEPT_BYTES_MAX).await;
        let source_content = content(12 * MIB, 77);
        let source = world.put("source", &source_content).await;
        let (draft, model) = match base_bytes {
            Some(bytes) => {
                let model = content(bytes, 3);
                let object = world.put("file", &model).await;
                (world.draft_over(&object).await, model)
            }
            None => (world.new_file(), Vec::new()),
        };
        Self { world, source, source_content, draft, model, disk }
    }

    async fn step(&mut self, step: Step) {
        match step {
            Step::Write { at, bytes, byte } => self.write(at, bytes, byte).await,
            Step::Append { bytes, byte } => self.write(self.model.len() as u64, bytes, byte).await,
            Step::Truncate(bytes) => {
                let done = self.draft.truncate(bytes).await;
                self.model_if(done, |model| model.resize(bytes as usize, 0));
            }
            Step::Punch(at, bytes) => {
                let done = self.draft.punch(at..at + bytes).await;
                self.model_if(done, |model| {
                    let end = model.len().min((at + bytes) as usize);
                    model[(at as usize).min(end)..end].fill(0);
                });
            }
            Step::CopyFrom { at, start, bytes } => {
                let start = start.min(self.source.size);
                let end = (start + bytes).min(self.source.size);
                if at + (end - start) > FILE_BYTES_MAX || start == end {
                    return;
                }
                let done = self.draft.copy_from(at, self.source.clone(), start..end).await;
                let copied = self.source_content[start as usize..end as usize].to_vec();
                self.model_if(done, |model| put(model, at, &copied));
            }
            Step::Commit => self.commit().await,
            Step::Read(at, bytes) => self.check_read(at..at + bytes).await,
            Step::Wait => tokio::time::sleep(Duration::from_secs(1)).await,
            Step::FailNext => {
                let next = self.world.calls();
                self.world.store.fail_call(next, passing(), When::Before);
            }
        }
        assert_eq!(self.draft.bytes(), self.model.len() as u64);
    }

    async fn write(&mut self, at: u64, bytes: u64, byte: u8) {
        if at + bytes > FILE_BYTES_MAX {
            return;
        }
        let done = self.draft.write(Some(at), Bytes::from(vec![byte; bytes as usize])).await;
        self.model_if(done, |model| put(model, at, &vec![byte; bytes as usize]));
    }

    /// Changes the model as the draft was changed; only bytes that there was no room to keep may
    /// be refused.
    fn model_if(&mut self, done: VfsResult<()>, change: impl FnOnce(&mut Vec<u8>)) {
        match done {
            Ok(()) => change(&mut self.model),
            Err(VfsError::Unsupported(_)) if self.disk != Disk::There => {}
            Err(VfsError::NoSpace(_)) if self.disk == Disk::Broken => {}
            Err(VfsError::Store(error)) if error.kind == ErrorKind::Unavailable => {
                assert_eq!(self.disk, Disk::None, "{error}");
            }
            Err(error) => panic!("{error}"),
        }
    }

    async fn check_read(&mut self, range: Range<u64>) {
        let read = match self.world.read(&self.draft, range.clone()).await {
            // A failure on purpose.
            Err(VfsError::Store(_)) => self.world.read(&self.draft, range.clone()).await,
            read => read,
        };
        let end = self.model.len().min(range.end as usize);
        match read {
            Ok(read) => {
                assert!(read == self.model[(range.start as usize).min(end)..end], "{range:?}");
            }
            Err(VfsError::Unsupported(_)) if self.disk != Disk::There => {}
            Err(error) => panic!("{range:?}: {error}"),
        }
    }

    /// What is kept on disk is right, whatever is missing.
    async fn check_kept(&self) {
        let object = self.draft.state.lock().await.object();
        let (Some(object), Some(disk)) = (object, &self.world.kept) else { return };
        for start in (0..object.size).step_by(MIB as usize / 2) {
            let end = object.size.min(start + MIB / 2);
            if let Some(read) = disk.read(&object, &(start..end)).await {
                assert!(read == self.model[start as usize..end as usize], "kept from {start} on");
            }
        }
    }

    async fn commit(&mut self) {
        // One failure on purpose may be left, which meets the first commit.
        if commit(&self.draft).await.is_err() {
            self.world.store.heal();
            commit(&self.draft).await.unwrap();
        }
        self.world.store.heal();
        if self.draft.state.lock().await.base.is_some() {
            let object = self.world.get("file").await;
            assert!(object == self.model, "the object is not the file");
        }
        self.check_read(0..FILE_BYTES_MAX).await;
        self.check_kept().await;
        // One that was given up while it was begun is aborted when it has been.
        for _ in 0..10 {
            if self.world.uploads().await == 0 {
                return;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        panic!("an upload is left behind");
    }
}

fn put(model: &mut Vec<u8>, at: u64, content: &[u8]) {
    let end = at as usize + content.len();
    if model.len() < end {
        model.resize(end, 0);
    }
    model[at as usize..end].copy_from_slice(content);
}

async fn run(memory: u64, disk: Disk, base_bytes: Option<u64>, steps: Vec<Step>) {
    let mut run = Run::new(memory, disk, base_bytes).await;
    for step in steps {
        run.step(step).await;
    }
    run.commit().await;
    assert!(run.draft.state.lock().await.memory.bytes() <= FILE_BYTES_MAX);
    let World { budget, multiparts, drafting, store, .. } = run.world;
    run.draft.discard().await;
    // The store has the bytes that it was given.
    drop((run.draft, drafting, multiparts, store));
    while tokio::time::timeout(Duration::from_secs(1), budget.reserve(memory)).await.is_err() {}
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 40, max_shrink_iters: 60, failure_persistence: None, ..ProptestConfig::default()
    })]

    #[test]
    fn a_draft_is_an_array_of_bytes(
        memory in prop_oneof![Just(MIB), Just(16 * MIB), Just(AMPLE)],
        disk in prop_oneof![3 => Just(Disk::There), 1 => Just(Disk::Broken), 1 => Just(Disk::None)],
        base_bytes in proptest::option::of(prop_oneof![0..CELL, CELL..FILE_BYTES_MAX]),
        steps in proptest::collection::vec(step(), 1..12),
    ) {
        in_virtual_time(run(memory, disk, base_bytes, steps));
    }
}
