//! Names: how an object's key becomes a path, and back.
//!
//! A key is any UTF-8 string of 1 to 1024 bytes; its components are what stands between its
//! slashes. A file name has 1 to 255 bytes, neither `/` nor NUL, and is not `.` or `..`. A
//! component that can be a file name is one, byte for byte. Any other is shown in one of three
//! escaped forms, and a component that happens to look like an escaped form is escaped itself,
//! so that a name means one key and a key has one name:
//!
//! - `@s3.name=ENC`: a component that no path can spell.
//! - `@s3.file=ENC`: the object, where a directory has its plain name; and the object behind the
//!   last slash of its key, which is a directory's marker that has bytes.
//! - `@s3.long=ENC`: a directory that stands for the first piece of a component that is too long
//!   for a name; the rest follows inside as further pieces, the last in one of the other forms.
//!
//! `ENC` is the text with `%` as `%25` and NUL as `%00`, and nothing else encoded. Pieces are as
//! long as 255 bytes allow. What looks like an escape but is not exactly what this file would
//! write (another spelling, a shorter piece) is an ordinary name.
//!
//! Everything here is pure. What exists is `listing`'s business. `docs/decisions/names.md` says
//! why the forms are as they are.

use std::borrow::Cow;

use crate::vfs::error::VfsError;

/// The longest key S3 takes, bytes.
pub const KEY_BYTES_MAX: usize = 1024;

/// The longest file name Linux takes, bytes.
pub const NAME_BYTES_MAX: usize = 255;

/// What is left of a name behind the prefix of a form; all three are of one length.
const ENCODED_BYTES_MAX: usize = NAME_BYTES_MAX - "@s3.name=".len();

/// No character is encoded in more bytes than this, so a full piece lacks less than this.
const ENCODED_CHAR_BYTES_MAX: usize = 4;

/// Where a directory stands: what the keys of everything below it start with.
///
/// A listing of the directory is the listing of [`DirPrefix::as_str`] with the delimiter `/`,
/// each of its objects and prefixes passed through [`name_of_object`] or [`name_of_prefix`].
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct DirPrefix {
    /// Empty, or ends in `/`, or ends inside a component.
    prefix: String,
    /// Bytes at the end of `prefix` that belong to a component not finished yet.
    pending_bytes: usize,
}

impl DirPrefix {
    /// The root of a mount. `prefix` is empty or ends in `/`.
    #[must_use]
    pub fn root(prefix: &str) -> Self {
        debug_assert!(prefix.is_empty() || prefix.ends_with('/'), "a prefix ends in a slash");
        Self { prefix: prefix.to_owned(), pending_bytes: 0 }
    }

    /// What the keys of everything below start with.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.prefix
    }

    /// The key of the directory's marker. `None` for the root of a whole bucket, and for a
    /// directory that stands for a piece of a name: those exist only by what is in them.
    #[must_use]
    pub fn marker_key(&self) -> Option<&str> {
        (self.pending_bytes == 0 && !self.prefix.is_empty()).then_some(self.prefix.as_str())
    }

    /// This directory after all that is below `from` went below `to`; `None` if it is not there.
    #[must_use]
    pub fn moved(&self, from: &Self, to: &Self) -> Option<Self> {
        let rest = self.prefix.strip_prefix(&from.prefix)?;
        Some(Self { prefix: format!("{}{rest}", to.prefix), pending_bytes: self.pending_bytes })
    }

    fn parent_bytes(&self) -> usize {
        self.prefix.len() - self.pending_bytes
    }

    fn pending(&self) -> &str {
        &self.prefix[self.parent_bytes()..]
    }

    /// The directory of that component, `None` if its marker's key would be too long.
    fn below(&self, key: &str) -> Option<Self> {
        let prefix = format!("{key}/");
        (prefix.len() <= KEY_BYTES_MAX).then_some(Self { prefix, pending_bytes: 0 })
    }
}

/// What a name stands for. Whether it is there, only S3 knows.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Named {
    /// The object `key`, or the directory `dir`. `None` where the key of that directory's marker
    /// would be over 1024 bytes.
    Plain { key: String, dir: Option<DirPrefix> },
    /// An object, whatever directory has its plain name.
    FileOnly { key: String },
    /// A directory: no object is shown under such a name.
    DirOnly { dir: DirPrefix },
}

/// Why a name stands for nothing.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum NameError {
    #[error("a file name must be UTF-8 to be an object's key")]
    NotUtf8,
    #[error("the key would exceed S3's 1024 bytes, or the name 255")]
    TooLong,
    /// In a directory that stands for a piece of a name there is nothing but the other pieces.
    #[error("no object is shown under that name in this directory")]
    NotAName,
}

impl From<NameError> for VfsError {
    fn from(error: NameError) -> Self {
        match error {
            NameError::NotUtf8 => Self::NameNotUtf8,
            NameError::TooLong => Self::NameTooLong,
            NameError::NotAName => Self::NotFound,
        }
    }
}

/// What a listing shows beside an object.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Beside {
    Nothing,
    /// The common prefix that is the object's key and a slash.
    Directory,
}

/// Where a directory shows a key that its listing gave.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Shown<'a> {
    As(Cow<'a, str>),
    /// Inside the subdirectory of this name; many keys may share one.
    Inside(String),
    /// In another directory: a piece of a name begins the keys of its neighbours too.
    Elsewhere,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Form {
    Name,
    File,
    Long,
}

impl Form {
    const ALL: [Self; 3] = [Self::Name, Self::File, Self::Long];

    fn prefix(self) -> &'static str {
        match self {
            Self::Name => "@s3.name=",
            Self::File => "@s3.file=",
            Self::Long => "@s3.long=",
        }
    }
}

/// What `name` in the directory `dir` stands for. An ordinary name is taken byte for byte.
pub fn resolve(dir: &DirPrefix, name: &[u8]) -> Result<Named, NameError> {
    if name.len() > NAME_BYTES_MAX {
        return Err(NameError::TooLong);
    }
    let name = std::str::from_utf8(name).map_err(|_| NameError::NotUtf8)?;
    match resolve_escape(dir, name)? {
        Some(named) => Ok(named),
        None if dir.pending_bytes == 0 && is_file_name(name) => resolve_plain(dir, name),
        None => Err(NameError::NotAName),
    }
}

/// Where `dir` shows the object `key` of its listing.
///
/// The directory's own marker ([`DirPrefix::marker_key`]) is an object like any other here;
/// while it has no bytes, it is for the caller to leave out.
#[must_use]
pub fn name_of_object<'a>(dir: &DirPrefix, key: &'a str, beside: Beside) -> Shown<'a> {
    let Some(component) = component_of(dir, key) else { return Shown::Elsewhere };
    match beside {
        Beside::Nothing if !component.is_empty() => shown(dir, component, Form::Name),
        Beside::Nothing | Beside::Directory => shown(dir, component, Form::File),
    }
}

/// Where `dir` shows the directory of a common prefix of its listing (with its slash).
#[must_use]
pub fn name_of_prefix<'a>(dir: &DirPrefix, common_prefix: &'a str) -> Shown<'a> {
    let path = common_prefix.strip_suffix('/').unwrap_or(common_prefix);
    match component_of(dir, path) {
        Some(component) => shown(dir, component, Form::Name),
        None => Shown::Elsewhere,
    }
}

fn resolve_plain(dir: &DirPrefix, component: &str) -> Result<Named, NameError> {
    let key = checked_key(format!("{}{component}", dir.prefix))?;
    let below = dir.below(&key);
    Ok(Named::Plain { key, dir: below })
}

/// What an escaped name stands for, `None` if it is not exactly what this file would write.
fn resolve_escape(dir: &DirPrefix, name: &str) -> Result<Option<Named>, NameError> {
    let Some((form, text)) = decode(name) else { return Ok(None) };
    let component = format!("{}{text}", dir.pending());
    if !is_piece(&component, dir.pending_bytes, form) {
        return Ok(None);
    }
    let key = checked_key(format!("{}{text}", dir.prefix))?;
    Ok(Some(match form {
        Form::Long => Named::DirOnly {
            dir: DirPrefix { prefix: key, pending_bytes: dir.pending_bytes + text.len() },
        },
        Form::File if key.is_empty() => return Err(NameError::NotAName),
        Form::File => Named::FileOnly { key },
        Form::Name => {
            let below = dir.below(&key);
            match below {
                Some(dir) if component.is_empty() => Named::DirOnly { dir },
                None if component.is_empty() => return Err(NameError::TooLong),
                below => Named::Plain { key, dir: below },
            }
        }
    }))
}

fn checked_key(key: String) -> Result<String, NameError> {
    if key.len() > KEY_BYTES_MAX { Err(NameError::TooLong) } else { Ok(key) }
}

/// The one component in which `path` goes on below where `dir` began.
fn component_of<'a>(dir: &DirPrefix, path: &'a str) -> Option<&'a str> {
    if !path.starts_with(&dir.prefix) {
        return None;
    }
    let component = &path[dir.parent_bytes()..];
    (!component.contains('/')).then_some(component)
}

fn shown<'a>(dir: &DirPrefix, component: &'a str, last: Form) -> Shown<'a> {
    if last == Form::Name && has_plain_name(component) {
        return match dir.pending_bytes {
            0 => Shown::As(Cow::Borrowed(component)),
            _ => Shown::Elsewhere,
        };
    }
    match piece_at(component, dir.pending_bytes, last) {
        None => Shown::Elsewhere,
        Some((Form::Long, text)) => Shown::Inside(encode(Form::Long, text)),
        Some((form, text)) => Shown::As(Cow::Owned(encode(form, text))),
    }
}

fn is_file_name(name: &str) -> bool {
    !matches!(name, "" | "." | "..") && name.len() <= NAME_BYTES_MAX && !name.contains(['/', '\0'])
}

fn has_plain_name(component: &str) -> bool {
    is_file_name(component) && !is_escape(component)
}

/// Whether a name is an escape in a directory that does not stand for a piece.
fn is_escape(name: &str) -> bool {
    decode(name).is_some_and(|(form, text)| is_piece(&text, 0, form))
}

/// Whether `component` is written such that its bytes from `start` are one name of this form:
/// for [`Form::Long`], whether they can be, given the right bytes behind them.
fn is_piece(component: &str, start: usize, form: Form) -> bool {
    match form {
        Form::Name if has_plain_name(component) => false,
        Form::Name | Form::File => {
            piece_at(component, start, form).is_some_and(|(piece, _)| piece == form)
        }
        Form::Long => {
            let bytes = encoded_bytes(&component[start..]);
            starts_piece(component, start)
                && bytes <= ENCODED_BYTES_MAX
                && bytes > ENCODED_BYTES_MAX - ENCODED_CHAR_BYTES_MAX
        }
    }
}

/// The piece of `component` that starts at `start`, the last one being of the form `last`.
fn piece_at(component: &str, start: usize, last: Form) -> Option<(Form, &str)> {
    let rest = &component[start..];
    if !starts_piece(component, start) || (rest.is_empty() && start > 0) {
        return None;
    }
    let text = first_piece(rest);
    Some((if text.len() == rest.len() { last } else { Form::Long }, text))
}

/// Whether a piece starts at `start` when `component` is cut into the longest pieces.
fn starts_piece(component: &str, start: usize) -> bool {
    let mut at = 0;
    while at < start {
        at += first_piece(&component[at..]).len();
    }
    at == start
}

/// As many whole characters as fit into one name.
fn first_piece(text: &str) -> &str {
    let mut bytes = 0;
    for (at, character) in text.char_indices() {
        bytes += encoded_char_bytes(character);
        if bytes > ENCODED_BYTES_MAX {
            return &text[..at];
        }
    }
    text
}

fn encoded_bytes(text: &str) -> usize {
    text.chars().map(encoded_char_bytes).sum()
}

fn encoded_char_bytes(character: char) -> usize {
    match character {
        '%' | '\0' => "%00".len(),
        other => other.len_utf8(),
    }
}

fn encode(form: Form, text: &str) -> String {
    let mut name = String::with_capacity(NAME_BYTES_MAX);
    name.push_str(form.prefix());
    for character in text.chars() {
        match character {
            '%' => name.push_str("%25"),
            '\0' => name.push_str("%00"),
            other => name.push(other),
        }
    }
    name
}

/// Undoes [`encode`], and refuses what it would not have written.
fn decode(name: &str) -> Option<(Form, String)> {
    if name.len() > NAME_BYTES_MAX {
        return None;
    }
    let form = Form::ALL.into_iter().find(|form| name.starts_with(form.prefix()))?;
    let mut rest = &name[form.prefix().len()..];
    let mut text = String::with_capacity(rest.len());
    while let Some(character) = rest.chars().next() {
        let (decoded, bytes) = match character {
            '%' if rest.starts_with("%25") => ('%', 3),
            '%' if rest.starts_with("%00") => ('\0', 3),
            '%' | '\0' | '/' => return None,
            other => (other, other.len_utf8()),
        };
        text.push(decoded);
        rest = &rest[bytes..];
    }
    Some((form, text))
}

#[cfg(test)]
mod tests;
