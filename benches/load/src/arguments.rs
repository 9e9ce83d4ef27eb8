//! Arguments: `COMMAND WORD... --name value ...`, as `scripts/bench` writes them.

use std::collections::HashMap;
use std::str::FromStr;

/// What the program was called with.
#[derive(Debug)]
pub struct Arguments {
    words: std::vec::IntoIter<String>,
    options: HashMap<String, String>,
}

impl Arguments {
    /// Parses the arguments behind the program's name.
    ///
    /// # Errors
    /// An option without a value.
    pub fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Self, String> {
        let (mut words, mut options) = (Vec::new(), HashMap::new());
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            match argument.strip_prefix("--") {
                Some(name) => {
                    let value = arguments.next().ok_or(format!("--{name} wants a value"))?;
                    options.insert(name.to_owned(), value);
                }
                None => words.push(argument),
            }
        }
        Ok(Self { words: words.into_iter(), options })
    }

    /// The next word.
    ///
    /// # Errors
    /// There is none, or it is not what is wanted.
    pub fn word<T: FromStr>(&mut self, name: &str) -> Result<T, String> {
        let word = self.words.next().ok_or(format!("{name} is missing"))?;
        word.parse().map_err(|_| format!("{name} cannot be {word:?}"))
    }

    /// The value of an option, or what it is where it was not given.
    ///
    /// # Errors
    /// It is not what is wanted.
    pub fn option<T: FromStr>(&self, name: &str, default: T) -> Result<T, String> {
        match self.options.get(name) {
            Some(value) => value.parse().map_err(|_| format!("--{name} cannot be {value:?}")),
            None => Ok(default),
        }
    }

    /// The value of an option that must be given.
    ///
    /// # Errors
    /// It was not given, or is not what is wanted.
    pub fn required<T: FromStr>(&self, name: &str) -> Result<T, String> {
        let value = self.options.get(name).ok_or(format!("--{name} is missing"))?;
        value.parse().map_err(|_| format!("--{name} cannot be {value:?}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_options_stand_in_any_order() {
        let given = ["get", "--jobs", "16", "key", "7"].map(str::to_owned);
        let mut arguments = Arguments::parse(given).unwrap();
        assert_eq!(arguments.word::<String>("command").unwrap(), "get");
        assert_eq!(arguments.word::<String>("key").unwrap(), "key");
        assert_eq!(arguments.word::<u64>("size").unwrap(), 7);
        assert_eq!(arguments.option("jobs", 1).unwrap(), 16);
        assert_eq!(arguments.option("seed", 3).unwrap(), 3);
        assert!(arguments.word::<u64>("more").is_err());
        assert!(arguments.required::<u64>("port").is_err());
    }

    #[test]
    fn an_option_without_a_value_is_refused() {
        assert!(Arguments::parse(["--jobs".to_owned()]).is_err());
    }
}
