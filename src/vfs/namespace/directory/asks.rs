//! Asks: how to find out about a name, when a program may want the next one soon.
//!
//! One page of a listing tells a thousand names, and of a directory that fits in one which names are
//! free as well. Whoever goes through a directory name by name is not asked for each of them.

use std::time::Duration;

/// From so many names on that were asked for one by one, a page is asked for instead.
pub const ASKS_MIN: u32 = 4;

/// Asks further apart than this have nothing to do with one another.
pub const PAUSE_MAX: Duration = Duration::from_secs(3);

/// A directory of no more names is told by one page, also when some were added meanwhile.
pub const WHOLE_NAMES_MAX: usize = 900;

/// Pages asked for in a row that begin where nobody had reason to expect it, neither forward of the name
/// asked for before nor where a page told something: whoever makes names in no order, in a directory of
/// very many, would need one for each.
pub const PAGES_IN_VAIN_MAX: u32 = 8;

/// How to find out about a name.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Question {
    /// By asking for it alone.
    Name,
    /// By a page of the listing that begins with it.
    Behind,
    /// By all of the listing.
    All,
}

/// What is known of a directory in which a name is to be asked for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Asked {
    /// A program goes through it name by name.
    pub is_walked: bool,
    /// All of it was listed once, or made here.
    pub was_listed: bool,
    /// The name was there when it was asked for last.
    pub was_there: bool,
    /// It was there, or is where the last pages told names.
    pub is_expected: bool,
    /// So many pages in a row were asked for where nobody had reason to expect it.
    pub pages_in_vain: u32,
    /// How many names are there, as far as is known, and no more than count.
    pub names: usize,
}

/// Plans how to find out about a name: a listing where that answers other questions too, for no more
/// requests.
#[must_use]
pub fn plan_question(asked: Asked) -> Question {
    let is_small = asked.was_listed && asked.names <= WHOLE_NAMES_MAX;
    match (asked.is_walked, is_small) {
        (true, true) => Question::All,
        (true, false) if asked.is_expected || asked.pages_in_vain < PAGES_IN_VAIN_MAX => {
            Question::Behind
        }
        // Of a name that may be free, object and directory must be asked for.
        (false, true) if !asked.was_there => Question::All,
        (_, _) => Question::Name,
    }
}

/// The names of one directory that were asked for one by one.
#[derive(Clone, Debug, Default)]
pub struct Asks {
    count: u32,
    pub(super) pages_in_vain: u32,
    last: Option<(Duration, Box<str>)>,
    /// The last came after the one before it.
    is_forward: bool,
}

impl Asks {
    /// A name is asked for. Whether so many others were before, without a pause, that more will
    /// follow; the same again and again is asked for because it is in use.
    pub fn note(&mut self, name: &str, now: Duration) -> bool {
        let last = self.last.as_ref().filter(|(at, _)| now.saturating_sub(*at) <= PAUSE_MAX);
        if last.is_none() {
            self.pages_in_vain = 0;
        }
        self.count = match last {
            Some((_, last)) if **last == *name => self.count,
            Some(_) => self.count.saturating_add(1),
            None => 1,
        };
        self.is_forward = last.is_some_and(|(_, last)| *name > **last);
        self.last = Some((now, name.into()));
        self.count > ASKS_MIN
    }

    /// The name asked for last is asked for by a page.
    pub fn note_page(&mut self, is_expected: bool) {
        if is_expected {
            self.pages_in_vain = 0;
        } else if !self.is_forward {
            self.pages_in_vain += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_asks_without_a_pause_are_a_walk() {
        let mut asks = Asks::default();
        let walked = (1..=20).map(|n| asks.note(&n.to_string(), Duration::from_millis(n * 15)));
        let walked = walked.filter(|is_walked| *is_walked).count();
        assert_eq!(walked, 20 - ASKS_MIN as usize);
    }

    #[test]
    fn a_listing_is_asked_for_where_it_answers_more() {
        let question = |is_walked, was_listed, was_there, names| {
            plan_question(Asked { is_walked, was_listed, was_there, names, ..Asked::default() })
        };
        assert_eq!(question(false, false, false, 0), Question::Name);
        assert_eq!(question(false, true, true, 10), Question::Name);
        assert_eq!(question(false, true, false, 10), Question::All);
        assert_eq!(question(false, true, false, 10_000), Question::Name);
        assert_eq!(question(true, false, false, 10), Question::Behind);
        assert_eq!(question(true, true, true, 10), Question::All);
        assert_eq!(question(true, true, true, 10_000), Question::Behind);
    }

    #[test]
    fn pages_that_answer_nothing_else_are_no_longer_asked_for() {
        let walked = Asked { is_walked: true, was_listed: true, names: 10_000, ..Asked::default() };
        let question = |is_expected, pages_in_vain| {
            plan_question(Asked { is_expected, pages_in_vain, ..walked })
        };
        assert_eq!(question(false, PAGES_IN_VAIN_MAX - 1), Question::Behind);
        assert_eq!(question(false, PAGES_IN_VAIN_MAX), Question::Name);
        assert_eq!(question(true, PAGES_IN_VAIN_MAX), Question::Behind);
    }

    #[test]
    fn a_page_is_in_vain_where_nobody_had_reason_to_expect_it() {
        let mut asks = Asks::default();
        let mut in_vain_after = |name: &str, is_expected| {
            asks.note(name, Duration::ZERO);
            asks.note_page(is_expected);
            asks.pages_in_vain
        };
        assert_eq!(in_vain_after("m", false), 1);
        assert_eq!(in_vain_after("n", false), 1, "it is forward");
        assert_eq!(in_vain_after("b", false), 2);
        assert_eq!(in_vain_after("a", true), 0);
    }

    #[test]
    fn asks_now_and_then_are_none() {
        let mut asks = Asks::default();
        assert!((1..=100).all(|n| !asks.note(&n.to_string(), PAUSE_MAX * 2 * n)));
    }

    #[test]
    fn the_same_name_time_and_again_is_no_walk() {
        let mut asks = Asks::default();
        assert!((1..=100).all(|n| !asks.note("in use", PAUSE_MAX / 2 * n)));
    }
}
