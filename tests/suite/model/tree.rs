//! What a mount should be: a tree of files in a map, with the errnos a disk would give.

use std::collections::{BTreeMap, BTreeSet};

use rustix::io::Errno;

use crate::model::steps::{Action, Outcome};

#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Node {
    Directory,
    File(Vec<u8>),
    Symlink(Vec<u8>),
    Fifo,
}

/// Paths from the root, without a leading slash.
#[derive(Debug, Default)]
pub(super) struct Tree {
    nodes: BTreeMap<String, Node>,
    /// Directories that have a marker; any other is there only while something is in it.
    marked: BTreeSet<String>,
}

impl Tree {
    pub(super) fn all(&self) -> BTreeMap<String, Node> {
        self.nodes.clone()
    }

    pub(super) fn run(&mut self, action: &Action) -> Outcome {
        match action {
            Action::Write { path, content } => self.write(path, content),
            Action::Append { path, content } => self.append(path, content),
            Action::Truncate { path, bytes } => self.truncate(path, *bytes),
            Action::Read { path } => self.read(path),
            Action::Mkdir { path } => self.mkdir(path),
            Action::Rmdir { path } => self.rmdir(path),
            Action::Unlink { path } => self.unlink(path),
            Action::Rename { from, to } => self.rename(from, to),
            Action::List { path } => self.list(path),
            Action::Patch { path, at, content } => self.patch(path, *at, content),
            Action::Chmod { path, mode: _ } => self.chmod(path),
            Action::Symlink { path, target } => {
                self.make(path, Node::Symlink(target.clone().into()))
            }
            Action::Fifo { path } => self.make(path, Node::Fifo),
            Action::Copy { from, to } => {
                let content = self.read(from)?;
                self.write(to, &content)
            }
            Action::UnlinkReading { path, content: _ } => self.unlink(path),
            Action::RenameReading { from, to, content: _ } => self.rename(from, to),
        }
    }

    /// What another program did, if it makes sense: no file where a directory is or below a
    /// file. It makes no markers.
    pub(super) fn put_outside(&mut self, path: &str, content: &[u8]) -> bool {
        if let Some(directory) = path.strip_suffix('/') {
            self.nodes.insert(directory.to_owned(), Node::Directory);
            self.marked.insert(directory.to_owned());
            return true;
        }
        if self.nodes.get(path) == Some(&Node::Directory) || self.parent(path) == Err(Errno::NOTDIR)
        {
            return false;
        }
        for (at, _) in path.match_indices('/') {
            self.nodes.insert(path[..at].to_owned(), Node::Directory);
        }
        self.nodes.insert(path.to_owned(), Node::File(content.to_vec()));
        true
    }

    /// Directories without a marker go with the last object below them.
    pub(super) fn delete_outside(&mut self, path: &str) -> bool {
        if !matches!(self.nodes.get(path), Some(Node::File(_))) {
            return false;
        }
        self.nodes.remove(path);
        let mut left = path;
        while let Some((directory, _)) = left.rsplit_once('/') {
            if self.marked.contains(directory) || !self.children(directory).is_empty() {
                break;
            }
            self.nodes.remove(directory);
            left = directory;
        }
        true
    }

    /// The mount removes a name: a directory that is left empty gets its marker.
    fn remove(&mut self, path: &str) -> Option<Node> {
        let removed = self.nodes.remove(path);
        if let Some((directory, _)) = path.rsplit_once('/')
            && self.children(directory).is_empty()
        {
            self.marked.insert(directory.to_owned());
        }
        removed
    }

    fn write(&mut self, path: &str, content: &[u8]) -> Outcome {
        self.parent(path)?;
        match self.nodes.get(path) {
            Some(Node::Directory) => Err(Errno::ISDIR),
            _ => {
                self.nodes.insert(path.to_owned(), Node::File(content.to_vec()));
                Ok(Vec::new())
            }
        }
    }

    fn append(&mut self, path: &str, content: &[u8]) -> Outcome {
        self.file(path)?.extend_from_slice(content);
        Ok(Vec::new())
    }

    fn truncate(&mut self, path: &str, bytes: usize) -> Outcome {
        self.file(path)?.resize(bytes, 0);
        Ok(Vec::new())
    }

    fn patch(&mut self, path: &str, at: usize, content: &[u8]) -> Outcome {
        let file = self.file(path)?;
        let end = at + content.len();
        file.resize(file.len().max(end), 0);
        file[at..end].copy_from_slice(content);
        Ok(Vec::new())
    }

    /// Modes are not part of the tree.
    fn chmod(&self, path: &str) -> Outcome {
        self.parent(path)?;
        self.nodes.get(path).map(|_| Vec::new()).ok_or(Errno::NOENT)
    }

    fn make(&mut self, path: &str, node: Node) -> Outcome {
        self.parent(path)?;
        if self.nodes.contains_key(path) {
            return Err(Errno::EXIST);
        }
        self.nodes.insert(path.to_owned(), node);
        Ok(Vec::new())
    }

    fn read(&mut self, path: &str) -> Outcome {
        Ok(self.file(path)?.clone())
    }

    fn mkdir(&mut self, path: &str) -> Outcome {
        self.parent(path)?;
        if self.nodes.contains_key(path) {
            return Err(Errno::EXIST);
        }
        self.nodes.insert(path.to_owned(), Node::Directory);
        self.marked.insert(path.to_owned());
        Ok(Vec::new())
    }

    fn rmdir(&mut self, path: &str) -> Outcome {
        self.directory(path)?;
        if !self.children(path).is_empty() {
            return Err(Errno::NOTEMPTY);
        }
        self.remove(path);
        self.marked.remove(path);
        Ok(Vec::new())
    }

    fn unlink(&mut self, path: &str) -> Outcome {
        self.file(path)?;
        self.remove(path);
        Ok(Vec::new())
    }

    /// In the order in which Linux looks at it.
    fn rename(&mut self, from: &str, to: &str) -> Outcome {
        self.parent(from)?;
        self.parent(to)?;
        let node = self.nodes.get(from).cloned().ok_or(Errno::NOENT)?;
        if is_below(to, from) {
            return Err(Errno::INVAL);
        }
        if is_below(from, to) {
            return Err(Errno::NOTEMPTY);
        }
        match (&node, self.nodes.get(to)) {
            _ if from == to => return Ok(Vec::new()),
            (Node::Directory, Some(Node::File(_) | Node::Symlink(_) | Node::Fifo)) => {
                return Err(Errno::NOTDIR);
            }
            (Node::File(_) | Node::Symlink(_) | Node::Fifo, Some(Node::Directory)) => {
                return Err(Errno::ISDIR);
            }
            (Node::Directory, Some(Node::Directory)) if !self.children(to).is_empty() => {
                return Err(Errno::NOTEMPTY);
            }
            (Node::Directory, _) => self.move_below(from, to),
            (Node::File(_) | Node::Symlink(_) | Node::Fifo, _) => {}
        }
        self.nodes.insert(to.to_owned(), node);
        self.remove(from);
        Ok(Vec::new())
    }

    /// All that is in a directory, and whether it has a marker.
    fn move_below(&mut self, from: &str, to: &str) {
        let moved = |path: &str| path.strip_prefix(from).map(|rest| format!("{to}{rest}"));
        let inside = |path: &String| is_below(path, from);
        let paths: Vec<String> = self.nodes.keys().filter(|path| inside(path)).cloned().collect();
        for path in paths {
            let new = moved(&path).expect("it is inside");
            let node = self.nodes.remove(&path).expect("it is there");
            self.nodes.insert(new, node);
        }
        self.marked.remove(to);
        let marked = std::mem::take(&mut self.marked);
        let is_moved = |path: &String| path == from || inside(path);
        self.marked = marked
            .into_iter()
            .map(|path| if is_moved(&path) { moved(&path).expect("it is inside") } else { path })
            .collect();
    }

    fn list(&mut self, path: &str) -> Outcome {
        if !path.is_empty() {
            self.directory(path)?;
        }
        Ok(self.children(path).join("\n").into_bytes())
    }

    fn children(&self, path: &str) -> Vec<String> {
        let prefix = if path.is_empty() { String::new() } else { format!("{path}/") };
        let below = self.nodes.keys().filter_map(|key| key.strip_prefix(&prefix));
        below.filter(|name| !name.is_empty() && !name.contains('/')).map(str::to_owned).collect()
    }

    fn directory(&self, path: &str) -> Result<(), Errno> {
        self.parent(path)?;
        match self.nodes.get(path) {
            Some(Node::Directory) => Ok(()),
            Some(Node::File(_) | Node::Symlink(_) | Node::Fifo) => Err(Errno::NOTDIR),
            None => Err(Errno::NOENT),
        }
    }

    fn file(&mut self, path: &str) -> Result<&mut Vec<u8>, Errno> {
        self.parent(path)?;
        match self.nodes.get_mut(path) {
            Some(Node::File(content)) => Ok(content),
            Some(Node::Directory) => Err(Errno::ISDIR),
            Some(Node::Symlink(_) | Node::Fifo) => Err(Errno::INVAL),
            None => Err(Errno::NOENT),
        }
    }

    /// Walks to the parent as the kernel does.
    fn parent(&self, path: &str) -> Result<(), Errno> {
        for (at, _) in path.match_indices('/') {
            match self.nodes.get(&path[..at]) {
                Some(Node::Directory) => {}
                Some(Node::File(_) | Node::Symlink(_) | Node::Fifo) => return Err(Errno::NOTDIR),
                None => return Err(Errno::NOENT),
            }
        }
        Ok(())
    }
}

fn is_below(path: &str, directory: &str) -> bool {
    path.strip_prefix(directory).is_some_and(|rest| rest.starts_with('/'))
}
