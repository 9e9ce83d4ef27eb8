//! Habits: whether programs read the files of a directory that they look at.
//!
//! One request brings what S3 says of an object and its first bytes, or only the former for little
//! less. Which of the two is worth it, what programs did in that directory tells. Everything here is pure.

/// So many files are looked at before not reading them counts.
const GRACE: u32 = 4;

/// What was done long ago counts less: of so many, half is forgotten.
const LOOKED_MAX: u32 = 64;

/// More than this is not brought with a look: few programs want less, and it costs next to no time.
pub const LOOKED_BYTES_MAX: u64 = 64 << 10;

/// What to ask of S3 about an object.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Look {
    /// What it says of it.
    Head,
    /// That, and up to so many bytes.
    First { bytes: u64 },
}

/// Who wants to know.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Wanted {
    /// A program, now.
    Now,
    /// Perhaps a program that goes on as it began.
    Next,
}

/// What programs did with the files of a directory.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Habit {
    looked: u32,
    opened: u32,
}

impl Habit {
    /// A program has looked a file up.
    pub fn note_looked(&mut self) {
        self.looked += 1;
        if self.looked >= LOOKED_MAX {
            self.looked /= 2;
            self.opened /= 2;
        }
    }

    /// A program has opened a file to read it.
    pub fn note_opened(&mut self) {
        self.opened = (self.opened + 1).min(self.looked);
    }

    /// Whether half of what is looked at is read, as far as that is known.
    #[must_use]
    pub fn reads(self) -> bool {
        self.looked <= GRACE + 2 * self.opened
    }
}

/// Plans a look at an object of which a listing told the `size`, if it did.
#[must_use]
pub fn plan_look(habit: Habit, size: Option<u64>, wanted: Wanted) -> Look {
    if !habit.reads() {
        return Look::Head;
    }
    match (size, wanted) {
        (Some(0), _) => Look::Head,
        (Some(size), Wanted::Next) if size > LOOKED_BYTES_MAX => Look::Head,
        (Some(size), _) => Look::First { bytes: size.min(LOOKED_BYTES_MAX) },
        (None, _) => Look::First { bytes: LOOKED_BYTES_MAX },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn habit(looked: usize, opened: usize) -> Habit {
        let mut habit = Habit::default();
        for count in 0..looked {
            habit.note_looked();
            if count < opened {
                habit.note_opened();
            }
        }
        habit
    }

    #[test]
    fn programs_are_thought_to_read_until_they_do_not() {
        assert!(habit(0, 0).reads());
        assert!(habit(4, 0).reads());
        assert!(!habit(5, 0).reads());
        assert!(!habit(1000, 0).reads());
    }

    #[test]
    fn who_reads_half_of_what_it_looks_at_reads() {
        assert!(habit(60, 30).reads());
        assert!(!habit(60, 20).reads());
        assert!(habit(100_000, 100_000).reads());
    }

    #[test]
    fn a_habit_changes() {
        let mut habit = habit(1000, 0);
        for _ in 0..LOOKED_MAX {
            habit.note_looked();
            habit.note_opened();
        }
        assert!(habit.reads());
        (0..LOOKED_MAX).for_each(|_| habit.note_looked());
        assert!(!habit.reads());
    }

    #[test]
    fn files_opened_without_a_look_do_not_count() {
        let mut habit = Habit::default();
        (0..1000).for_each(|_| habit.note_opened());
        (0..5).for_each(|_| habit.note_looked());
        assert!(!habit.reads());
    }

    #[test]
    fn no_more_is_brought_than_there_is_or_may_be_wanted() {
        let look = |size, wanted| plan_look(Habit::default(), size, wanted);
        let first = |bytes| Look::First { bytes };
        assert_eq!(look(None, Wanted::Now), first(LOOKED_BYTES_MAX));
        assert_eq!(look(Some(0), Wanted::Now), Look::Head);
        assert_eq!(look(Some(10), Wanted::Next), first(10));
        assert_eq!(look(Some(1 << 30), Wanted::Now), first(LOOKED_BYTES_MAX));
        assert_eq!(look(Some(1 << 30), Wanted::Next), Look::Head);
        assert_eq!(plan_look(habit(5, 0), Some(10), Wanted::Now), Look::Head);
    }
}
