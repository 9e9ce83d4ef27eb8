//! Space: where the names of a directory lie, as far as they were seen, so that what is left of a
//! listing can be cut into parts.
//!
//! A name is read as a number between 0 and 1: each position is a digit, its base the characters
//! that names have there. Characters are taken for all of their kind (a digit for the ten, `a` to
//! `f` beside digits for the sixteen), since the names that were seen are the first in order.
//! The numbers need not be right, only in order: a cut at the wrong place costs a request.
//!
//! Names end at the first slash, so that no cut ever goes through what S3 rolls up as one.
//! Everything here is pure.

/// Positions of a name that count, from its start.
const POSITIONS_MAX: usize = 48;

/// Below this a difference is none.
const PRECISION: f64 = 1e-14;

/// Names looked for in one go behind the last that was seen.
pub const PROBES_MAX: usize = 24;

/// At one position at most.
const PROBES_A_POSITION_MAX: usize = 5;

/// Kinds of characters, each a range.
const KINDS: [(char, char); 3] = [('0', '9'), ('a', 'z'), ('A', 'Z')];

/// The names that were seen below a prefix.
#[derive(Clone, Debug)]
pub struct Space {
    prefix: String,
    positions: Vec<Position>,
}

/// The characters that were seen at a position.
#[derive(Clone, Copy, Debug, Default)]
struct Position {
    ascii: u128,
    /// The least and the greatest of all others.
    others: Option<(u32, u32)>,
    /// Some name ends before it.
    has_end: bool,
    /// There are probably no others.
    is_complete: bool,
}

impl Space {
    #[must_use]
    pub fn new(prefix: &str) -> Self {
        Self { prefix: prefix.to_owned(), positions: Vec::new() }
    }

    /// Takes note of a key or common prefix.
    pub fn see(&mut self, key: &str) {
        self.see_behind("", key);
    }

    /// Takes note of keys that follow one another.
    pub fn see_all<'a>(&mut self, keys: impl Iterator<Item = &'a str>) {
        let mut before = "";
        for key in keys {
            self.see_behind(before, key);
            before = key;
        }
    }

    fn see_behind(&mut self, before: &str, key: &str) {
        let (name, before) = (name_of(&self.prefix, key), name_of(&self.prefix, before));
        let mut before = before.chars();
        // Where an earlier position goes on, a later one has been through all its characters.
        let mut has_gone_on = before.as_str().is_empty().then_some(false);
        let mut count = 0;
        for (index, char) in name.chars().take(POSITIONS_MAX).enumerate() {
            let position = self.position(index);
            position.see(char);
            position.is_complete |= has_gone_on == Some(true);
            if has_gone_on.is_none() && before.next() != Some(char) {
                has_gone_on = Some(true);
            }
            count = index + 1;
        }
        if count < POSITIONS_MAX {
            self.position(count).has_end = true;
        }
    }

    fn position(&mut self, index: usize) -> &mut Position {
        if self.positions.len() <= index {
            self.positions.resize(index + 1, Position::default());
        }
        &mut self.positions[index]
    }

    /// Where a key lies, from 0 to 1, in order of keys.
    #[must_use]
    pub fn place(&self, key: &str) -> f64 {
        let mut chars = name_of(&self.prefix, key).chars();
        let (mut place, mut width) = (0.0, 1.0);
        for position in &self.positions {
            let alphabet = Alphabet::of(position);
            width /= f64::from(alphabet.base().max(1));
            let Some(char) = chars.next() else { break };
            let (rank, is_known) = alphabet.rank(char);
            place += f64::from(rank) * width;
            if !is_known || width < PRECISION {
                break;
            }
        }
        place.min(1.0)
    }

    /// A key that lies about there, no finer than `grain`.
    fn key_at(&self, place: f64, grain: f64) -> String {
        let mut key = self.prefix.clone();
        let (mut rest, mut width) = (place, 1.0);
        for position in &self.positions {
            let alphabet = Alphabet::of(position);
            let base = alphabet.base().max(1);
            width /= f64::from(base);
            let rank = ((rest / width) as u32).min(base - 1);
            rest -= f64::from(rank) * width;
            let Some(char) = alphabet.char(rank) else { break };
            key.push(char);
            if width < grain {
                break;
            }
        }
        key
    }

    /// A key strictly between the two that lies `part` of the way.
    #[must_use]
    pub fn cut(&self, after: &str, until: &str, part: f64) -> Option<String> {
        let (from, to) = (self.place(after), self.place(until));
        let way = to - from;
        if way.is_nan() || way <= PRECISION {
            return None;
        }
        let key = self.key_at(from + part * way, part.min(1.0 - part) * way / 64.0);
        let is_between = after < key.as_str() && key.as_str() < until;
        is_between.then_some(key)
    }

    /// The key as the end of a part: of a common prefix, all comes behind it.
    #[must_use]
    pub fn bound(&self, key: &str) -> String {
        format!("{}{}", self.prefix, name_of(&self.prefix, key))
    }

    /// Where to look for names behind the last one that was seen: a key each, in order.
    ///
    /// What comes behind a name differs from it at some position first, by a greater character
    /// there. So greater ones are tried at each, more where names are known to differ, from the
    /// first position on.
    #[must_use]
    pub fn plan_probes(&self, last: &str) -> Vec<String> {
        let name: Vec<char> = name_of(&self.prefix, last).chars().take(POSITIONS_MAX).collect();
        let at = |index: usize| self.positions.get(index).copied().unwrap_or_default();
        let first_varied = (0..name.len()).find(|index| at(*index).is_varied());
        let first_varied = first_varied.unwrap_or(name.len().saturating_sub(1));
        let mut probes = Vec::new();
        for (index, char) in name.iter().enumerate() {
            let position = at(index);
            let wanted = match index {
                index if index > first_varied + 2 => break,
                index if index >= first_varied => PROBES_A_POSITION_MAX,
                // Long equal beginnings are passed by their last character.
                _ if char.is_ascii_digit() => 3,
                index if index + 1 == first_varied => 1,
                _ => 0,
            };
            // What varies tells of what has not varied yet.
            let behind = (index..first_varied + 3).map(|index| at(index).ascii);
            let ascii = if char.is_ascii_digit() {
                behind.fold(0, |all, ascii| all | ascii & letters_and_digits())
            } else {
                position.ascii
            };
            let position = Position { ascii, ..position };
            let before: String = name[..index].iter().collect();
            for greater in Alphabet::of(&position).greater(*char, wanted) {
                probes.push(format!("{}{before}{greater}", self.prefix));
            }
        }
        probes.sort();
        probes.dedup();
        probes.retain(|probe| probe.as_str() > last);
        // The first positions' are the last in order, and tell most.
        let superfluous = probes.len().saturating_sub(PROBES_MAX);
        probes.drain(..superfluous);
        probes
    }
}

/// What a key is called in the directory: no further than a slash.
fn name_of<'a>(prefix: &str, key: &'a str) -> &'a str {
    let name = key.strip_prefix(prefix).unwrap_or("");
    name.split('/').next().unwrap_or(name)
}

impl Position {
    fn see(&mut self, char: char) {
        let code = u32::from(char);
        if char.is_ascii() {
            self.ascii |= 1 << code;
        } else {
            let (least, greatest) = self.others.unwrap_or((code, code));
            self.others = Some((least.min(code), greatest.max(code)));
        }
    }

    fn is_varied(&self) -> bool {
        let others = self.others.map_or(0, |(least, greatest)| 1 + u32::from(greatest > least));
        self.ascii.count_ones() + others > 1
    }
}

/// The characters that names are taken to have at a position, in order.
struct Alphabet {
    ascii: u128,
    others: Option<(u32, u32)>,
    has_end: bool,
}

impl Alphabet {
    fn of(position: &Position) -> Self {
        let Position { ascii: seen, others, has_end, is_complete } = *position;
        let digits = range_mask('0', '9');
        let mut ascii = seen;
        for (first, last) in KINDS {
            let kind = range_mask(first, last);
            let of_kind = seen & kind;
            let beside_digits = seen & digits != 0;
            let is_known = first == '0' || of_kind.count_ones() > 1 || beside_digits;
            if of_kind == 0 || !is_known || is_complete {
                continue;
            }
            let sixteen = range_mask(first, sixth(first));
            let is_hexadecimal = first != '0' && beside_digits && of_kind & !sixteen == 0;
            ascii |= if is_hexadecimal { sixteen } else { kind };
        }
        Self { ascii, others, has_end }
    }

    fn others_count(&self) -> u32 {
        self.others.map_or(0, |(least, greatest)| greatest - least + 1)
    }

    fn base(&self) -> u32 {
        u32::from(self.has_end) + self.ascii.count_ones() + self.others_count()
    }

    /// How many come before a character, and whether it is one of them all.
    fn rank(&self, char: char) -> (u32, bool) {
        let code = u32::from(char);
        let ends = u32::from(self.has_end);
        if char.is_ascii() {
            let below = (self.ascii & ((1 << code) - 1)).count_ones();
            return (ends + below, self.ascii & (1 << code) != 0);
        }
        let before = ends + self.ascii.count_ones();
        match self.others {
            Some((least, greatest)) => {
                let below = code.clamp(least, greatest + 1) - least;
                (before + below, (least..=greatest).contains(&code))
            }
            None => (before, false),
        }
    }

    /// The character with so many before it; `None` is the end of a name.
    fn char(&self, rank: u32) -> Option<char> {
        let rank = rank.checked_sub(u32::from(self.has_end))?;
        let ascii = self.ascii.count_ones();
        if rank < ascii {
            let mut codes = (0..128_u32).filter(|code| self.ascii & (1 << code) != 0);
            return codes.nth(rank as usize).and_then(char::from_u32);
        }
        let (least, greatest) = self.others?;
        let code = (least + rank - ascii).min(greatest);
        // Between the two planes are numbers that are no characters.
        char::from_u32(code).or(Some('\u{E000}'))
    }

    /// At most `count` characters above this one, of which the first is the very next.
    fn greater(&self, char: char, count: usize) -> Vec<char> {
        let code = u32::from(char);
        if count == 0 {
            return Vec::new();
        }
        if !char.is_ascii() {
            let steps = (0..count as u32).map(|step| code.saturating_add(1 << (3 * step)));
            return steps.filter_map(char::from_u32).collect();
        }
        let known: Vec<char> = (code + 1..128)
            .filter(|code| self.ascii & (1 << code) != 0)
            .filter_map(char::from_u32)
            .collect();
        let next = char::from_u32(code + 1).filter(|next| *next != '/').unwrap_or('0');
        let spread = |index: usize| known[(index + 1) * known.len() / count - 1];
        let mut greater = vec![next];
        if known.len() <= count {
            greater.extend(&known);
        } else {
            greater.extend((0..count).map(spread));
        }
        if let Some((_, greatest)) = self.others {
            greater.extend(char::from_u32(greatest));
        }
        greater.dedup();
        greater
    }
}

fn range_mask(first: char, last: char) -> u128 {
    (u32::from(first)..=u32::from(last)).fold(0, |mask, code| mask | 1 << code)
}

fn letters_and_digits() -> u128 {
    KINDS.iter().fold(0, |mask, (first, last)| mask | range_mask(*first, *last))
}

/// The sixth letter from this one.
fn sixth(first: char) -> char {
    char::from_u32(u32::from(first) + 5).unwrap_or(first)
}

#[cfg(test)]
mod tests;
