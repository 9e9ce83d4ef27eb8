//! `docs/options.md`, from the tables.

use crate::cli::args::{
    COMMANDS, CommandRow, MOUNT_OPTIONS, Operand, OptionRow, Value, options_of,
};

const HEAD: &str = "# Commands and options

Generated from the tables in `src/cli/args.rs`; a test keeps it so.

`pailfs SOURCE MOUNTPOINT` is short for `pailfs mount SOURCE MOUNTPOINT`, and what mount(8) calls for the
type `fuse.pailfs`. Installed as `/sbin/mount.pailfs` the program is the helper for the type `pailfs`. In
`/etc/fstab`:

```
s3://bucket/prefix  /mnt/bucket  fuse.pailfs  _netdev,nofail,allow_other,ttl=5  0  0
```

In `-o` names are written with `_` (or `-`), and what mount(8) passes to every file system is understood: `ro`,
`noexec`, `nosuid`, `nodev`, `noatime` and their opposites go to the kernel, `_netdev`, `nofail`, `x-...`
and their kind are ignored. An option outweighs its twin in `-o`; the last of several counts.
";

/// The whole manual.
#[must_use]
pub fn text() -> String {
    COMMANDS.iter().fold(HEAD.to_owned(), |text, row| text + &section(row))
}

fn section(row: &CommandRow) -> String {
    let mut words = vec!["pailfs".to_owned(), row.name.to_owned()];
    words.extend(row.operands.iter().map(Operand::shown));
    let has_options = options_of(row.command).next().is_some();
    words.extend(has_options.then(|| "[OPTIONS]".to_owned()));
    let mut text = format!("\n## {}\n\n{}.\n", words.join(" "), row.about);
    let operands = row.operands.iter();
    text.extend(operands.map(|operand| format!("\n- `{}`: {}", operand.shown(), operand.help)));
    text.push('\n');
    if has_options {
        text.push('\n');
        text.push_str(&table(row));
    }
    text
}

fn table(row: &CommandRow) -> String {
    let columns: &[Column] = if options_of(row.command).any(|row| row.long == MOUNT_OPTIONS) {
        &[("option", spelling), ("in `-o`", twin), ("default", default), ("", help)]
    } else {
        &[("option", spelling), ("default", default), ("", help)]
    };
    let mut text = line(columns.iter().map(|(head, _)| (*head).to_owned()));
    text.push_str(&line(columns.iter().map(|_| "---".to_owned())));
    let rows = options_of(row.command);
    text.extend(rows.map(|row| line(columns.iter().map(|(_, cell)| cell(row)))));
    text
}

/// A column of a table of options: its head, and what a row has in it.
type Column = (&'static str, fn(&OptionRow) -> String);

fn line(cells: impl Iterator<Item = String>) -> String {
    let cells = cells.map(|cell| format!("| {} ", cell.replace('|', "\\|")));
    cells.collect::<String>() + "|\n"
}

fn default(row: &OptionRow) -> String {
    row.default.to_owned()
}

fn help(row: &OptionRow) -> String {
    row.help.to_owned()
}

fn spelling(row: &OptionRow) -> String {
    let value = match row.value {
        Value::None => String::new(),
        Value::Named(name) => format!(" {name}"),
    };
    let short = row.short.map_or_else(String::new, |short| format!("`-{short}`, "));
    format!("{short}`--{}{value}`", row.long)
}

fn twin(row: &OptionRow) -> String {
    let equals = if row.value == Value::None { "" } else { "=" };
    let names = row.mount_options().into_iter().map(|name| format!("`{name}{equals}`"));
    names.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manual_in_docs_is_the_one_the_tables_make() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/options.md");
        let kept = std::fs::read_to_string(path).unwrap_or_default();
        if kept != text() {
            std::fs::write(format!("{path}.new"), text()).unwrap();
            panic!("docs/options.md is not what the tables say; docs/options.md.new is");
        }
    }
}
