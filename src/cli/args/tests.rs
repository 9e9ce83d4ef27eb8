//! Command lines, and what is made of them.

use super::*;

fn typed(line: &str) -> Typed {
    parse(line.split(' ').map(OsString::from).collect()).unwrap()
}

#[track_caller]
fn check_refused(line: &str, part: &str) {
    let stop = parse(line.split(' ').map(OsString::from).collect()).unwrap_err();
    assert!(stop.to_string().contains(part), "{part} is missing in: {stop}");
}

#[test]
fn options_are_found_by_their_long_names() {
    let typed = typed("pailfs mount b/p /mnt --ttl 5 --read-only --umask=077 -f");
    assert_eq!(typed.command, CommandName::Mount);
    assert_eq!(typed.operands, ["b/p", "/mnt"]);
    assert_eq!(typed.value("ttl"), Some("5"));
    assert_eq!(typed.value("umask"), Some("077"));
    assert!(typed.is_given("read-only"));
    assert!(typed.is_given("foreground"));
    assert!(!typed.is_given("allow-other"));
}

#[test]
fn every_option_of_mount_has_its_twin() {
    let typed = typed("pailfs b /mnt -o ttl=5,allow_other,endpoint-url=http://h:1,ro");
    assert_eq!(typed.value("ttl"), Some("5"));
    assert_eq!(typed.value("endpoint-url"), Some("http://h:1"));
    assert!(typed.is_given("allow-other"));
    assert!(typed.is_given("read-only"));
}

#[test]
fn an_option_of_mount_has_its_long_name_too() {
    assert!(typed("pailfs b /mnt -o read_only").is_given("read-only"));
    assert!(typed("pailfs b /mnt -o read-only").is_given("read-only"));
    check_refused("pailfs b /mnt -o foreground", "-o foreground: no such option");
}

#[test]
fn a_misspelt_command_is_told_the_right_one() {
    check_refused("pailfs monut buck e", "'mount'");
    check_refused("pailfs buck e /mnt", "unexpected argument '/mnt'");
    check_refused("pailfs monut /mnt --fast", "unexpected argument '--fast'");
    assert_eq!(typed("pailfs monut /mnt").operands, ["monut", "/mnt"]);
}

#[test]
fn what_mount_passes_to_every_file_system_is_understood() {
    let line = "pailfs b /mnt -o rw,nosuid,nodev,noexec,noatime,_netdev,user,nofail,\
                x-systemd.automount,X-mount.mkdir,defaults,relatime";
    let words = typed(line).kernel_words;
    assert_eq!(words, KernelWords { no_exec: true, no_atime: true, ..KernelWords::default() });
    let words = typed("pailfs b /mnt -o rw,dev,suid").kernel_words;
    assert!(words.allow_suid && words.allow_devices);
    assert!(!typed("pailfs b /mnt -o ro,rw").is_given("read-only"));
}

#[test]
fn the_last_of_several_counts_and_an_option_outweighs_its_twin() {
    assert_eq!(typed("pailfs mount b /mnt --ttl 5 --ttl 6").value("ttl"), Some("6"));
    assert_eq!(typed("pailfs mount b /mnt -o ttl=5 -o ttl=6").value("ttl"), Some("6"));
    assert_eq!(typed("pailfs mount b /mnt --ttl 5 -o ttl=6").value("ttl"), Some("5"));
}

#[test]
fn what_is_not_understood_is_named() {
    check_refused("pailfs mount b /mnt -o fast", "-o fast: no such option");
    check_refused("pailfs mount b /mnt -o ttl", "-o ttl: needs a value");
    check_refused("pailfs mount b /mnt -o allow_other=1", "-o allow_other: takes no value");
    check_refused("pailfs mount b", "MOUNTPOINT");
    check_refused("pailfs mount b /mnt --fast", "--fast");
    check_refused("pailfs umount /mnt --ttl 5", "--ttl");
}

#[test]
fn commands_have_their_own_options_of_the_same_name() {
    assert_eq!(typed("pailfs serve --data :memory:").value("data"), Some(":memory:"));
    assert_eq!(typed("pailfs demo /mnt --data d --ttl 3").value("data"), Some("d"));
    assert!(typed("pailfs umount /mnt --lazy").is_given("lazy"));
}

#[test]
fn the_last_operand_of_a_command_may_come_several_times() {
    assert_eq!(typed("pailfs get acl a b c").operands, ["acl", "a", "b", "c"]);
    assert_eq!(typed("pailfs set tags - a").operands, ["tags", "-", "a"]);
    let typed = typed("pailfs set restore days=5 a --recursive b");
    assert_eq!(typed.operands, ["restore", "days=5", "a", "b"]);
    assert!(typed.is_given("recursive"));
    check_refused("pailfs get acl", "<PATH>...");
    check_refused("pailfs unset acl", "<PATH>...");
    check_refused("pailfs info", "<PATH>...");
    check_refused("pailfs info a --recursive", "--recursive");
}

#[test]
fn only_the_last_operand_of_a_command_comes_several_times() {
    for command in COMMANDS {
        let but_last = command.operands.split_last().map_or(&[][..], |(_, others)| others);
        assert!(but_last.iter().all(|operand| operand.count == Count::One), "{}", command.name);
    }
}

#[test]
fn the_table_is_one_that_clap_accepts() {
    program().debug_assert();
}

#[test]
fn rows_explain_themselves_and_no_name_comes_twice() {
    for command in COMMANDS {
        let longs: Vec<_> = options_of(command.command).map(|row| row.long).collect();
        for (index, row) in options_of(command.command).enumerate() {
            assert!(!row.help.is_empty() && !row.help.ends_with('.'), "--{}", row.long);
            assert!(!longs[..index].contains(&row.long), "--{} comes twice", row.long);
        }
    }
}
